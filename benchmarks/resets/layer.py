"""A layer of leaky integrate-and-fire neurons in the units of Eventax: `TAU dv/dt = X - v`, a spike and v = 0 at v = 1, with another X for each neuron.

Nothing but NumPy: Eventax's environment reads it too.
"""

import numpy as np


NEURONS, TAU, T1 = 100, 20.0, 50.0  # ms
WEAKEST, STRONGEST = 1.4, 3.0
MOST = 8  # spikes of a neuron
CLEAR = 0.5  # ms: no spike is closer to the end, so that solvers agree on the number of spikes


def currents(neurons: int = NEURONS) -> np.ndarray:
    """The X of each neuron."""
    many = np.linspace(WEAKEST, STRONGEST, 20 * neurons)
    clear = many[np.abs(T1 - spikes(many)).min(axis=1) > CLEAR]
    return clear[np.linspace(0, clear.size - 1, neurons).round().astype(int)]


def spikes(x: np.ndarray) -> np.ndarray:
    """Every spike of each neuron in closed form, ms, those beyond the end included."""
    return TAU * np.log(x / (x - 1))[:, None] * np.arange(1, MOST + 1)


def exact(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spike times until `T1`, padded with inf, and the derivatives of their sum by each X."""
    times = spikes(x)
    happens = times < T1
    order = np.where(happens, np.arange(1, MOST + 1), 0).sum(axis=1)
    return np.where(happens, times, np.inf), -TAU * order / (x * (x - 1))


def errors(x: np.ndarray, answer: np.ndarray) -> tuple[float, float]:
    """The largest error of a spike time, ms, and the largest relative one of a derivative, of an answer that holds first all times, then the derivatives;
    NaN where there are other spikes than there should be."""
    times, derivatives = exact(x)
    found, gradient = answer[: times.size].reshape(times.shape), answer[times.size :]
    happens = np.isfinite(times)
    if not np.array_equal(happens, np.isfinite(found)):
        return float("nan"), float("nan")
    return float(np.abs(found[happens] - times[happens]).max()), float(np.abs(gradient / derivatives - 1).max())
