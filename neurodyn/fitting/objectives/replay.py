"""A resetting model that is reset when the data has a spike, not when it would have had one itself."""

from typing import Any, ClassVar

import jax.numpy as jnp
import jax.tree_util as jtu

from ..._model import AbstractSpikingNeuron, Linearised
from ..._parameter import parameter
from ..._stimulus import AbstractStimulus, Instant
from ..._types import BoolArray, FloatArray, Parameter, RealScalar, State


class Impulses(AbstractStimulus):
    """Unit impulses at `times` (ms, shape (n,), infinite ones are padding): its average over a step is the number in it per ms."""

    times: Parameter = parameter(unit="ms", infinite=True, trainable=False)

    def at(self, time: Instant) -> FloatArray:
        return jnp.zeros((), self.times.dtype)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        since = time.since(self.times)
        return jnp.sum((since <= 0) & (since > -width)) / width

    def edges(self) -> FloatArray:
        return jnp.zeros((0,), self.times.dtype)


class Replayed(AbstractSpikingNeuron):
    """A resetting model whose spikes are those of the data. The drive is a pair: that of the model, and the data's `Impulses`.

    `due` counts the spikes of the data that the model has not had yet; it passes a half in the middle of the step that holds a spike.
    A spike of the data in the refractory period of the model is had at its end.
    """

    model: AbstractSpikingNeuron

    resets: ClassVar[bool] = True

    def init(self) -> State:
        state = self.model.init()
        return {"model": state, "due": jnp.zeros((), jtu.tree_leaves(state)[0].dtype)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        inner = self.model.dynamics(t, y["model"], drive[0])
        return Linearised({"model": inner.slope, "due": drive[1]}, {"model": inner.decay, "due": None})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """`margin`, the model's own, and whether it is `ready` for a spike (1 or 0)."""
        ready = self._ready(t, y["model"])
        return {"margin": self.model.margin(t, y["model"]), "ready": jnp.asarray(ready, y["due"].dtype)}

    def groups(self) -> Any:
        return {"model": self.model.groups(), "due": 0}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        return jnp.where(self._ready(t, y["model"]), y["due"] - 0.5, self.model.margin(t, y["model"]))

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        state, emitted = self.model.jump(t, y["model"], fired)
        return {"model": state, "due": y["due"] - jnp.asarray(emitted, y["due"].dtype)}, emitted

    def _ready(self, t: RealScalar, state: State) -> BoolArray:
        """Whether an event now would be a spike, and not the end of a refractory period."""
        _, emitted = self.model.jump(t, state, jnp.asarray(1.0, jtu.tree_leaves(state)[0].dtype))
        return jnp.asarray(emitted) > 0
