"""The potassium current that calcium alone opens (SK)."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, AbstractIonGate, Hill
from .base import AbstractChannel


def _activation() -> Hill:
    return Hill(half=0.00043, power=4.8, tau=1.0)


class SKPotassium(AbstractChannel):
    """`g z (v - e)`: the after-hyperpolarisation that calcium leaves behind, and adaptation.

    Source: Koehler et al. (1996), Science 273:1709, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, SK_E2); `g` of the soma there.
    """

    g: Parameter = parameter(44.1, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-85.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    z: AbstractGate | AbstractIonGate = eqx.field(default_factory=_activation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["z"] * (v - self.e)
