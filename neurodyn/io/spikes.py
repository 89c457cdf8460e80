"""Spikes in one trace."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np


_UPSTROKE = 5.0  # ms; how long before it passes the threshold a spike's steepest rise is looked for
_FAST = 5.0  # ms; how long after the peak the fast afterhyperpolarisation is


@dataclasses.dataclass(frozen=True)
class Spike:
    """One action potential. What could not be measured is NaN.

    **Fields:**

    - `onset`, ms, and `onset_v`, mV: the first sample of the upstroke at which the voltage rises by the criterion (20 mV/ms unless told otherwise).
    - `peak_time`, ms, and `peak`, mV: the highest sample.
    - `height`: from onset to peak, mV.
    - `half_width`: how long it stays above the middle between onset and peak, by linear interpolation, ms.
    - `ahp`: depth of the afterhyperpolarisation, from the voltage of the onset down to the lowest voltage before the next spike or the end of the step,
      mV; negative if the voltage does not come down that far. After a lone spike this is as low as the cell then settles.
    - `fast_ahp`: the same down to the lowest voltage within 5 ms after the peak, mV.
    - `clipped`: whether its top is flat, as of an amplifier at its limit; `peak`, `height` and `half_width` are then bounds.
    """

    onset: float
    onset_v: float
    peak_time: float
    peak: float
    height: float
    half_width: float
    ahp: float
    fast_ahp: float
    clipped: bool


class Upstroke(NamedTuple):
    """Where a spike begins and is highest, in samples; the peak is None where the trace ends before it."""

    onset: int
    peak: int | None


def find_upstrokes(v: np.ndarray, dt: float, slope: float, threshold: float) -> list[Upstroke]:
    """The spikes of a trace, mV, shape (n,): where it passes the threshold, mV, with a rise of at least `slope`, mV/ms.

    What is above the threshold at the first sample has no onset and is left out, and so is what rises more slowly.
    """
    if v.size < 3:
        return []
    with np.errstate(invalid="ignore"):
        rise = np.gradient(v, dt)
        rise = np.where(np.isfinite(rise), rise, -np.inf)
        above = np.concatenate([[False], v >= threshold, [False]])
    found: list[Upstroke] = []
    floor = 0
    for begin, end in np.flatnonzero(np.diff(above)).reshape(-1, 2).tolist():
        if begin > 0 and np.isfinite(v[begin - 1]):
            peak = begin + int(np.argmax(v[begin:end]))
            earliest = max(floor, begin - round(_UPSTROKE / dt))
            k = earliest + int(np.argmax(rise[earliest : peak + 1]))
            if rise[k] >= slope:
                while k > earliest and rise[k - 1] >= slope:
                    k -= 1
                if k > 0:  # or the trace begins in the middle of the upstroke
                    whole = peak + 1 < v.size and np.isfinite(v[peak + 1])
                    found.append(Upstroke(k, peak if whole else None))
        floor = end
    return found


def measure_spike(v: np.ndarray, dt: float, start: float, upstroke: Upstroke, following: int, stop: int) -> Spike:
    """What there is to say about a spike in a trace that begins at `start` ms; `following` is the sample of the next onset, `stop` that after the step."""
    onset, peak = upstroke
    onset_v = float(v[onset])
    if peak is None:
        nan = math.nan
        return Spike(start + dt * onset, onset_v, nan, nan, nan, nan, nan, nan, False)
    top = float(v[peak])
    after = v[peak : min(following, stop)]
    lows = [float(np.min(x)) if x.size > 1 else math.nan for x in (after, after[: round(_FAST / dt) + 1])]
    flat = peak + 2 < v.size and v[peak + 1] == top and v[peak + 2] == top
    return Spike(
        start + dt * onset,
        onset_v,
        start + dt * peak,
        top,
        top - onset_v,
        dt * _half_width(v, onset, peak, following),
        onset_v - lows[0],
        onset_v - lows[1],
        bool(flat),
    )


def _half_width(v: np.ndarray, onset: int, peak: int, following: int) -> float:
    """How long it is above half its height, in samples."""
    middle = (v[onset] + v[peak]) / 2
    up = onset + int(np.argmax(v[onset : peak + 1] >= middle))
    falls = v[peak:following] <= middle
    if not falls.any() or up == onset:
        return math.nan
    down = peak + int(np.argmax(falls))
    left = up - (v[up] - middle) / (v[up] - v[up - 1])
    right = down - (middle - v[down]) / (v[down - 1] - v[down])
    return float(right - left)
