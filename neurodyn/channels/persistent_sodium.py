"""The persistent sodium current."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, Boltzmann, LinearExponential, RateTime, Relaxation
from .base import AbstractChannel


def _activation() -> Relaxation:
    # Its speed is not measured: a sixth of that of the transient current.
    time = RateTime(LinearExponential(0.182, -38.0, 6.0), LinearExponential(0.124, -38.0, -6.0))
    return Relaxation(Boltzmann(-52.6, 4.6), time, factor=1 / 6, q10=Q10(2.3, 21.0))


def _inactivation() -> Relaxation:
    time = RateTime(LinearExponential(2.88e-6, -17.0, -4.63), LinearExponential(6.94e-6, -64.4, 2.63))
    return Relaxation(Boltzmann(-48.8, -10.0), time, q10=Q10(2.3, 21.0))


class PersistentSodium(AbstractChannel):
    """`g m^3 h (v - e)`: open below the threshold of spikes, and inactivated over seconds.

    Source: Magistretti and Alonso (1999), J. Gen. Physiol. 114:491, at 21 degC, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653,
    Nap_Et2, at 34 degC); `g` of the soma there.
    """

    g: Parameter = parameter(1.72, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(50.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=_activation)
    h: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "na"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] ** 3 * x["h"] * (v - self.e)
