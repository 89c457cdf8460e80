"""The hyperpolarisation-activated cation (h) current."""

import math
from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, AlphaBeta, BellTime, Boltzmann, Exponential, LinearExponential, Relaxation
from .base import AbstractChannel


def _activation() -> Relaxation:
    # 1 / (exp(-14.59 - 0.086 v) + exp(-1.87 + 0.0701 v)), counted from where both terms are equal.
    equal = (1.87 - 14.59) / (0.086 + 0.0701)
    return Relaxation(Boltzmann(-75.0, -5.5), BellTime(math.exp(14.59 + 0.086 * equal), equal, 1 / 0.0701, 1 / 0.086))


class HCurrent(AbstractChannel):
    """`g q (v - e)`: it opens below rest and pulls the voltage back, which is seen as a sag, and as a rebound afterwards.

    Source: the thalamic relay cell of Huguenard and McCormick (1992), J. Neurophysiol. 68:1373, after McCormick and Pape (1990), J. Physiol. 431:291; at body
    temperature.
    """

    g: Parameter = parameter(0.02, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-43.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    q: AbstractGate = eqx.field(default_factory=_activation)

    @classmethod
    def cortical(cls) -> Self:
        """That of layer V pyramidal cells, faster by ten. Source: Kole, Hallermann and Stuart (2006), J. Neurosci. 26:1677, at 35 degC, for the
        gate; Hay et al. (2011), PLoS Comput. Biol. 7:e1002107, for the conductance in the soma: it grows along the apical dendrite."""
        q = AlphaBeta(LinearExponential(0.00643, -154.9, -11.9), Exponential(0.193, 0.0, 33.1))
        return cls(0.2, -45.0, q)

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["q"] * (v - self.e)
