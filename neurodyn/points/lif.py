"""The leaky integrate-and-fire neuron."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._model import AbstractBoundedState, AbstractSpikingNeuron, Linearised
from .._parameter import ParameterInfo, parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State


class LIF(AbstractSpikingNeuron, AbstractBoundedState):
    """`tau dv/dt = rest - v + resistance * I`; at `threshold` a spike, then `reset` for `refractory` ms.

    Source: Lapicque (1907); Gerstner et al. (2014), Neuronal Dynamics, equations 1.5-1.6. Rheobase: (threshold - rest) / resistance.

    **Fields:** `tau` ms, `resistance` Mohm, `rest`, `threshold` and `reset` mV, `refractory` ms. The drive is a current in nA.

    The end of the refractory period is an event too: the state counts down the time that is left.
    """

    tau: Parameter = parameter(20.0, unit="ms", lower=0.0, exclusive=True)
    resistance: Parameter = parameter(10.0, unit="Mohm", lower=0.0, exclusive=True)
    rest: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.0, unit="mV", spread=5.0)
    reset: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    refractory: Parameter = parameter(2.0, unit="ms", lower=0.0)

    resets: ClassVar[bool] = True

    def __check_init__(self):
        if any(isinstance(x, Tracer) for x in (self.reset, self.threshold)):
            return
        if not np.all(np.asarray(self.reset) < np.asarray(self.threshold)):
            raise ValueError(
                f"LIF.reset = {self.reset} mV is not allowed: must be < threshold = {self.threshold} mV, or the unit fires without end"
            )

    def init(self) -> State:
        """At rest and not refractory."""
        return {"v": self.rest, "refractory": jnp.zeros_like(self.rest)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        active = y["refractory"] <= 0
        slope = jnp.where(active, (self.rest - y["v"] + self.resistance * drive) / self.tau, 0.0)
        return Linearised(
            {"v": slope, "refractory": jnp.where(active, 0.0, -1.0).astype(slope.dtype)},
            {"v": jnp.where(active, 1 / self.tau, 0.0), "refractory": None},
        )

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}

    def state_info(self) -> dict[str, ParameterInfo]:
        return {"v": ParameterInfo("mV"), "refractory": ParameterInfo("ms", lower=0.0)}

    def groups(self) -> Any:
        return {"v": 0, "refractory": 0}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        # Rounding leaves a little of the count-down after a whole number of steps: without the slack that is one step more.
        slack = 64 * jnp.finfo(y["v"].dtype).eps * self.refractory
        return jnp.where(y["refractory"] > 0, slack - y["refractory"], y["v"] - self.threshold)

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """To `reset` and refractory when active; out of the refractory period, emitting nothing, when not."""
        del t
        active = y["refractory"] <= 0
        emitted = fired * active
        weight = jnp.asarray(fired, y["v"].dtype)
        v = y["v"] + weight * jnp.where(active, self.reset - y["v"], 0.0)
        left = y["refractory"] + weight * (jnp.where(active, self.refractory, 0.0) - y["refractory"])
        return {"v": v, "refractory": left}, emitted
