"""The leaky integrate-and-fire neuron with an adaptive threshold."""

from typing import Any

import jax.numpy as jnp

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .integrate_and_fire import AbstractRefractory, check_below


class AdaptiveLIF(AbstractRefractory):
    """`tau dv/dt = rest - v + resistance I`; a spike where `v` reaches `threshold + adaptation`, which then grows by `increment` and between spikes decays to
    `threshold` with `tau_adaptation`. `v` stays at `reset` for `refractory` ms, in which the adaptation goes on decaying.

    Source: Chacron, Pakdaman and Longtin (2003), Neural Comput. 15:253 (threshold fatigue); Bellec et al. (2018), NeurIPS 31 (ALIF).

    Exact under a constant drive.

    **Fields:** `tau`, `tau_adaptation` and `refractory` ms, `resistance` Mohm, `rest`, `threshold`, `reset` and `increment` mV. The drive is a current in nA.
    """

    tau: Parameter = parameter(20.0, unit="ms", lower=0.0, exclusive=True)
    resistance: Parameter = parameter(10.0, unit="Mohm", lower=0.0, exclusive=True)
    rest: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.0, unit="mV", spread=5.0)
    reset: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    refractory: Parameter = parameter(2.0, unit="ms", lower=0.0)
    increment: Parameter = parameter(2.0, unit="mV", lower=0.0)
    tau_adaptation: Parameter = parameter(100.0, unit="ms", lower=0.0, exclusive=True)

    def __check_init__(self):
        check_below(self, "reset", "threshold", "mV", "the unit fires without end")

    def init(self) -> State:
        """At rest, neither adapted nor refractory."""
        zero = jnp.zeros_like(self.rest)
        return {"v": self.rest, "adaptation": zero, "refractory": zero}

    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        del active
        v = (self.rest - y["v"] + self.resistance * drive) / self.tau
        adaptation = -y["adaptation"] / self.tau_adaptation
        return Linearised(
            {"v": v, "adaptation": adaptation}, {"v": 1 / self.tau, "adaptation": 1 / self.tau_adaptation}
        )

    def above(self, y: State) -> FloatArray:
        return y["v"] - self.threshold - y["adaptation"]

    def after(self, y: State) -> State:
        return {"v": self.reset, "adaptation": y["adaptation"] + self.increment}

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """The threshold of the moment, mV, by the name `theta`."""
        del t, drive
        return {"theta": self.threshold + y["adaptation"]}
