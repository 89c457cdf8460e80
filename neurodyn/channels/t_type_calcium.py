"""The low-threshold (T-type) calcium current."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, Boltzmann, Instantaneous, PeakedSigmoidTime, Relaxation
from .base import AbstractChannel


def _activation() -> Instantaneous:
    return Instantaneous(Boltzmann(-57.0, 6.2), shift=-2.0)


def _inactivation() -> Relaxation:
    time = PeakedSigmoidTime(30.8, 211.4, -113.2, 5.0, -84.0, 3.2)
    return Relaxation(Boltzmann(-81.0, -4.0), time, shift=-2.0, q10=Q10(3.0, 24.0))


class TTypeCalcium(AbstractChannel):
    """`g s_inf(v)^2 u (v - e)`: rebound and low-threshold spikes. Activation follows the voltage at once.

    Source: Destexhe et al. (1996), J. Neurophysiol. 76:2049, after Huguenard and McCormick (1992), as used by Pospischil et al. (2008), Biol. Cybern. 99:427: both
    gates 2 mV lower, inactivation measured at 24 degC.
    """

    g: Parameter = parameter(0.4, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(120.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    s: AbstractGate = eqx.field(default_factory=_activation)
    u: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "ca"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["s"] ** 2 * x["u"] * (v - self.e)
