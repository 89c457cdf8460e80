"""The high-voltage activated calcium current."""

from typing import Any

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate
from .base import AbstractChannel
from .driving_force import AbstractDrivingForce, Nernst
from .l_type_calcium import LTypeCalcium


class HighVoltageCalcium(AbstractChannel):
    """`g m^2 h driving_force(v)`: calcium that enters with spikes. Its gates are those of `LTypeCalcium`; what drives it is `Nernst()`, `GHK()` or
    `FixedReversal(e)`.

    Source: Reuveni et al. (1993), J. Neurosci. 13:4609, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, Ca_HVA); `g` of the soma
    there.
    """

    g: Parameter = parameter(0.992, unit="mS/cm2", lower=0.0)
    driving_force: AbstractDrivingForce = eqx.field(default_factory=Nernst)
    m: AbstractGate = eqx.field(default_factory=lambda: LTypeCalcium().q)
    h: AbstractGate = eqx.field(default_factory=lambda: LTypeCalcium().r)

    ion = "ca"

    def current(self, v: FloatArray, x: dict[str, Any]) -> FloatArray:
        return self.g * x["m"] ** 2 * x["h"] * self.driving_force(v, x.get("ca"))
