"""The coincidence factor of two spike trains."""

import numpy as np
from numpy.typing import ArrayLike

from .._parameter import check_positive


def coincidence_factor(data: ArrayLike, model: ArrayLike, duration: float, window: float = 2.0) -> float:
    """How well a model's spikes match the data's, with the matches expected by chance taken off: 1 is perfect, 0 is chance.

    `(N_c - 2 nu window N_data) / (0.5 (N_data + N_model)) / (1 - 2 nu window)` with N_c the one-to-one matches within +-`window` and nu the model's
    rate. Two silent trains match perfectly; one silent train does not match at all.

    Source: Kistler, Gerstner and van Hemmen (1997); Jolivet et al. (2008), J. Neurosci. Methods 169:417.

    **Arguments:** `data`, `model`: spike times, ms, shape (n,) (infinite ones are padding); `duration`, `window`: ms.

    **Raises:** `ValueError` for times of another shape, for a duration or window that is not positive, and when the model fires so fast that every
    spike is matched by chance.
    """
    data, model = _train(data, "data"), _train(model, "model")
    check_positive("duration", float(duration), "ms")
    check_positive("window", float(window), "ms")
    if data.size == 0 and model.size == 0:
        return 1.0
    if data.size == 0 or model.size == 0:
        return 0.0
    chance = 2 * model.size / duration * window
    if chance >= 1:
        raise ValueError(
            f"window = {window:g} ms is not allowed at a rate of {1e3 * model.size / duration:g} Hz: must be < {duration / model.size / 2:g} ms"
        )
    matches = count_matches(data, model, window)
    return float((matches - chance * data.size) / (0.5 * (data.size + model.size)) / (1 - chance))


def _train(times: ArrayLike, name: str) -> np.ndarray:
    times = np.asarray(times, float)
    if times.ndim != 1:
        raise ValueError(f"{name} of shape {times.shape} is not allowed: must be the spike times of one train, (n,)")
    return np.sort(times[np.isfinite(times)])


def count_matches(data: np.ndarray, model: np.ndarray, window: float) -> int:
    """The largest number of one-to-one pairs: in order, each spike takes the first free partner within reach."""
    count = j = 0
    for t in data:
        while j < model.size and model[j] < t - window:
            j += 1
        if j < model.size and model[j] <= t + window:
            count, j = count + 1, j + 1
    return count
