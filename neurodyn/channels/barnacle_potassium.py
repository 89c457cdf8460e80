"""The potassium current of the barnacle muscle fibre."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, Hyperbolic
from .base import AbstractChannel


def _activation() -> Hyperbolic:
    return Hyperbolic(2.0, 30.0, 0.04)


class BarnaclePotassium(AbstractChannel):
    """`g w (v - e)`: a slow delayed rectifier.

    Source: Morris and Lecar (1981), Biophys. J. 35:193, equations 2 and 8-9; V3, V4 and phi are `w.half`, `w.slope` and `w.rate`.
    """

    g: Parameter = parameter(8.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-84.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    w: AbstractGate = eqx.field(default_factory=_activation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["w"] * (v - self.e)
