"""How often units fire."""

import math
from typing import Any

import jax.numpy as jnp

from .._parameter import parameter
from .._reducer import Samples
from .._types import BoolArray, IntArray, Parameter
from .window import AbstractWindowed, along


class SpikeCount(AbstractWindowed):
    """How often each unit fired from `start` to `stop` (ms)."""

    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def needs(self) -> tuple[str, ...]:
        return ()

    def init(self, first: Samples) -> Any:
        return jnp.zeros_like(fired_of(self, first)[0], int)

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
        return jnp.zeros_like(fired_of(self, first)[0], int), first.ts[0], first.ts[0]

    def update(self, carry: Any, samples: Samples) -> Any:
        count, begin, _ = carry
        return _counted(self, count, samples), begin, samples.ts[-1]

    def result(self, carry: Any) -> Any:
        count, begin, end = carry
        duration = jnp.minimum(end, self.stop) - jnp.maximum(begin, self.start)
        return jnp.where(duration > 0, 1e3 * count / jnp.where(duration > 0, duration, 1.0), jnp.nan)


def fired_of(reducer: AbstractWindowed, samples: Samples) -> BoolArray:
    """Which units fired in each step.

    **Raises:** `ValueError` for a model without spikes.
    """
    if samples.fired is None:
        raise ValueError(f"{type(reducer).__name__} is not allowed for a model that emits no spikes")
    return samples.fired


def _counted(reducer: SpikeCount | MeanRate, count: IntArray, samples: Samples) -> IntArray:
    fired = fired_of(reducer, samples)
    return count + jnp.sum(fired & along(reducer._steps(samples), fired), axis=0)
