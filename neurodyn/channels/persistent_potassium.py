"""The persistent potassium current of neocortical pyramidal cells."""

import math

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, Boltzmann, CuspTime, GaussianTime, Relaxation
from .base import AbstractChannel


def _activation() -> Relaxation:
    # 1.25 + 175.03 exp(0.026 v) up to -50 mV and 1.25 + 13 exp(-0.026 v) from there, which meet 0.0002 mV away.
    meet = math.log(13 / 175.03) / 0.052
    time = CuspTime(1.25, math.sqrt(13 * 175.03), meet, 1 / 0.026)
    return Relaxation(Boltzmann(-1.0, 12.0), time, shift=-10.0, q10=Q10(2.3, 21.0))


def _inactivation() -> Relaxation:
    # 1010 + 24 (v + 55), counted from the middle of the bell, -75 mV.
    time = GaussianTime(360.0, 1010.0 - 24 * 20.0, -75.0, 48.0, 24.0)
    return Relaxation(Boltzmann(-54.0, -11.0), time, shift=-10.0, q10=Q10(2.3, 21.0))


class PersistentPotassium(AbstractChannel):
    """`g m^2 h (v - e)`: inactivation takes hundreds of milliseconds.

    Source: Korngreen and Sakmann (2000), J. Physiol. 525:621, at 21 degC and moved by -10 mV, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107
    (ModelDB 139653, K_Pst, at 34 degC); `g` of the soma there.
    """

    g: Parameter = parameter(2.23, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-85.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=_activation)
    h: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] ** 2 * x["h"] * (v - self.e)
