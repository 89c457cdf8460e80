"""A slow potassium current with one time constant."""

from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, Boltzmann, ConstantTime, Relaxation
from .base import AbstractChannel


def _activation(half: float = -35.0) -> Relaxation:
    return Relaxation(Boltzmann(half, 4.0), ConstantTime(100.0))


class SlowPotassium(AbstractChannel):
    """`g z (v - e)`: adaptation. The half-voltage says to what: an M current (the default) is open near threshold and answers to the voltage as well as to spikes.

    Source: Prescott and Sejnowski (2008), J. Neurosci. 28:13649, the M and the AHP current.
    """

    g: Parameter = parameter(2.0, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-100.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    z: AbstractGate = eqx.field(default_factory=_activation)

    ion = "k"

    @classmethod
    def after_hyperpolarisation(cls) -> Self:
        """One that opens with spikes only, by their width over the time constant with each: the calcium-activated currents, where calcium itself is not
        followed."""
        return cls(5.0, -100.0, _activation(0.0))

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["z"] * (v - self.e)
