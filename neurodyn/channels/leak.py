"""A constant leak."""

from .._parameter import parameter
from .._types import FloatArray, Parameter
from .base import AbstractChannel


class Leak(AbstractChannel):
    """`g (v - e)`. The default reversal puts the rest of Hodgkin and Huxley's membrane at -64.996 mV."""

    g: Parameter = parameter(0.3, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-54.387, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        del x
        return self.g * (v - self.e)
