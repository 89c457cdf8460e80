"""The transient potassium current of neocortical pyramidal cells."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, Boltzmann, GaussianTime, Relaxation
from .base import AbstractChannel


def _activation() -> Relaxation:
    return Relaxation(Boltzmann(0.0, 19.0), GaussianTime(0.34, 0.92, -71.0, 59.0), shift=-10.0, q10=Q10(2.3, 21.0))


def _inactivation() -> Relaxation:
    return Relaxation(Boltzmann(-66.0, -10.0), GaussianTime(8.0, 49.0, -73.0, 23.0), shift=-10.0, q10=Q10(2.3, 21.0))


class TransientPotassium(AbstractChannel):
    """`g m^4 h (v - e)`: an A current, inactivated within tens of milliseconds.

    Source: Korngreen and Sakmann (2000), J. Physiol. 525:621, at 21 degC and moved by -10 mV, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107
    (ModelDB 139653, K_Tst, at 34 degC); `g` of the soma there.
    """

    g: Parameter = parameter(81.2, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-85.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=_activation)
    h: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] ** 4 * x["h"] * (v - self.e)
