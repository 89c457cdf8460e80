"""Checks of what objectives are given, and the values they take in turn."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..._types import FloatArray, RealScalar


def stage(values: tuple[float, ...], fraction: RealScalar) -> FloatArray:
    """The value whose turn it is when `fraction` of the fit is over; each has an equal part."""
    index = jnp.clip(jnp.floor(jnp.asarray(fraction) * len(values)), 0, len(values) - 1).astype(int)
    return jnp.asarray(values)[index]


def as_schedule(name: str, values: float | Sequence[float], lower: float, strict: bool) -> tuple[float, ...]:
    """Values for the stages of a fit.

    **Raises:** `ValueError` for one that is not finite or below (or, if `strict`, at) `lower`.
    """
    schedule = tuple(float(x) for x in np.atleast_1d(np.asarray(values, dtype=float)))
    for i, x in enumerate(schedule):
        if not math.isfinite(x) or x < lower or (strict and x == lower):
            raise ValueError(
                f"{name}[{i}] = {x:g} is not allowed: must be finite and {'>' if strict else '>='} {lower:g}"
            )
    return schedule


def finite_vector(name: str, values: Any, minimum: int) -> np.ndarray:
    """A one-dimensional array of at least `minimum` finite numbers.

    **Raises:** `ValueError` otherwise.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size < minimum:
        raise ValueError(
            f"{name} of shape {array.shape} is not allowed: must be one-dimensional with at least {minimum} entries"
        )
    if not np.isfinite(array).all():
        i = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name}[{i}] = {array[i]} is not allowed: must be finite")
    return array


def check_positive_numbers(**numbers: Any) -> None:
    """**Raises:** `ValueError` for one that is not a finite number > 0."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not (isinstance(number, int | float) and 0 < number < math.inf):
            raise ValueError(f"{name} = {number!r} is not allowed: must be a finite number > 0")


def window_mask(times: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """Which of the times (ms, in order) lie within a window; all without one.

    **Raises:** `ValueError` when none does.
    """
    first, last = (times[0], times[-1]) if window is None else window
    mask = (times >= first - 1e-9) & (times <= last + 1e-9)
    if not mask.any():
        raise ValueError(
            f"window = ({first:g}, {last:g}) ms is not allowed: holds no sample of {times[0]:g} to {times[-1]:g} ms"
        )
    return mask


def padded_spikes(times: Any, t0: float, t1: float) -> np.ndarray:
    """Spike times in order, padded with infinity to a length that many trains share: 8, 16, 32, ...

    **Raises:** `ValueError` for a time that is not finite (infinity is padding) or outside [t0, t1] ms.
    """
    times = np.asarray(times, dtype=float)
    spikes = np.sort(finite_vector("times", times[times != np.inf], 0))
    if spikes.size and (spikes[0] < t0 or spikes[-1] > t1):
        raise ValueError(
            f"times from {spikes[0]:g} to {spikes[-1]:g} ms are not allowed: must be within [{t0:g}, {t1:g}] ms"
        )
    room = 8
    while room < spikes.size:
        room *= 2
    return np.concatenate([spikes, np.full(room - spikes.size, np.inf)])
