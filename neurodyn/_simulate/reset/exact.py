"""Resets at the instant of the crossing, inside the step."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._numerics import anywhere
from ..._parameter import check_whole
from ..._types import BoolArray, FloatArray, IntArray, State
from .base import AbstractReset, Events, Span, jump, select
from .first_crossing import Crossing, Part, examined, first_crossing


class ExactReset(AbstractReset):
    """Spikes of resetting models happen when the threshold is crossed.

    The crossing is located with the solver's own step, so that a spike is as accurate as the solver, the jump is made there, and the solver takes the
    rest of the step. All of it is differentiable: times, states and what follows, by the implicit function theorem, in forward and reverse mode.

    - A crossing counts although the voltage is below threshold again at the end of the step.
    - The end of a refractory period and the arrival of a spike are events of the same kind.
    - A jump that lifts a unit over its threshold makes it fire at the same instant.
    - Units of one model that cross at the same instant jump together, and what follows has the derivative of the first of them; otherwise the earliest
        comes first.
    - No gradient of an exact spike time creates or removes a spike. Where the voltage grazes the threshold the derivative grows without bound.

    **Fields:**

    - `spikes`: how many spikes of a unit in one step are recorded.
    - `events`: how many events of a model there may be in one step, ends of refractory periods and arrivals included. A run with more of either ends in
        `Status.event_storm`.
    """

    spikes: int = eqx.field(static=True, default=2)
    events: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        check_whole("ExactReset.spikes", self.spikes)
        check_whole("ExactReset.events", self.events)

    def step(self, span: Span, y: State, failed: BoolArray) -> tuple[State, Events]:
        margin = span.model.margin(0.0, y)
        part = examined(span, y, jnp.zeros((), margin.dtype))

        def nothing(part):
            return part.end, Events(_Spikes.none(margin, self.spikes).offsets, jnp.asarray(False))

        def events(part):
            part, spikes = _all_events(span, self.events, part, _Spikes.none(margin, self.spikes))
            before, _, after, _ = part.margins
            left = part.crosses & jnp.any(jnp.maximum(before, after) > 0)
            storm = left | jnp.any(spikes.count > self.spikes)
            return part.end, Events(jnp.where(failed, jnp.inf, spikes.offsets), storm)

        return jax.lax.cond(anywhere(part.crosses), events, nothing, part)


class _Spikes(eqx.Module):
    offsets: FloatArray
    count: IntArray

    @classmethod
    def none(cls, margin: FloatArray, slots: int) -> "_Spikes":
        return cls(jnp.full((slots, *margin.shape), jnp.inf, margin.dtype), jnp.zeros(margin.shape, jnp.int32))

    def add(self, time: FloatArray, happened: BoolArray) -> "_Spikes":
        slots = jnp.arange(self.offsets.shape[0]).reshape((-1,) + (1,) * self.count.ndim)
        here = happened[None] & (slots == self.count[None])
        return _Spikes(jnp.where(here, time[None], self.offsets), self.count + happened)


@eqx.filter_custom_jvp
def _all_events(span: Span, most: int, part: Part, spikes: _Spikes) -> tuple[Part, _Spikes]:
    """What is left after one event after the other, of all members of a batch together."""

    def more(state):
        turn, part, _ = state
        return (turn < most) & anywhere(part.crosses)

    def turn(state):
        turn, part, spikes = state
        return turn + 1, *_event(span, part, spikes)

    return jax.lax.while_loop(more, turn, (0, part, spikes))[1:]


@_all_events.def_jvp
def _(primals, tangents):
    return eqx.filter_jvp(_all_events_differentiable, primals, tangents)


def _all_events_differentiable(span: Span, most: int, part: Part, spikes: _Spikes) -> tuple[Part, _Spikes]:
    """The same in as many turns as there may be events: a loop of unknown length has no derivative in reverse mode."""

    def event(part, spikes):
        return _event(span, part, spikes)

    event = jax.checkpoint(event, prevent_cse=False)

    def turn(state, _):
        return jax.lax.cond(anywhere(state[0].crosses), event, lambda *state: state, *state), None

    return jax.lax.scan(turn, (part, spikes), length=most)[0]


def _event(span: Span, part: Part, spikes: _Spikes) -> tuple[Part, _Spikes]:
    """The part after its first event, where there is one."""
    found = first_crossing(span, part)
    nothing = dataclasses.replace(part, crosses=jnp.zeros_like(part.crosses)), spikes

    def happen(found, part, spikes):
        return select(found.crosses, _after(span, found, part, spikes), nothing)

    # Apart, or XLA would compute what follows the search again for each of its many results.
    return jax.lax.cond(anywhere(found.crosses), happen, lambda *_: nothing, found, part, spikes)


def _after(span: Span, found: Crossing, part: Part, spikes: _Spikes) -> tuple[Part, _Spikes]:
    """The rest of a part from a crossing, with the jump of all units that cross."""
    model = span.model
    y, margin = found.y, model.margin(0.0, found.y)
    # Those that cross together all fire, and rounding of the time must not tell them apart.
    hair = 16 * float(jnp.finfo(margin.dtype).eps) * span.dt * found.rates
    together = jnp.where(found.at_once, margin > 0, margin >= jnp.minimum(jnp.max(margin), 0.0) - hair)
    fired = jax.lax.stop_gradient(together) & found.crosses
    after, emitted = jump(model, y, fired)
    own = _own_time(found, margin)
    return examined(span, after, part.begin + found.time), spikes.add(part.begin + own, (emitted > 0) & found.crosses)


def _own_time(found: Crossing, margin: FloatArray) -> FloatArray:
    """The time of the event for each unit: the same value, but with its own derivative for one that crossed by itself."""
    moved = margin - jax.lax.stop_gradient(margin)
    return jnp.where(found.at_once, found.time, found.time - moved / found.rates)
