"""A gate that follows the concentration of an ion by Hill's equation."""

from typing import Self

import equinox as eqx
import jax.numpy as jnp

from .._numerics import LOG2_E, logistic2
from .._parameter import parameter
from .._types import FloatArray, Parameter
from .concentration import AbstractIonGate, bounded_concentration


class Hill(AbstractIonGate):
    """`dx/dt = (x_inf - x) / tau` with `x_inf = 1 / (1 + (half / concentration)^power)`: Hill's equation, with one time constant.

    A negative power makes a gate that the ion closes.
    """

    half: Parameter = parameter(unit="mM", lower=0.0, exclusive=True)
    power: Parameter = parameter()
    tau: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    ion: str = eqx.field(static=True, default="ca")

    def rates(self, v: FloatArray, concentration: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        del temperature
        total = jnp.ones_like(v) / self.tau
        level = self.power * LOG2_E * jnp.log(bounded_concentration(concentration) / self.half)
        return total * logistic2(level), total

    def at_temperature(self, temperature: FloatArray) -> Self:
        del temperature
        return self
