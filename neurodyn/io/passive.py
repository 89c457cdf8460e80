"""What a membrane does below threshold."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._table import as_html, as_text
from .files import DataError
from .protocol import ProtocolStep


if TYPE_CHECKING:
    from .recording import Recording


_BASELINE = 50.0  # ms before the step, or less if the command changed within it
_SETTLED = 0.2  # ms after the step, in which the amplifier's filter rings
_INSTANT = 5.0  # ms of the deflection that are followed back to the start, or a quarter of the time constant if that is shorter
_FAST = 1.0  # ms after the step, in which current still spreads into the dendrites
_SMOOTHED = 1.0  # ms; the running mean of which the peak is taken
_SPIKE = -20.0  # mV
_TAUS = (0.2, 1000.0)  # ms, between which the time constant is looked for


@dataclasses.dataclass(frozen=True, repr=False)
class Passive:
    """Passive properties of a cell, and where they were read off; shows itself as a table.

    All deflections are of the average of the repeats, from the baseline: the mean of the 50 ms before the step. The steady deflection is the mean of the last
    tenth of the step, the peak one the largest in a running mean of 1 ms. The charging of the membrane is the exponential `drop + size (1 - exp(-t / tau))`
    that is closest from 1 ms after the start until nine tenths of the peak deflection are reached, before any sag sets in.

    **Fields:**

    - `series_resistance`: the instant drop over the current, Mohm: what electrode, bridge and access leave uncorrected. The drop is the deflection from 0.2 to
      5 ms (or a quarter of tau) after the start, followed back to the start by a parabola.
    - `input_resistance`: the steady deflection over the current, Mohm, the instant drop included.
    - `peak_resistance`: the same of the peak deflection.
    - `membrane_resistance`: the steady deflection less the instant drop, over the current, Mohm.
    - `tau`: the time constant of the charging, ms.
    - `capacitance`: `tau` over the resistance that the charging was on its way to (its `size` over the current), pF. The sag does not enter it.
    - `sag_ratio`: steady over peak deflection: 1 without sag.
    - `rest`: the median over sweeps of `rests`, mV.
    - `rest_drift`: by how much the straight line through `rests` changes from the first to the last sweep, mV.
    - `rests`: the median voltage of each sweep before the first step, shape (sweeps,), mV. At the holding current, which need not be zero.
    - `steps`: the `ProtocolStep`s that were averaged.
    - `flags`: "shorter than 5 tau" where the step ends before the deflection is steady; `input_resistance` is then too low; "not exponential" where no time constant
      between 0.2 and 1000 ms describes the charging: `tau` and `capacitance` are then NaN.
    """

    series_resistance: float
    input_resistance: float
    peak_resistance: float
    membrane_resistance: float
    tau: float
    capacitance: float
    sag_ratio: float
    rest: float
    rest_drift: float
    rests: np.ndarray
    steps: tuple[ProtocolStep, ...]
    flags: tuple[str, ...] = ()

    @property
    def repeats(self) -> int:
        """How many sweeps were averaged."""
        return len(self.steps)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        step = self.steps[0]
        rows = [
            ("series resistance", f"{self.series_resistance:.1f} Mohm", "instant drop over current"),
            ("input resistance, steady", f"{self.input_resistance:.1f} Mohm", "with the instant drop"),
            ("input resistance, peak", f"{self.peak_resistance:.1f} Mohm", "with the instant drop"),
            ("membrane resistance", f"{self.membrane_resistance:.1f} Mohm", "steady, without it"),
            ("time constant", f"{self.tau:.1f} ms", "before the sag"),
            ("capacitance", f"{self.capacitance:.0f} pF", "time constant over resistance before the sag"),
            ("sag ratio", f"{self.sag_ratio:.2f}", "steady over peak"),
            (
                "rest",
                f"{self.rest:.1f} mV",
                f"drifts by {round(self.rest_drift, 1) + 0.0:+.1f} mV over {self.rests.size} sweeps",
            ),
            ("step", f"{step.amplitude:g} pA", f"{step.start:g} to {step.stop:g} ms, average of {self.repeats}"),
        ]
        return ["quantity", "value", "how"], [list(row) for row in rows] + [["flag", x, ""] for x in self.flags]

    def __repr__(self) -> str:
        return as_text(*self._table())

    def _repr_html_(self) -> str:
        return as_html(*self._table())


def measure_passive(recording: "Recording", step: ProtocolStep | None) -> Passive:
    """The passive properties; see `Recording.passive`."""
    v = recording.response
    if v is None or recording.command is None:
        raise DataError(f"{recording.name}: has no {'voltage' if v is None else 'current'}, must have both")
    if recording.command_unit != "pA":
        raise DataError(f"{recording.name}: its command is in {recording.command_unit}, must be in pA for resistances")
    every = recording.steps()
    repeats = _repeats(recording, every, step)
    if not repeats:
        raise DataError(
            f"{recording.name}: has no hyperpolarising step that comes straight from the holding level and holds no spike"
            + ("; record one of -50 pA or so" if step is None else f" at {step.start:g} to {step.stop:g} ms")
        )
    a, b, first = _span(recording, repeats[0])
    mean = np.mean([v[s.sweep, first:b] - v[s.sweep, first:a].mean() for s in repeats], axis=0)[a - first :]
    current = float(np.mean([s.amplitude for s in repeats]))
    down = np.sign(current) * mean  # upwards, so that the largest is the peak
    numbers = _measure(down, recording.dt, abs(current))
    rests = _rests(recording, every)
    drift = float(np.polyfit(np.arange(rests.size), rests, 1)[0] * (rests.size - 1)) if rests.size > 1 else 0.0
    flags = ("shorter than 5 tau",) if repeats[0].duration < 5 * numbers["tau"] else ()
    flags = ("not exponential",) if math.isnan(numbers["tau"]) else flags
    return Passive(
        **numbers, rest=float(np.median(rests)), rest_drift=drift, rests=rests, steps=tuple(repeats), flags=flags
    )


def _repeats(recording: "Recording", every: Sequence[ProtocolStep], wanted: ProtocolStep | None) -> list[ProtocolStep]:
    """The repeats of the wanted step, or of the one that stands out most."""
    usable = [s for s in every if _is_usable(recording, s)]
    if wanted is None:
        groups = [[s for s in usable if s.is_like(one)] for one in usable if one.amplitude < 0]
        return max(groups, key=lambda group: abs(group[0].amplitude) * math.sqrt(len(group)), default=[])
    return [s for s in usable if s.is_like(wanted)]


def _span(recording: "Recording", step: ProtocolStep) -> tuple[int, int, int]:
    """The samples at which the step begins and ends, and the one at which its baseline does."""
    a, b = (round((t - recording.start) / recording.dt) for t in (step.start, step.stop))
    return a, b, max(0, a - round(_BASELINE / recording.dt))


def _is_usable(recording: "Recording", step: ProtocolStep) -> bool:
    """Whether the command stays at the holding level for the whole baseline, and the voltage is without spikes and long enough to be measured."""
    assert recording.command is not None and recording.response is not None
    a, b, first = _span(recording, step)
    command, v = recording.command[step.sweep], recording.response[step.sweep]
    if a - first < 5 or (b - a) * recording.dt < 5 * _FAST or b - a < 20 or b > v.size:
        return False
    before, during = command[first:a], command[a:b]
    slack = 0.1 * abs(step.amplitude)
    comes_from_holding = abs(during.mean() - before.mean() - step.amplitude) <= slack
    steady = abs(before[: before.size // 2].mean() - before[before.size // 2 :].mean()) <= slack
    return bool(comes_from_holding and steady and v[first:b].max() < _SPIKE)


def _measure(down: np.ndarray, dt: float, current: float) -> dict[str, float]:
    """The numbers of a deflection, mV, shape (n,), that begins with the step and is positive; mV over pA is Gohm."""
    width = max(1, round(_SMOOTHED / dt))
    smooth = np.convolve(down, np.ones(width) / width, mode="valid")
    steady, peak = float(down[-max(1, down.size // 10) :].mean()), float(smooth.max())
    begin = round(_FAST / dt)
    end = max(int(np.argmax(smooth >= 0.9 * peak)) + width // 2, begin + 10)
    times = dt * np.arange(down.size)
    tau, size = _exponential(times[begin:end], down[begin:end])
    settled = max(1, round(_SETTLED / dt))
    followed = _INSTANT if math.isnan(tau) else min(_INSTANT, tau / 4)
    instant = slice(settled, max(settled + 4, round(followed / dt)))
    drop = float(np.polyfit(times[instant], down[instant], 2)[-1])
    return {
        "series_resistance": 1e3 * drop / current,
        "input_resistance": 1e3 * steady / current,
        "peak_resistance": 1e3 * peak / current,
        "membrane_resistance": 1e3 * (steady - drop) / current,
        "tau": tau,
        "capacitance": tau * current / size,
        "sag_ratio": steady / peak,
    }


def _exponential(times: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Time constant and size of the `drop + size (1 - exp(-t / tau))` closest to some values: a line for each tau, so only tau is searched for.
    Both are NaN where the values do not charge like that."""

    def line(tau: float) -> tuple[float, float]:
        x = 1 - np.exp(-times / tau)
        x0, y0 = x - x.mean(), values - values.mean()
        size = float(x0 @ y0) / float(x0 @ x0)
        return float(np.sum((y0 - size * x0) ** 2)), size

    taus = np.geomspace(*_TAUS, 25)
    for _ in range(6):
        best = int(np.argmin([line(float(tau))[0] for tau in taus]))
        taus = np.linspace(taus[max(best - 1, 0)], taus[min(best + 1, taus.size - 1)], 25)
    tau = float(taus[12])
    size = line(tau)[1]
    found = _TAUS[0] * 1.01 < tau < _TAUS[1] * 0.99 and size > 0
    return (tau, size) if found else (math.nan, math.nan)


def _rests(recording: "Recording", every: Sequence[ProtocolStep]) -> np.ndarray:
    """The median voltage of each sweep before any sweep has its first step."""
    assert recording.response is not None
    first = min(round((step.start - recording.start) / recording.dt) for step in every)
    return np.median(recording.response[:, :first], axis=1)
