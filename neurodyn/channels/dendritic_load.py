"""What a dendrite draws from the soma."""

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics import AbstractGate
from .base import AbstractChannel


class VoltageLag(AbstractGate):
    """No gate but a voltage, in mV, that follows that of the soma: `tau du/dt = v - u`."""

    tau: Parameter = parameter(2.0, unit="ms", lower=0.0, exclusive=True)

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        del temperature
        return v / self.tau, 1 / self.tau

    def at_temperature(self, temperature: FloatArray) -> "VoltageLag":
        del temperature
        return self


class DendriticLoad(AbstractChannel):
    """`g (v - u)`: a dendrite lumped into one compartment without channels or leak, of voltage u and capacitance `g u.tau`, which the soma charges through the
    conductance g.

    A step of current is then answered by two exponentials, the fast one as charge spreads into the dendrite; single spikes lose charge to it, and get some
    of it back afterwards. At a steady voltage it draws nothing.

    Source: Rall (1969), Biophys. J. 9:1483, on the equalising time constant; two compartments as in Pinsky and Rinzel (1994), J. Comput. Neurosci. 1:39.
    """

    g: Parameter = parameter(0.1, unit="mS/cm2", lower=0.0)
    u: VoltageLag = eqx.field(default_factory=VoltageLag)

    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        return self.g * (v - x["u"])
