"""How often units fire."""

import math
from typing import Any

import jax.numpy as jnp

from .._parameter import parameter
from .._reducer import Samples
from .._types import FloatArray, IntArray, Parameter
from .window import AbstractWindowed, along


class SpikeCount(AbstractWindowed):
    """How often each unit fired from `start` to `stop` (ms). With surrogate gradients a floating number that has them."""

    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def needs(self) -> tuple[str, ...]:
        return ()

    def init(self, first: Samples) -> Any:
        return _none(self, first)

    def update(self, carry: Any, samples: Samples) -> Any:
        return _counted(self, carry, samples)

    def result(self, carry: Any) -> Any:
        return carry


class MeanRate(AbstractWindowed):
    """Spikes per second (Hz) of each unit from `start` to `stop` (ms), or for as much of that as the run lasts."""

    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def needs(self) -> tuple[str, ...]:
        return ()

    def init(self, first: Samples) -> Any:
        return _none(self, first), first.ts[0], first.ts[0]

    def update(self, carry: Any, samples: Samples) -> Any:
        count, begin, _ = carry
        return _counted(self, count, samples), begin, samples.ts[-1]

    def result(self, carry: Any) -> Any:
        count, begin, end = carry
        duration = jnp.minimum(end, self.stop) - jnp.maximum(begin, self.start)
        return jnp.where(duration > 0, 1e3 * count / jnp.where(duration > 0, duration, 1.0), jnp.nan)


def silent(reducer: AbstractWindowed, samples: Samples) -> FloatArray:
    """Zero for each unit.

    **Raises:** `ValueError` for a model without spikes.
    """
    if samples.spikes is not None:
        return jnp.zeros_like(samples.spikes[0, 0])
    if samples.fired is None:
        raise ValueError(f"{type(reducer).__name__} is not allowed for a model that emits no spikes")
    return jnp.zeros_like(samples.fired[0], samples.ts.dtype)


def _none(reducer: AbstractWindowed, samples: Samples) -> FloatArray | IntArray:
    return silent(reducer, samples) if samples.emitted is not None else jnp.zeros_like(silent(reducer, samples), int)


def _counted(reducer: SpikeCount | MeanRate, count: FloatArray | IntArray, samples: Samples) -> FloatArray | IntArray:
    if samples.emitted is not None:
        return count + jnp.sum(jnp.where(along(reducer._steps(samples), samples.emitted), samples.emitted, 0.0), axis=0)
    if samples.spikes is not None:
        inside = (samples.spikes > reducer.start) & (samples.spikes <= reducer.stop) & jnp.isfinite(samples.spikes)
        return count + jnp.sum(inside, axis=(0, 1))
    fired: Any = samples.fired
    return count + jnp.sum(fired & along(reducer._steps(samples), fired), axis=0)
