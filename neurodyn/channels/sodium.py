"""The transient sodium current of Hodgkin and Huxley."""

from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, AlphaBeta, Exponential, LinearExponential, Sigmoid
from .base import AbstractChannel


def _activation() -> AlphaBeta:
    return AlphaBeta(LinearExponential(0.1, -40.0, 10.0), Exponential(4.0, -65.0, -18.0), q10=Q10())


def _inactivation() -> AlphaBeta:
    return AlphaBeta(Exponential(0.07, -65.0, -20.0), Sigmoid(1.0, -35.0, 10.0), q10=Q10())


class Sodium(AbstractChannel):
    """`g m^3 h (v - e)`, by default that of the squid giant axon.

    Source: Hodgkin and Huxley (1952), J. Physiol. 117:500, equations 20-24, in the modern sign with rest at -65 mV and 6.3 degC.
    """

    g: Parameter = parameter(120.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(50.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=_activation)
    h: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "na"

    @classmethod
    def traub_miles(cls, g: float, e: float, threshold: float, q10: Q10 | None = None) -> Self:
        """That of hippocampal and cortical pyramidal cells. `threshold` (mV) is the `shift` of both gates: V_T of the source, about 10 mV below where
        spikes start.

        Source: Traub and Miles (1991), Neuronal Networks of the Hippocampus, with voltages counted from V_T.
        """
        m = AlphaBeta(LinearExponential(0.32, 13.0, 4.0), LinearExponential(0.28, 40.0, -5.0), threshold, q10=q10)
        h = AlphaBeta(Exponential(0.128, 17.0, -18.0), Sigmoid(4.0, 40.0, 5.0), threshold, q10=q10)
        return cls(g, e, m, h)

    @classmethod
    def cortical(cls) -> Self:
        """That of layer V pyramidal cells.

        Source: Colbert and Pan (2002), Nat. Neurosci. 5:533, at 21 degC, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, NaTa_t, at
        34 degC); `g` of the soma there.
        """
        q10 = Q10(2.3, 21.0)
        m = AlphaBeta(LinearExponential(0.182, -38.0, 6.0), LinearExponential(0.124, -38.0, -6.0), q10=q10)
        h = AlphaBeta(LinearExponential(0.015, -66.0, -6.0), LinearExponential(0.015, -66.0, 6.0), q10=q10)
        return cls(2040.0, 50.0, m, h)

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] ** 3 * x["h"] * (v - self.e)
