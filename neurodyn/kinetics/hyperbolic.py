"""The slow gate of Morris and Lecar."""

from typing import Self

from .._numerics import LOG2_E, exp2, logistic2
from .._parameter import parameter
from .._types import FloatArray, Parameter
from .gates import AbstractGate, bounded


class Hyperbolic(AbstractGate):
    """`dx/dt = rate * cosh((v - half) / (2 slope)) * ((1 + tanh((v - half) / slope)) / 2 - x)`: one half-voltage and one slope for the steady state and
    the time constant.

    Source: Morris and Lecar (1981), Biophys. J. 35:193, equations 8-9.
    """

    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", lower=3.0)
    rate: Parameter = parameter(unit="1/ms", lower=0.0, exclusive=True)

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        del temperature
        away = LOG2_E * (bounded(v) - self.half) / self.slope
        total = self.rate * (exp2(away / 2) + exp2(-away / 2)) / 2
        return total * logistic2(2 * away), total

    def at_temperature(self, temperature: FloatArray) -> Self:
        del temperature
        return self
