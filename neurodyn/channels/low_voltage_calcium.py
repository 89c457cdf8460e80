"""The low-voltage activated calcium current of cortical pyramidal cells."""

from typing import Any

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, Boltzmann, Relaxation, SigmoidTime
from .base import AbstractChannel
from .driving_force import AbstractDrivingForce, Nernst


def _activation() -> Relaxation:
    return Relaxation(Boltzmann(-40.0, 6.0), SigmoidTime(5.0, 20.0, -35.0, -5.0), q10=Q10(2.3, 21.0))


def _inactivation() -> Relaxation:
    return Relaxation(Boltzmann(-90.0, -6.4), SigmoidTime(20.0, 50.0, -50.0, -7.0), q10=Q10(2.3, 21.0))


class LowVoltageCalcium(AbstractChannel):
    """`g m^2 h driving_force(v)`: it helps a depolarisation on, and is inactivated soon. What drives it is `Nernst()`, `GHK()` or `FixedReversal(e)`.

    Source: Avery and Johnston (1996), J. Neurosci. 16:5567, and for its speed Randall and Tsien (1997), Neuropharmacology 36:879, at 21 degC and moved by
    -10 mV, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, Ca_LVAst, at 34 degC); `g` of the soma there.
    """

    g: Parameter = parameter(3.43, unit="mS/cm2", lower=0.0)
    driving_force: AbstractDrivingForce = eqx.field(default_factory=Nernst)
    m: AbstractGate = eqx.field(default_factory=_activation)
    h: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "ca"

    def current(self, v: FloatArray, x: dict[str, Any]) -> FloatArray:
        return self.g * x["m"] ** 2 * x["h"] * self.driving_force(v, x.get("ca"))
