"""The transient potassium (A) current of Connor and Stevens."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate, Boltzmann, Power, Relaxation, RisingBoltzmann, SigmoidTime
from .base import AbstractChannel


def _activation() -> Relaxation:
    cubed = RisingBoltzmann(0.0761, -94.22, 1 / 0.0314, -1.17, 1 / 0.0346)
    return Relaxation(Power(cubed, 1 / 3), SigmoidTime(0.3632, 1.158, -55.96, -1 / 0.0497))


def _inactivation() -> Relaxation:
    return Relaxation(Power(Boltzmann(-53.3, -1 / 0.0688), 4.0), SigmoidTime(1.24, 2.678, -50.0, -1 / 0.0624))


class ACurrent(AbstractChannel):
    """`g a^3 b (v - e)`: it opens below threshold and inactivates within some milliseconds, which delays the first spike and lets a cell fire slowly.

    Source: Connor, Walter and McKown (1977), Biophys. J. 18:81, in the form of Dayan and Abbott (2001), Theoretical Neuroscience, equations 6.4-6.8.
    """

    g: Parameter = parameter(47.7, unit="mS/cm2", lower=0.0)
    e: Parameter = parameter(-75.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)
    a: AbstractGate = eqx.field(default_factory=_activation)
    b: AbstractGate = eqx.field(default_factory=_inactivation)

    ion = "k"

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * x["a"] ** 3 * x["b"] * (v - self.e)
