"""The slow muscarinic potassium (M) current."""

from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, AlphaBeta, BellTime, Boltzmann, Exponential, Relaxation
from .base import AbstractChannel


def _activation() -> Relaxation:
    return Relaxation(Boltzmann(-35.0, 10.0), BellTime(1000.0, -35.0, 20.0, 20.0, 3.3), q10=Q10(2.3, 36.0))


class MCurrent(AbstractChannel):
    """`g p (v - e)`: spike-frequency adaptation over hundreds of milliseconds.

    Source: Yamada, Koch and Adams (1989), in Koch and Segev, Methods in Neuronal Modeling, as used by Pospischil et al. (2008), Biol. Cybern. 99:427; at 36 degC.
    """

    g: Parameter = parameter(0.07, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-100.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    p: AbstractGate = eqx.field(default_factory=_activation)

    ion = "k"

    @classmethod
    def cortical(cls) -> Self:
        """That of layer V pyramidal cells, steeper and faster.

        Source: Adams, Brown and Constanti (1982), J. Physiol. 330:537, at 21 degC, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, Im,
        at 34 degC); `g` of the apical dendrite there.
        """
        p = AlphaBeta(Exponential(0.0033, -35.0, 10.0), Exponential(0.0033, -35.0, -10.0), q10=Q10(2.3, 21.0))
        return cls(0.0675, -85.0, p)

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["p"] * (v - self.e)
