"""The leaky integrate-and-fire neuron."""

from typing import Any

import jax.numpy as jnp

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .integrate_and_fire import AbstractRefractory, check_below


class LIF(AbstractRefractory):
    """`tau dv/dt = rest - v + resistance * I`; at `threshold` a spike, then `reset` for `refractory` ms.

    Source: Lapicque (1907); Gerstner et al. (2014), Neuronal Dynamics, equations 1.5-1.6. Rheobase: (threshold - rest) / resistance.

    **Fields:** `tau` ms, `resistance` Mohm, `rest`, `threshold` and `reset` mV, `refractory` ms. The drive is a current in nA.

    The end of the refractory period is an event too: the state counts down the time that is left. Steps under a constant drive are exact.
    """

    tau: Parameter = parameter(20.0, unit="ms", lower=0.0, exclusive=True)
    resistance: Parameter = parameter(10.0, unit="Mohm", lower=0.0, exclusive=True)
    rest: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.0, unit="mV", spread=5.0)
    reset: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    refractory: Parameter = parameter(2.0, unit="ms", lower=0.0)

    def __check_init__(self):
        check_below(self, "reset", "threshold", "mV", "the unit fires without end")

    def init(self) -> State:
        """At rest and not refractory."""
        return {"v": self.rest, "refractory": jnp.zeros_like(self.rest)}

    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        del active
        slope = (self.rest - y["v"] + self.resistance * drive) / self.tau
        return Linearised({"v": slope}, {"v": 1 / self.tau})

    def above(self, y: State) -> FloatArray:
        return y["v"] - self.threshold

    def after(self, y: State) -> State:
        del y
        return {"v": self.reset}

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}
