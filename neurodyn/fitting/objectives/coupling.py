"""A model pulled towards a recorded voltage, so that a trace fit has a useful gradient while spikes are out of step."""

from typing import Any

import jax.numpy as jnp

from ..._model import AbstractNeuron, Linearised
from ..._parameter import parameter
from ..._stimulus import AbstractStimulus, Instant
from ..._types import FloatArray, Parameter, RealScalar, State


class Coupled(AbstractNeuron):
    """`dv/dt = model + rate (target - v)`. The drive is a pair: that of the model, and the target voltage."""

    model: AbstractNeuron
    rate: Parameter = parameter(unit="1/ms", lower=0.0, trainable=False)

    def init(self) -> State:
        return self.model.init()

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        current, target = drive
        inner = self.model.dynamics(t, y, current)
        slope = {**inner.slope, "v": inner.slope["v"] + self.rate * (target - y["v"])}
        return Linearised(slope, {**inner.decay, "v": inner.decay["v"] + self.rate})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        return self.model.observe(t, y, drive[0])

    def groups(self) -> Any:
        return self.model.groups()


class Paired(AbstractStimulus):
    """Two stimuli side by side."""

    first: AbstractStimulus
    second: AbstractStimulus

    def at(self, time: Instant) -> Any:
        return self.first.at(time), self.second.at(time)

    def over(self, time: Instant, width: RealScalar) -> Any:
        return self.first.over(time, width), self.second.over(time, width)

    def edges(self) -> FloatArray:
        return jnp.concatenate([self.first.edges(), self.second.edges()])
