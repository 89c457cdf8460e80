"""A resetting model that is reset when the data has a spike, not when it would have had one itself."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from ..._model import AbstractSpikingNeuron, Linearised
from ..._parameter import parameter
from ..._simulate.reset import AbstractReset, Events, Span, jump, select
from ..._types import BoolArray, FloatArray, Parameter, RealScalar, State


EARLY = -1e6  # what is written down for the margin of a spike of the data in the refractory period


class Replayed(AbstractSpikingNeuron):
    """A resetting model whose spikes are those of the data, each at its own time. One in the refractory period of the model ends that and then counts.

    **Fields:** `model`; `times`: of the data's spikes, ms since the run began, in order, shape (n,); those after its end are padding, and finite.

    The state is that of the model, `model`, the time that is left to the next spike, `wait`, how many spikes there have been, `count`, the model's
    margin just before the last of them, `met` (`EARLY` for one in the refractory period), for how long it was ready for another since, `open`, and
    whether the next is one in the refractory period, `early`.
    """

    model: AbstractSpikingNeuron
    times: Parameter = parameter(unit="ms", trainable=False)

    resets: ClassVar[bool] = True

    def init(self) -> State:
        return self.begin(self.model.init())

    def begin(self, state: State) -> State:
        """The state at the beginning of the run, from that of the model."""
        zero = jnp.zeros((), jtu.tree_leaves(state)[0].dtype)
        wait = jnp.asarray(self.times[0], zero.dtype)
        return {"model": state, "wait": wait, "count": zero, "met": zero, "open": zero, "early": zero}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        inner = self.model.dynamics(t, y["model"], drive)
        own = {name: jnp.zeros_like(y[name]) for name in ("count", "met", "early")}
        own |= {"wait": -jnp.ones_like(y["wait"]), "open": jnp.asarray(self._ready(t, y["model"]), y["open"].dtype)}
        return Linearised({"model": inner.slope, **own}, {"model": inner.decay, **dict.fromkeys(own)})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """`margin`, the model's own, and whether it is `ready` for a spike (1 or 0)."""
        ready = self._ready(t, y["model"])
        return {"margin": self.model.margin(t, y["model"]), "ready": jnp.asarray(ready, y["wait"].dtype)}

    def groups(self) -> Any:
        return {"model": self.model.groups(), "wait": 0, "count": 0, "met": 0, "open": 0, "early": 0}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        recovery = jnp.where(self._ready(t, y["model"]), -jnp.inf, self.model.margin(t, y["model"]))
        return jnp.maximum(-y["wait"], recovery)

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        margin, ready = self.model.margin(t, y["model"]), self._ready(t, y["model"])
        state, emitted = self.model.jump(t, y["model"], fired)
        count = y["count"] + ready
        index = jnp.minimum(count.astype(int), self.times.shape[0] - 1)
        # Behind the last spike there is none within any run.
        gap = jnp.where(index == count.astype(int), self.times[index] - self.times[index - 1], 2 * self.times[-1] + 1.0)
        after = {
            "wait": jnp.where(ready, y["wait"] + gap, y["wait"]),
            "count": count,
            "met": jnp.where(ready, jnp.where(y["early"] > 0, EARLY, margin), y["met"]),
            "open": jnp.where(ready, 0.0, y["open"]),
            "early": jnp.where(ready, 0.0, jnp.asarray(-y["wait"] >= margin, y["early"].dtype)),
        }

        def mix(name):
            weight = jnp.asarray(fired, y[name].dtype)
            return (1 - weight) * y[name] + weight * jnp.asarray(after[name], y[name].dtype)

        return {"model": state, **{name: mix(name) for name in after}}, emitted

    def _ready(self, t: RealScalar, state: State) -> BoolArray:
        """Whether an event now would be a spike, and not the end of a refractory period."""
        _, emitted = self.model.jump(t, state, jnp.asarray(1.0, jtu.tree_leaves(state)[0].dtype))
        return jnp.asarray(emitted) > 0


class ReplayReset(AbstractReset):
    """The resets of a `Replayed`: its margins, of the time left to a spike or to the end of the refractory period, are linear in time, so that their
    crossings need no search. Two events in a step at most; what is left comes at the beginning of the next."""

    def step(self, span: Span, y: State, failed: BoolArray) -> tuple[State, Events]:
        begin, times = jnp.zeros_like(y["wait"]), []
        for _ in range(2):
            y, begin, time = self._event(span, y, begin)
            times.append(jnp.where(failed, jnp.inf, time))
        end = span(y, begin, span.dt - begin)
        return select(begin < span.dt, end, y), Events(jnp.stack(times), jnp.asarray(False))

    def _event(self, span: Span, y: State, begin: FloatArray) -> tuple[State, FloatArray, FloatArray]:
        """The state after the next event of the step, when that is, and the same time if it is a spike; as they were where nothing happens."""
        left = span.dt - begin
        slope = span.slope(y, begin, left)
        margin, rate = jax.jvp(lambda y: span.model.margin(0.0, y), (y,), (slope,))
        until = -margin / jnp.where(rate > 0, rate, 1.0)
        happens = (until < left) & ((rate > 0) | (margin > 0))
        until = jnp.where(happens, jnp.maximum(until, 0.0), 0.5 * left)
        after, emitted = jump(span.model, span(y, begin, until), jnp.asarray(True))
        time = jnp.where(happens & (emitted > 0), begin + until, jnp.inf)
        y, begin = select(happens, (after, begin + until), (y, begin))
        return y, begin, time
