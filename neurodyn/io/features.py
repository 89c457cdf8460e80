"""What the spikes of a recording are like, step by step."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._table import as_html, as_text
from .files import DataError
from .protocol import ProtocolStep
from .spikes import Spike, Upstroke, find_upstrokes, measure_spike


if TYPE_CHECKING:
    from .recording import Recording


@dataclasses.dataclass(frozen=True)
class StepFeatures:
    """The spikes of one step of one sweep: those with their onset in it.

    **Fields:**

    - `step`: the `ProtocolStep`.
    - `count`: how many there are.
    - `rate`: `count` over the length of the step, Hz; NaN where not all of the step was recorded.
    - `latency`: from the start of the step to the onset of the first one, ms; NaN where there is none.
    - `intervals`: between onsets, ms, shape (count - 1,), or (0,).
    - `spikes`: each of them, a `Spike`.
    - `flags`: what is to be known before these numbers are used; see `Features`.
    """

    step: ProtocolStep
    count: int
    rate: float
    latency: float
    intervals: np.ndarray
    spikes: tuple[Spike, ...]
    flags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, repr=False)
class FiringRates:
    """How often a cell fires at each level of a step, in rising order.

    **Fields:** `currents`, in `unit`; `rates`, spikes over the length of the step, Hz; `onsets`, one over the first interval, Hz (0 below two spikes);
    `repeats`, over how many sweeps these are averaged; all of shape (n,). `start` and `stop` of the step, ms.
    """

    currents: np.ndarray
    rates: np.ndarray
    onsets: np.ndarray
    repeats: np.ndarray
    start: float
    stop: float
    unit: str

    def _table(self) -> tuple[list[str], list[list[str]]]:
        rows = zip(self.currents, self.rates, self.onsets, self.repeats, strict=True)
        header = [f"current ({self.unit})", "rate (Hz)", "first interval (Hz)", "sweeps"]
        return header, [[f"{i:g}", f"{rate:.3g}", f"{onset:.3g}", str(n)] for i, rate, onset, n in rows]

    def __repr__(self) -> str:
        return f"firing rates, {self.start:g} to {self.stop:g} ms\n{as_text(*self._table())}"

    def _repr_html_(self) -> str:
        return as_html(*self._table())


@dataclasses.dataclass(frozen=True, repr=False)
class Features:
    """The spikes of a recording by step and sweep; shows itself as a table, in which the columns from the onset on are of the first spike of each step.

    **Fields:** `steps`, a `StepFeatures` for each step; `unit`, of their amplitudes.

    The flags:

    - "outside the recording": the step is not wholly within it. The rate is NaN, and so is the latency if the start was not recorded.
    - "gaps": samples in the step are not finite. The rate is NaN.
    - "begins in a spike": the first sample is above the threshold. That spike is not counted.
    - "ends in a spike": so is the last one. That spike is counted.
    - "cut short": the recording ends before the peak of a spike.
    - "clipped": the top of a spike is flat.
    """

    steps: tuple[StepFeatures, ...]
    unit: str

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """The different starts and stops of the steps, ms, in order of time."""
        return tuple(sorted({(f.step.start, f.step.stop) for f in self.steps}))

    def f_i(self, window: int | None = None) -> FiringRates:
        """The firing rate at each level.

        **Arguments:** `window`, which one of `windows`, counted from 0; None for the one with the most levels (the first one of several).

        **Raises:** `DataError` where there is no step; `ValueError` for a window that is not there.
        """
        if not self.steps:
            raise DataError("the recording has no steps, must have some for a curve of rates")
        of = [self._levels(w) for w in self.windows]
        if window is None:
            window = max(range(len(of)), key=lambda i: (len(of[i]), -i))
        if not 0 <= window < len(of):
            raise ValueError(f"window = {window} is not allowed: must be 0 to {len(of) - 1}")
        levels = of[window]

        def mean(value: Callable[[StepFeatures], float]) -> np.ndarray:
            return np.array([np.mean([value(f) for f in level]) for level in levels])

        repeats = np.array([len(level) for level in levels])
        currents, rates = mean(lambda f: f.step.amplitude), mean(lambda f: f.rate)
        return FiringRates(currents, rates, mean(_first_rate), repeats, *self.windows[window], self.unit)

    def _levels(self, window: tuple[float, float]) -> list[list[StepFeatures]]:
        here = sorted((f for f in self.steps if (f.step.start, f.step.stop) == window), key=lambda f: f.step.amplitude)
        levels: list[list[StepFeatures]] = []
        for f in here:
            if levels and levels[-1][-1].step.is_like(f.step):
                levels[-1].append(f)
            else:
                levels.append([f])
        return levels

    def _table(self) -> tuple[list[str], list[list[str]]]:
        header = ["sweep", "step (ms)", f"level ({self.unit})", "spikes", "rate (Hz)", "latency (ms)", "interval (ms)"]
        header += ["onset (mV)", "height (mV)", "half-width (ms)", "fast AHP (mV)", "AHP (mV)", "flags"]
        return header, [_row(f) for f in self.steps]

    def __repr__(self) -> str:
        return as_text(*self._table())

    def _repr_html_(self) -> str:
        return as_html(*self._table())


def _first_rate(f: StepFeatures) -> float:
    return 1e3 / float(f.intervals[0]) if f.intervals.size else 0.0


def _row(f: StepFeatures) -> list[str]:
    interval = float(f.intervals[0]) if f.intervals.size else math.nan
    numbers = [(f.rate, ".3g"), (f.latency, ".1f"), (interval, ".1f")]
    first = f.spikes[0] if f.spikes else None
    for name, form in (
        ("onset_v", ".1f"),
        ("height", ".1f"),
        ("half_width", ".2f"),
        ("fast_ahp", ".1f"),
        ("ahp", ".1f"),
    ):
        numbers.append((getattr(first, name) if first else math.nan, form))
    step = f.step
    cells = [str(step.sweep), f"{step.start:g} to {step.stop:g}", f"{step.amplitude:g}", str(f.count)]
    return cells + ["" if math.isnan(x) else format(x, form) for x, form in numbers] + [", ".join(f.flags)]


def measure_features(recording: "Recording", steps: Sequence[ProtocolStep], slope: float, threshold: float) -> Features:
    """The spikes in each of the steps; see `Recording.features`."""
    if recording.response is None:
        raise DataError(f"{recording.name}: has no voltage, so its spikes cannot be measured")
    if not (math.isfinite(slope) and slope > 0):
        raise ValueError(f"slope = {slope:g} mV/ms is not allowed: must be finite and > 0")
    for step in steps:
        if not 0 <= step.sweep < recording.sweeps:
            raise DataError(f"{recording.name}: has no sweep {step.sweep}, must be 0 to {recording.sweeps - 1}")
    upstrokes = {
        sweep: find_upstrokes(recording.response[sweep], recording.dt, slope, threshold)
        for sweep in {step.sweep for step in steps}
    }
    found = (_of_step(recording, recording.response[s.sweep], upstrokes[s.sweep], s, threshold) for s in steps)
    return Features(tuple(found), recording.command_unit)


def _of_step(
    recording: "Recording", v: np.ndarray, upstrokes: Sequence[Upstroke], step: ProtocolStep, threshold: float
) -> StepFeatures:
    # In samples; by rounding, or a step that ends with the trace would be outside it by a bit of rounding.
    a, b = (round((t - recording.start) / recording.dt) for t in (step.start, step.stop))
    part = v[max(a, 0) : max(b, 0)]
    here = [i for i, up in enumerate(upstrokes) if a <= up.onset < b]
    after = [up.onset for up in upstrokes[1:]] + [v.size]
    spikes = tuple(measure_spike(v, recording.dt, recording.start, upstrokes[i], after[i], max(b, 0)) for i in here)
    outside, gaps = a < 0 or b > v.size, not np.isfinite(part).all()
    flags = {
        "outside the recording": outside,
        "gaps": gaps,
        "begins in a spike": part.size > 0
        and part[0] >= threshold
        and not (here and upstrokes[here[0]].onset <= max(a, 0)),
        "ends in a spike": part.size > 0 and part[-1] >= threshold,
        "cut short": any(math.isnan(spike.peak) for spike in spikes),
        "clipped": any(spike.clipped for spike in spikes),
    }
    onsets = np.array([spike.onset for spike in spikes])
    # Rounding must not make a spike at the first sample early.
    latency = max(float(onsets[0]) - step.start, 0.0) if spikes and a >= 0 else math.nan
    rate = math.nan if outside or gaps or b <= a else 1e3 * len(spikes) / step.duration
    return StepFeatures(
        step, len(spikes), rate, latency, np.diff(onsets), spikes, tuple(name for name, is_so in flags.items() if is_so)
    )
