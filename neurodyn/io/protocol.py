"""The steps of a command."""

import dataclasses
from collections.abc import Sequence

import numpy as np


_RISE = 1.0  # ms; what takes longer to change is a ramp
_SMOOTHED = 0.25  # ms; of the running median that a measured command is smoothed with
_SIGMAS = 8.0  # of the noise, within which a level counts as constant
_SMALLEST = 0.002  # of the range of the command, the same for one without noise


@dataclasses.dataclass(frozen=True)
class ProtocolStep:
    """A constant command other than the holding level.

    **Fields:** `sweep`, counted from 0; `start`, the time of the first sample at the new level, and `stop`, that of the first one after it, ms; `amplitude`,
    the level less the holding level (at which the sweep begins), in the command's unit.
    """

    sweep: int
    start: float
    stop: float
    amplitude: float

    @property
    def duration(self) -> float:
        """How long it lasts, ms."""
        return self.stop - self.start

    def is_like(self, other: "ProtocolStep") -> bool:
        """Whether the other one is a repeat: the same time, and the amplitude within half a per cent."""
        largest = max(abs(self.amplitude), abs(other.amplitude))
        same_time = (self.start, self.stop) == (other.start, other.stop)
        return same_time and abs(self.amplitude - other.amplitude) <= 0.005 * largest


@dataclasses.dataclass(frozen=True)
class _Plateau:
    """Samples `begin` to `end` (not included), in which nothing changes fast; a ramp if something does change."""

    begin: int
    end: int
    first: float
    last: float
    level: float
    ramp: bool


def find_steps(command: np.ndarray, dt: float, start: float, shortest: float) -> tuple[ProtocolStep, ...]:
    """The steps of a command of shape (sweeps, n); see `Recording.steps`."""
    span = float(np.ptp(command))
    width = min(max(2, round(shortest / dt)), command.shape[1])
    noise = _noise(command, width)
    if noise > 1e-6 * span:
        command = np.stack([_running_median(row, 2 * round(_SMOOTHED / dt / 2) + 1) for row in command])
        noise = _noise(command, width)
    tolerance = max(_SMALLEST * span, _SIGMAS * noise)
    rise = max(1, round(_RISE / dt))
    found = [_merged(_plateaus(row, width, tolerance), rise, tolerance) for row in command]
    edges = [_edges(row, these, rise, tolerance) for row, these in zip(command, found, strict=True)]
    near = max(1, round(_SMOOTHED / dt)) if noise > 1e-6 * span else 0
    moved, shared = _agreed([list(these.values()) for these in edges], near)
    steps: list[ProtocolStep] = []
    for sweep, (row, plateaus, here) in enumerate(zip(command, found, edges, strict=True)):
        holding = plateaus[0].first if plateaus and plateaus[0].begin <= rise else float(np.median(row[:width]))
        for i, plateau in enumerate(plateaus):
            amplitude = plateau.level - holding
            if plateau.ramp or i - 1 not in here or abs(amplitude) <= tolerance:
                continue
            begin, end = moved[here[i - 1]], moved[here[i]] if i in here else plateau.end
            cuts = [begin, *(c for c in shared if begin + width <= c <= end - width), end]
            steps += [
                ProtocolStep(sweep, round(start + dt * a, 9), round(start + dt * b, 9), round(amplitude, 9))
                for a, b in zip(cuts[:-1], cuts[1:], strict=True)
            ]
    return tuple(steps)


def _noise(command: np.ndarray, lag: int) -> float:
    """The standard deviation of the noise, 0 for a command that was calculated.

    Fast noise from neighbouring samples, of which a twentieth may be edges; slow noise from samples further apart, of which a half may.
    """
    if command.shape[1] <= lag:
        return 0.0
    fast, slow = np.diff(command, axis=1), command[:, lag:] - command[:, :-lag]
    fast, slow = (np.abs(x - np.median(x)) for x in (fast, slow))
    # Of a normal distribution: the quantiles of the difference between two samples.
    return max(float(np.quantile(fast, 0.95)) / 2.772, float(np.median(slow)) / 0.954)


def _running_median(row: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(row, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=-1)


def _plateaus(row: np.ndarray, width: int, tolerance: float) -> list[_Plateau]:
    """All stretches in which no window of `width` samples spans more than the tolerance."""
    windows = np.lib.stride_tricks.sliding_window_view(row, width)
    flat = np.concatenate([[False], np.ptp(windows, axis=-1) <= tolerance, [False]])
    found: list[_Plateau] = []
    for begin, end in np.flatnonzero(np.diff(flat)).reshape(-1, 2):
        a, b = int(begin), int(end) + width - 1
        if found:
            a = max(a, found[-1].end)
        found.append(_plateau(row, a, b, width, tolerance))
    return found


def _plateau(row: np.ndarray, a: int, b: int, width: int, tolerance: float) -> _Plateau:
    part, third = row[a:b], max(1, (b - a) // 3)
    drift = abs(float(np.median(part[:third]) - np.median(part[-third:])))
    first, last, level = (float(np.median(x)) for x in (part[:width], part[-width:], part))
    return _Plateau(a, b, first, last, level, drift > tolerance / 2)


def _merged(plateaus: Sequence[_Plateau], rise: int, tolerance: float) -> list[_Plateau]:
    """The same with those joined that only a moment of noise parts."""
    kept: list[_Plateau] = []
    for new in plateaus:
        old = kept[-1] if kept else None
        if old and not (old.ramp or new.ramp) and new.begin - old.end <= rise and _is_level(old, new, tolerance):
            longer = old if old.end - old.begin >= new.end - new.begin else new
            kept[-1] = _Plateau(old.begin, new.end, old.first, new.last, longer.level, False)
        else:
            kept.append(new)
    return kept


def _is_level(old: _Plateau, new: _Plateau, tolerance: float) -> bool:
    return abs(new.first - old.last) <= tolerance


def _edges(row: np.ndarray, plateaus: Sequence[_Plateau], rise: int, tolerance: float) -> dict[int, int]:
    """For each plateau that a jump follows, the first sample past the middle of the jump."""
    found: dict[int, int] = {}
    for i, (old, new) in enumerate(zip(plateaus[:-1], plateaus[1:], strict=True)):
        if new.begin - old.end <= rise and not _is_level(old, new, tolerance):
            past = np.abs(row[old.end : new.begin] - old.last) > abs(new.first - old.last) / 2
            found[i] = old.end + int(np.argmax(past)) if past.any() else new.begin
    return found


def _agreed(edges: Sequence[Sequence[int]], near: int) -> tuple[dict[int, int], list[int]]:
    """Where each edge is once those of different sweeps that are near one another are taken as one, and the edges of more than half of the sweeps."""
    moved: dict[int, int] = {}
    shared: list[int] = []
    every = sorted((edge, sweep) for sweep, these in enumerate(edges) for edge in these)
    group: list[tuple[int, int]] = []
    for i, (edge, sweep) in enumerate(every):
        group.append((edge, sweep))
        if i + 1 < len(every) and every[i + 1][0] - edge <= near:
            continue
        centre = int(np.median([e for e, _ in group]))
        moved |= {e: centre for e, _ in group}
        if 2 * len({s for _, s in group}) > len(edges):
            shared.append(centre)
        group = []
    return moved, shared
