"""A gate without inertia."""

from typing import Self

import jax.numpy as jnp

from .._parameter import parameter
from .._types import FloatArray, Parameter
from .gates import AbstractGate, bounded
from .steady import AbstractSteadyState


class Instantaneous(AbstractGate):
    """A gate so fast that it always is at its steady state, `x = steady(v)`: it is no part of a model's state.

    Any channel takes one in place of a gate, such as `Sodium(m=Instantaneous(RateRatio(alpha, beta)))`.

    **Fields:**

    - `steady`: the steady state.
    - `shift`: moves it along the voltage axis, in mV: positive makes the gate act at higher voltages.
    """

    steady: AbstractSteadyState
    shift: Parameter = parameter(0.0, unit="mV", trainable=False, spread=8.0)

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The steady state, and 1: of its rates only the ratio means anything."""
        del temperature
        value = self.steady(bounded(v) - self.shift)
        return value, jnp.ones_like(value)

    def at_temperature(self, temperature: FloatArray) -> Self:
        del temperature
        return self
