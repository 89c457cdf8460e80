"""The delayed-rectifier potassium current of Hodgkin and Huxley."""

from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, AlphaBeta, Exponential, LinearExponential
from .base import AbstractChannel


def _activation() -> AlphaBeta:
    return AlphaBeta(LinearExponential(0.01, -55.0, 10.0), Exponential(0.125, -65.0, -80.0), q10=Q10())


class Potassium(AbstractChannel):
    """`g n^4 (v - e)`, by default that of the squid giant axon.

    Source: Hodgkin and Huxley (1952), J. Physiol. 117:500, equations 6-13, in the modern sign with rest at -65 mV and 6.3 degC.
    """

    g: Parameter = parameter(36.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-77.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    n: AbstractGate = eqx.field(default_factory=_activation)

    ion = "k"

    @classmethod
    def traub_miles(cls, g: float, e: float, threshold: float, q10: Q10 | None = None) -> Self:
        """That of hippocampal and cortical pyramidal cells. `threshold` (mV) is the `shift` of the gate, V_T of the source.

        Source: Traub and Miles (1991), Neuronal Networks of the Hippocampus, with voltages counted from V_T.
        """
        return cls(
            g, e, AlphaBeta(LinearExponential(0.032, 15.0, 5.0), Exponential(0.5, 10.0, -40.0), threshold, q10=q10)
        )

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["n"] ** 4 * (v - self.e)
