"""The potassium current that calcium and depolarisation open together (BK)."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, AbstractIonGate, TwoSiteBinding
from .base import AbstractChannel


def _activation() -> TwoSiteBinding:
    return TwoSiteBinding(opening=0.48, closing=0.28, k1=0.18, k2=0.011, d1=0.84, d2=1.0)


class BKPotassium(AbstractChannel):
    """`g o (v - e)`: it opens when a spike lets calcium in, and makes the spike short.

    Source: Moczydlowski and Latorre (1983), J. Gen. Physiol. 82:511: scheme R1, constants of channel A (table II), rates of page 524, from muscle. The
    affinities are low: tens of uM open it at 0 mV.
    """

    g: Parameter = parameter(10.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-85.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    o: AbstractGate | AbstractIonGate = eqx.field(default_factory=_activation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["o"] * (v - self.e)
