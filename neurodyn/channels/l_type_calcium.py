"""The high-threshold (L-type) calcium current."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, AlphaBeta, Exponential, LinearExponential, Sigmoid
from .base import AbstractChannel


def _activation() -> AlphaBeta:
    return AlphaBeta(LinearExponential(0.055, -27.0, 3.8), Exponential(0.94, -75.0, -17.0))


def _inactivation() -> AlphaBeta:
    return AlphaBeta(Exponential(4.57e-4, -13.0, -50.0), Sigmoid(0.0065, -15.0, 28.0))


class LTypeCalcium(AbstractChannel):
    """`g q^2 r (v - e)`: bursts that end slowly.

    Source: Reuveni et al. (1993), J. Neurosci. 13:4609, as used by Pospischil et al. (2008), Biol. Cybern. 99:427.
    """

    g: Parameter = parameter(0.17, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(120.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    q: AbstractGate = eqx.field(default_factory=_activation)
    r: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "ca"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["q"] ** 2 * x["r"] * (v - self.e)
