"""The transient sodium current with slow inactivation."""

from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import Q10, AbstractGate, AlphaBeta, Exponential, Sigmoid
from .base import AbstractChannel
from .sodium import Sodium


def _slow_inactivation() -> AlphaBeta:
    return AlphaBeta(Exponential(0.001, -85.0, -30.0), Sigmoid(0.0034, -17.0, 10.0))


class SlowSodium(AbstractChannel):
    """`g m^3 h s (v - e)`: `s` closes by a little with every spike and opens within a second or two of rest, so that spikes get smaller and begin later along a
    train. By default `m` and `h` are those of the squid giant axon.

    Source: Fleidervish, Friedman and Gutnick (1996), J. Physiol. 493:83, for `s`, in layer V pyramidal cells; the rest as in `Sodium`.
    """

    g: Parameter = parameter(120.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(50.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    m: AbstractGate = eqx.field(default_factory=lambda: Sodium().m)
    h: AbstractGate = eqx.field(default_factory=lambda: Sodium().h)
    s: AbstractGate = eqx.field(default_factory=_slow_inactivation)

    ion = "na"

    @classmethod
    def traub_miles(cls, g: float, e: float, threshold: float, q10: Q10 | None = None) -> Self:
        """With the fast gates of hippocampal and cortical pyramidal cells, as `Sodium.traub_miles` has them."""
        fast = Sodium.traub_miles(g, e, threshold, q10)
        return cls(g, e, fast.m, fast.h)

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["m"] ** 3 * x["h"] * x["s"] * (v - self.e)
