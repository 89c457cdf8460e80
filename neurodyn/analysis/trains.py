"""Spike trains as arrays: sorted along the last axis and padded with inf."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._parameter import ParameterInfo, check_value
from .._types import BoolArray, FloatArray


_ANY_TIME = ParameterInfo("ms")


def as_trains(times: Any, name: str) -> FloatArray:
    """Spike times in order, with everything that is not finite moved behind them as inf. There is always room for one.

    **Raises:** `ValueError` for a single number.
    """
    times = jnp.asarray(times, dtype=float)
    if times.ndim == 0:
        raise ValueError(f"{name} = {times} ms is not allowed: must be an array of spike times, (..., spikes)")
    if times.shape[-1] == 0:
        return jnp.full((*times.shape[:-1], 1), jnp.inf)
    return jnp.sort(jnp.where(jnp.isfinite(times), times, jnp.inf), axis=-1)


def as_number(value: Any, name: str, info: ParameterInfo = _ANY_TIME) -> FloatArray:
    """A floating scalar within bounds.

    **Raises:** `ValueError` naming it, its unit and the allowed range.
    """
    value = jnp.asarray(value, dtype=float)
    if value.ndim != 0:
        raise ValueError(f"{name} of shape {value.shape} is not allowed: must be one number")
    check_value(name, value, info)
    return value


def as_window(start: Any, stop: Any) -> tuple[FloatArray, FloatArray]:
    """The ends of a window in ms.

    **Raises:** `ValueError` for a window that is empty.
    """
    start, stop = as_number(start, "start"), as_number(stop, "stop")
    if not isinstance(start, Tracer) and not isinstance(stop, Tracer) and not stop > start:
        raise ValueError(f"stop = {stop:g} ms is not allowed: must be > start = {start:g} ms")
    return start, stop


def gaps(times: FloatArray) -> tuple[FloatArray, BoolArray]:
    """The differences of successive times (0 where there is none), and where there is one."""
    there = jnp.isfinite(times[..., 1:])
    later, earlier = (jnp.where(there, x, 0.0) for x in (times[..., 1:], times[..., :-1]))
    return later - earlier, there


def over_pairs(function: Callable[..., FloatArray]) -> Callable[..., FloatArray]:
    """A function of two trains (and numbers), compiled and applied to arrays of trains whose leading axes broadcast."""

    @jax.jit
    @functools.wraps(function)
    def mapped(first, second, *numbers):
        batch = np.broadcast_shapes(first.shape[:-1], second.shape[:-1])
        rows = [jnp.broadcast_to(x, (*batch, x.shape[-1])).reshape(-1, x.shape[-1]) for x in (first, second)]
        return jax.vmap(lambda one, two: function(one, two, *numbers))(*rows).reshape(batch)

    return mapped
