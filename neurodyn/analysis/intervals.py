"""Interspike intervals and how much they vary."""

from typing import Any

import jax
import jax.numpy as jnp

from .._types import FloatArray
from .trains import as_trains, gaps


def interspike_intervals(times: Any) -> FloatArray:
    """The intervals between successive spikes, ms; differentiable.

    **Arguments:** `times`: ms, shape (..., spikes), padded with inf.

    **Returns:** shape (..., spikes - 1), padded with inf.
    """
    intervals, there = gaps(as_trains(times, "times"))
    return jnp.where(there, intervals, jnp.inf)


def coefficient_of_variation(times: Any) -> FloatArray:
    """Standard deviation of the interspike intervals over their mean: 0 for a clock, 1 for a Poisson process. Differentiable.

    The deviation is that of the population (over n, not n - 1), as in `nd.reducers.InterspikeIntervals`. NaN for fewer than two spikes.

    **Arguments:** `times`: ms, shape (..., spikes), padded with inf. **Returns:** shape (...,).
    """
    return _coefficient_of_variation(as_trains(times, "times"))


@jax.jit
def _coefficient_of_variation(times: FloatArray) -> FloatArray:
    intervals, there = gaps(times)
    count = jnp.sum(there, axis=-1)
    some = jnp.maximum(count, 1)
    mean = jnp.sum(intervals, axis=-1) / some
    variance = jnp.sum(jnp.where(there, intervals - mean[..., None], 0.0) ** 2, axis=-1) / some
    varies = variance > 0  # the root has no derivative at zero
    deviation = jnp.where(varies, jnp.sqrt(jnp.where(varies, variance, 1.0)), 0.0)
    return jnp.where(count > 0, deviation / jnp.where(mean > 0, mean, 1.0), jnp.nan)


def local_variation(times: Any) -> FloatArray:
    """`3 <((I_i - I_i+1) / (I_i + I_i+1))^2>` over successive intervals: like the coefficient of variation 0 for a clock and 1 for a Poisson process,
    but blind to slow changes of the rate. Differentiable; NaN for fewer than three spikes.

    Source: Shinomoto, Shima and Tanji (2003), Neural Comput. 15:2823.

    **Arguments:** `times`: ms, shape (..., spikes), padded with inf. **Returns:** shape (...,).
    """
    return _local_variation(as_trains(times, "times"))


@jax.jit
def _local_variation(times: FloatArray) -> FloatArray:
    intervals, there = gaps(times)
    left, right, both = intervals[..., :-1], intervals[..., 1:], there[..., 1:]
    total = jnp.where(both & (left + right > 0), left + right, 1.0)
    terms = jnp.where(both, ((left - right) / total) ** 2, 0.0)
    count = jnp.sum(both, axis=-1)
    return jnp.where(count > 0, 3 * jnp.sum(terms, axis=-1) / jnp.maximum(count, 1), jnp.nan)
