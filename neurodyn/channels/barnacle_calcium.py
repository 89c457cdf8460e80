"""The calcium current of the barnacle muscle fibre."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, HyperbolicTangent, Instantaneous
from .base import AbstractChannel


def _activation() -> Instantaneous:
    return Instantaneous(HyperbolicTangent(-1.2, 18.0))


class BarnacleCalcium(AbstractChannel):
    """`g m_inf(v) (v - e)`: calcium that follows the voltage at once, and does not inactivate.

    Source: Morris and Lecar (1981), Biophys. J. 35:193, equations 3 and 9; V1 and V2 are `m.steady.half` and `m.steady.slope`.
    """

    g: Parameter = parameter(4.4, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(120.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=_activation)

    ion = "ca"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] * (v - self.e)
