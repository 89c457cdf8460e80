"""Voltage clamp through an electrode whose resistance is not compensated."""

from typing import Any

import jax
import jax.numpy as jnp

from ..._clamped import Clamped
from ..._model import AbstractNeuron, Linearised
from ..._parameter import parameter
from ..._types import FloatArray, Parameter, RealScalar, State


class SeriesClamp(AbstractNeuron):
    """A neuron into which a clamp drives `(command - v) / resistance`. The drive is the command, mV; Mohm give pA.

    The membrane follows the command with the time constant `resistance * capacitance` and stays off by `resistance * current`. Observes `i_electrode`,
    the whole current through the electrode, positive into the cell, which charges the capacitance too.
    """

    model: AbstractNeuron
    resistance: Parameter = parameter(unit="Mohm", lower=0.0, exclusive=True, trainable=False)
    holding: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)

    def init(self) -> State:
        """At the holding voltage: near the steady state, which is off by what drops across the resistance."""
        return {**Clamped(self.model, self.holding).init(), "v": self.holding}

    def _current(self, y: State, drive: FloatArray) -> FloatArray:
        return 1e3 * (drive - y["v"]) / self.resistance

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        current = self._current(y, drive)
        inner, gain = jax.jvp(lambda i: self.model.dynamics(t, y, i), (current,), (jnp.ones_like(current),))
        # What a unit of current does to the voltage's slope: one over the capacitance, whatever the model calls it.
        charging = 1e3 * gain.slope["v"] / self.resistance
        return Linearised(inner.slope, {**inner.decay, "v": inner.decay["v"] + charging})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        current = self._current(y, drive)
        return {**self.model.observe(t, y, current), "i_electrode": current}

    def groups(self) -> Any:
        return self.model.groups()
