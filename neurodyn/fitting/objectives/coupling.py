"""A model pulled towards a recorded voltage, so that a trace fit has a useful gradient while spikes are out of step."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractCoupledFlow, AbstractNeuron, Linearised
from ..._parameter import parameter
from ..._stimulus import AbstractStimulus, Instant
from ..._types import FloatArray, Parameter, RealScalar, State


class Coupled(AbstractNeuron):
    """`dv/dt = model + rate (target - v)`. The drive is a pair: that of the model, and the target voltage.

    **Fields:** `places`: which elements of `v` are pulled, for a model that has many; the target then has shape (k,), or () for one place.
    """

    model: AbstractNeuron
    rate: Parameter = parameter(unit="1/ms", lower=0.0, trainable=False)
    places: tuple[int, ...] | None = eqx.field(static=True, default=None)

    def init(self) -> State:
        return self.model.init()

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        current, target = drive
        inner, v, rate = self.model.dynamics(t, y, current), y["v"], self.rate
        if self.places is not None:
            places, nowhere = np.asarray(self.places), jnp.zeros_like(v)
            rate, target = nowhere.at[places].set(rate), nowhere.at[places].set(target)
        decay = inner.decay["v"]
        decay = decay.pulled(v, rate, target) if isinstance(decay, AbstractCoupledFlow) else decay + rate
        slope = {**inner.slope, "v": inner.slope["v"] + rate * (target - v)}
        return Linearised(slope, {**inner.decay, "v": decay})

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
