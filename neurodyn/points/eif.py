"""The exponential integrate-and-fire neuron."""

from typing import Any

import jax.numpy as jnp

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .flows import ExponentialUpstroke
from .integrate_and_fire import AbstractRefractory, check_below, check_upstroke, exponential_chart


class EIF(AbstractRefractory):
    """`tau dv/dt = rest - v + sharpness exp((v - threshold) / sharpness) + resistance I`; at `cut` a spike, then `reset` for `refractory` ms.

    Source: Fourcaud-Trocme, Hansel, van Vreeswijk and Brunel (2003), J. Neurosci. 23:11628, with the values they fit to the Wang-Buzsaki neuron
    (`resistance` 10 is 1 / (0.1 mS/cm2), for a drive in uA/cm2 as for one in nA). Rheobase: (threshold - rest - sharpness) / resistance.

    The upstroke is solved in closed form: second order in the step.

    **Fields:** `tau` ms, `resistance` Mohm, `rest`, `threshold`, `sharpness`, `reset` and `cut` mV, `refractory` ms. The drive is a current in nA.
    """

    tau: Parameter = parameter(10.0, unit="ms", lower=0.0, exclusive=True)
    resistance: Parameter = parameter(10.0, unit="Mohm", lower=0.0, exclusive=True)
    rest: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-59.9, unit="mV", spread=5.0)
    sharpness: Parameter = parameter(3.48, unit="mV", lower=0.0, exclusive=True)
    reset: Parameter = parameter(-68.0, unit="mV", spread=5.0)
    cut: Parameter = parameter(0.0, unit="mV", trainable=False)
    refractory: Parameter = parameter(1.7, unit="ms", lower=0.0)

    def __check_init__(self):
        check_below(self, "reset", "cut", "mV", "the unit fires without end")
        check_upstroke(self)

    def init(self) -> State:
        """At `rest` and not refractory."""
        return {"v": self.rest, "refractory": jnp.zeros_like(self.rest)}

    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        del active
        v = jnp.minimum(y["v"], self.cut + 3 * self.sharpness)  # beyond the cut a step may get anywhere
        rate = self.sharpness / self.tau * jnp.exp((v - self.threshold) / self.sharpness)
        slope = (self.rest - y["v"] + self.resistance * drive) / self.tau + rate
        return Linearised({"v": slope}, {"v": ExponentialUpstroke(rate, self.sharpness, 1 / self.tau)})

    def above(self, y: State) -> FloatArray:
        return exponential_chart(y["v"], self.cut, self.threshold, self.sharpness, 1 / self.tau)

    def after(self, y: State) -> State:
        del y
        return {"v": self.reset}

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}
