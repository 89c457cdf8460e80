"""A constant drive."""

import jax.numpy as jnp

from ..._parameter import parameter
from ..._stimulus import AbstractStimulus, Drives, Instant
from ..._types import FloatArray, Parameter, RealScalar


class Baseline(AbstractStimulus):
    """The same value always: the current that a seal leaks or an amplifier holds."""

    value: Parameter = parameter(0.0)

    def at(self, time: Instant) -> FloatArray:
        return self.value

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return self.value

    def edges(self) -> FloatArray:
        return jnp.zeros((0,), self.value.dtype)


def with_baseline(stimulus: AbstractStimulus, value: FloatArray) -> AbstractStimulus:
    """A stimulus and a constant drive besides; of several inputs the first one that is named gets it."""
    if not isinstance(stimulus, Drives):
        return stimulus + Baseline(value)
    first, *_ = stimulus.terms
    return Drives(**{**stimulus.terms, first: stimulus.terms[first] + Baseline(value)})
