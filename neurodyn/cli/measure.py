"""Measures of a trace, the same for data and model, and the passive membrane that a model has to beat."""

import dataclasses
from collections.abc import Sequence

import numpy as np


def crossings(times: np.ndarray, voltage: np.ndarray, level: float) -> np.ndarray:
    """When the voltage rises through `level` mV, by linear interpolation, ms. A trace that begins above it has no crossing there."""
    (index,) = np.nonzero((voltage[:-1] <= level) & (voltage[1:] > level))
    before, after = voltage[index], voltage[index + 1]
    return times[index] + (times[index + 1] - times[index]) * (level - before) / (after - before)


def onset(times: np.ndarray, current: np.ndarray, window: tuple[float, float]) -> float:
    """When the current first changes within the window, its beginning included and its end not, ms; else the window's beginning."""
    changed = np.flatnonzero(np.diff(current)) + 1
    inside = (times[changed] >= window[0] - 1e-9) & (times[changed] < window[1] - 1e-9)
    return float(times[changed][inside][0]) if inside.any() else window[0]


def rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))


@dataclasses.dataclass(frozen=True)
class Passive:
    """A membrane that only leaks: `tau dv/dt = rest - v + resistance I`; tau in ms, rest in mV, resistance in mV per unit of current."""

    tau: float
    rest: float
    resistance: float

    def simulate(self, current: np.ndarray, v0: float, dt: float) -> np.ndarray:
        """Its voltage, mV, from `v0` on, with each sample of the current held for `dt` ms."""
        free, constant, driven = _responses(np.array([self.tau]), current, dt)
        return (v0 * free + self.rest * constant + self.resistance * driven)[0]


def fit_passive(
    currents: Sequence[np.ndarray], voltages: Sequence[np.ndarray], scored: Sequence[np.ndarray], dt: float
) -> Passive:
    """The passive membrane closest to some traces, in the mean square over the scored samples of all of them.

    For each time constant the other two follow from a linear problem, so only that one is searched for.
    """

    def solve(taus: np.ndarray) -> tuple[int, Passive]:
        rows, targets = [], []
        for current, voltage, mask in zip(currents, voltages, scored, strict=True):
            free, constant, driven = _responses(taus, current, dt)
            rows.append(np.stack([constant, driven], -1)[:, mask])
            targets.append((voltage - voltage[0] * free)[:, mask])
        matrix, target = np.concatenate(rows, 1), np.concatenate(targets, 1)
        solutions = [np.linalg.lstsq(a, b, rcond=None)[0] for a, b in zip(matrix, target, strict=True)]
        errors = [rms(a @ x - b) for a, b, x in zip(matrix, target, solutions, strict=True)]
        best = int(np.argmin(errors))
        return best, Passive(float(taus[best]), *(float(x) for x in solutions[best]))

    taus = np.geomspace(0.2, 1000.0, 12)
    for _ in range(5):
        best, _ = solve(taus)
        taus = np.geomspace(taus[max(best - 1, 0)], taus[min(best + 1, taus.size - 1)], 12)
    return solve(taus)[1]


def _responses(taus: np.ndarray, current: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is left of the first voltage, the response to a constant 1, and that to the current; shape (taus, n)."""
    decay = np.exp(-dt / taus)
    free = decay[:, None] ** np.arange(current.size)
    driven = np.zeros((taus.size, current.size))
    for i in range(1, current.size):
        driven[:, i] = decay * driven[:, i - 1] + (1 - decay) * current[i - 1]
    return free, 1 - free, driven
