"""Spike times and the intervals between them."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .._parameter import check_whole, parameter
from .._simulate.solution import Spikes
from .._types import BoolArray, FloatArray, Parameter
from .crossings import AbstractOfSpikes


class SpikeTimes(AbstractOfSpikes):
    """The first `max_spikes` spikes of each unit from `start` to `stop` (ms), as `Spikes`: those that `simulate` locates when it records.

    Differentiable. The count includes those that did not fit. `SpikeTimes(1)` is the latency of the first spike.
    """

    max_spikes: int = eqx.field(static=True)
    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def __check_init__(self):
        check_whole("SpikeTimes.max_spikes", self.max_spikes)

    def begin(self, silent: FloatArray) -> Any:
        return jnp.full((*silent.shape, self.max_spikes), jnp.inf, silent.dtype), jnp.zeros_like(silent, int)

    def spike(self, known: Any, time: FloatArray, happened: BoolArray) -> Any:
        times, count = known
        slots = jnp.arange(self.max_spikes).reshape((1,) * count.ndim + (-1,))
        here = happened[..., None] & (slots == count[..., None])
        return jnp.where(here, time[..., None], times), count + happened

    def end(self, known: Any) -> Spikes:
        return Spikes(*known)


class InterspikeIntervals(AbstractOfSpikes):
    """Mean (ms) and coefficient of variation of the intervals between the spikes of each unit from `start` to `stop` (ms): a dictionary with `mean`
    and `cv`. NaN where there is no interval; differentiable."""

    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def begin(self, silent: FloatArray) -> Any:
        return jnp.zeros_like(silent, int), silent, silent, silent

    def spike(self, known: Any, time: FloatArray, happened: BoolArray) -> Any:
        count, last, mean, square = known
        away = time - last - mean
        next_mean = mean + away / jnp.maximum(count, 1)
        next_square = square + away * (time - last - next_mean)
        again = happened & (count > 0)
        return (
            count + happened,
            jnp.where(happened, time, last),
            jnp.where(again, next_mean, mean),
            jnp.where(again, next_square, square),
        )

    def end(self, known: Any) -> dict[str, FloatArray]:
        count, _, mean, square = known
        varies = square > 0  # the root has no derivative at zero
        deviation = jnp.where(
            varies, jnp.sqrt(jnp.where(varies, square, 1.0) / jnp.maximum(count - 1, 1)), 0.0 * square
        )
        some = count > 1
        return {
            "mean": jnp.where(some, mean, jnp.nan),
            "cv": jnp.where(some, deviation / jnp.where(some, mean, 1.0), jnp.nan),
        }
