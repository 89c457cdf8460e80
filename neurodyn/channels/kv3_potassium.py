"""The fast potassium current of Kv3.1 channels."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, Boltzmann, LogisticTime, Relaxation
from .base import AbstractChannel


def _activation() -> Relaxation:
    return Relaxation(Boltzmann(18.7, 9.7), LogisticTime(4.0, -46.56, 44.14))


class Kv3Potassium(AbstractChannel):
    """`g m (v - e)`: it opens in spikes only and repolarises them fast.

    Source: Rettig et al. (1992), EMBO J. 11:2473, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, SKv3_1), without a temperature
    factor; `g` of the soma there.
    """

    g: Parameter = parameter(693.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-85.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=_activation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] * (v - self.e)
