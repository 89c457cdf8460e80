"""Resets at the instant of the crossing, inside the step."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from ..._numerics import anywhere
from ..._parameter import check_whole
from ..._types import BoolArray, FloatArray, IntArray, State
from .base import AbstractReset, Events, Span, select


class ExactReset(AbstractReset):
    """Spikes of resetting models happen when the threshold is crossed.

    The crossing is located with the solver's own step, so that a spike is as accurate as the solver, the jump is made there, and the solver takes the
    rest of the step. All of it is differentiable: times, states and what follows, by the implicit function theorem, in forward and reverse mode.

    - A crossing counts although the voltage is below threshold again at the end of the step.
    - The end of a refractory period and the arrival of a spike are events of the same kind.
    - A jump that lifts a unit over its threshold makes it fire at the same instant.
    - Units of one model that cross together jump together; otherwise the earliest comes first.
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

    def step(self, span: Span, y: State) -> tuple[State, Events]:
        margin = span.model.margin(0.0, y)
        part = _examined(span, y, jnp.zeros((), margin.dtype))

        def nothing(part):
            return part.end, Events(_Spikes.none(margin, self.spikes).offsets, jnp.asarray(False))

        def events(part):
            part, spikes = _all_events(span, self.events, part, _Spikes.none(margin, self.spikes))
            storm = part.crosses | jnp.any(spikes.count > self.spikes)
            return part.end, Events(spikes.offsets, storm)

        return jax.lax.cond(anywhere(part.crosses), events, nothing, part)


class _Part(eqx.Module):
    """What is left of a step.

    **Fields:** `y`: the state where it begins; `begin`: when that is, ms; `end`: the state at the end of the step if nothing happens; `crosses`: whether
    something may; `margins`: at both ends and, in between, their rates, 1/ms (`before`, `rise`, `after`, `fall`).
    """

    y: State
    begin: FloatArray
    end: State
    crosses: BoolArray
    margins: tuple[FloatArray, FloatArray, FloatArray, FloatArray]


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


def _margin_and_slope(span: Span, y: State, begin, length) -> tuple[FloatArray, FloatArray]:
    return jax.jvp(lambda y: span.model.margin(0.0, y), (y,), (span.slope(y, begin, length),))


def _examined(span: Span, y: State, begin: FloatArray) -> _Part:
    """The part of the step from `begin`, with the answer to whether a unit may cross in it."""
    length = span.dt - begin
    end = span(y, begin, length)
    before, rise = _margin_and_slope(span, y, begin, length)
    after, fall = _margin_and_slope(span, end, begin, length)
    # The margin in between is below the control points of the cubic through its values and slopes.
    hump = (rise > 0) & (fall < 0)
    peak = jnp.maximum(before + rise * length / 3, after - fall * length / 3)
    crosses = (before > 0) | (after > 0) | (hump & (peak > 0))
    crosses = jnp.any(crosses) & (length > 0)
    return _Part(y, begin, end, crosses, _stopped((before, rise, after, fall)))


@eqx.filter_custom_jvp
def _all_events(span: Span, most: int, part: _Part, spikes: _Spikes) -> tuple[_Part, _Spikes]:
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


def _all_events_differentiable(span: Span, most: int, part: _Part, spikes: _Spikes) -> tuple[_Part, _Spikes]:
    """The same in as many turns as there may be events: a loop of unknown length has no derivative in reverse mode."""

    def event(part, spikes):
        return _event(span, part, spikes)

    event = jax.checkpoint(event, prevent_cse=False)

    def turn(state, _):
        return jax.lax.cond(anywhere(state[0].crosses), event, lambda *state: state, *state), None

    return jax.lax.scan(turn, (part, spikes), length=most)[0]


def _event(span: Span, part: _Part, spikes: _Spikes) -> tuple[_Part, _Spikes]:
    """The part after its first event, where there is one."""
    model = span.model
    found = _first_crossing(span, part)
    y, margin = found.y, model.margin(0.0, found.y)
    slack = _slack(margin)
    # Rounding tells apart those that cross together: they all fire.
    together = jnp.where(found.at_once, margin > 0, margin >= jnp.minimum(jnp.max(margin), 0.0) - slack)
    fired = jax.lax.stop_gradient(together) & found.crosses
    after, emitted = model.jump(0.0, y, fired)
    next_part = _examined(span, after, part.begin + found.time)
    own = _own_time(found, margin)
    next_spikes = spikes.add(part.begin + own, (emitted > 0) & found.crosses)
    nothing = dataclasses.replace(part, crosses=jnp.zeros_like(part.crosses))
    return select(found.crosses, (next_part, next_spikes), (nothing, spikes))


class _Crossing(eqx.Module):
    """The first crossing in a part of a step.

    **Fields:** `crosses`: whether there is one; `at_once`: whether a unit was above threshold from the beginning; `time`: ms since the part began; `y`: the
    state there; `rates`: of the margins, 1/ms.
    """

    crosses: BoolArray
    at_once: BoolArray
    time: FloatArray
    y: State
    rates: FloatArray


def _own_time(found: _Crossing, margin: FloatArray) -> FloatArray:
    """The time of the event for each unit: the same value, but with its own derivative for one that crossed by itself."""
    moved = margin - jax.lax.stop_gradient(margin)
    return jnp.where(found.at_once, found.time, found.time - moved / found.rates)


def _slack(margin: FloatArray) -> float:
    """What rounding may do to a margin."""
    return 1e4 * float(jnp.finfo(margin.dtype).eps)


def _first_crossing(span: Span, part: _Part) -> _Crossing:
    stopped_span, stopped = _stopped((span, part))
    length = span.dt - stopped.begin
    before, rise, after, _ = part.margins
    at_once = jnp.max(before) > _slack(before)
    upper, peaks = _bracket(stopped_span, stopped)
    crosses = stopped.crosses & (at_once | peaks | jnp.any(after > 0) | (jnp.max(before) > 0))
    searched = crosses & ~at_once
    guess = -jnp.max(before) / jnp.sum(jnp.where(jnp.arange(before.size) == jnp.argmax(before), rise.ravel(), 0.0))
    time, rates, velocity, unit = _search(stopped_span, stopped, guess, upper, searched)

    def beyond(y):
        return jnp.sum(jnp.where(unit, span.model.margin(0.0, y), 0.0)) / jnp.sum(jnp.where(unit, rates, 0.0))

    # Two steps with a fixed slope from where the search ended: the first makes the first derivative of time and state right, by the implicit function
    # theorem, the second that and the second derivative to all digits.
    time = jnp.where(searched, time, length / 2)
    first = time - jnp.where(searched, beyond(span(part.y, part.begin, time)), 0.0)
    first = _clipped(first, length)
    y = span(part.y, part.begin, first)
    correction = jnp.where(searched, beyond(y), 0.0)
    second = _clipped(first - correction, length)
    y = jtu.tree_map(lambda x, rate: x + rate * (second - first), y, velocity)
    second, y = select(at_once, (jnp.zeros_like(second), part.y), (second, y))
    return _Crossing(crosses, at_once, second, y, rates)


def _clipped(time: FloatArray, length: FloatArray) -> FloatArray:
    """A time within the part, with its derivative untouched."""
    return time + jax.lax.stop_gradient(jnp.clip(time, 0.0, length) - time)


def _stopped(tree: Any) -> Any:
    return jtu.tree_map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)


def _bracket(span: Span, part: _Part) -> tuple[FloatArray, BoolArray]:
    """The end of a stretch in which a unit crosses, and whether that is a place between the ends, where the margin is above zero although it is not at
    the end."""
    length = span.dt - part.begin
    before, rise, after, fall = part.margins
    hump = (rise > 0) & (fall < 0) & (jnp.maximum(before + rise * length / 3, after - fall * length / 3) > 0)
    wanted = part.crosses & jnp.any(hump)
    unit = hump & (before == jnp.max(jnp.where(hump, before, -jnp.inf)))

    def look(time):
        margin, rates = jax.jvp(
            lambda time: span.model.margin(0.0, span(part.y, part.begin, time)), (time,), (jnp.ones_like(time),)
        )
        return jnp.max(margin), jnp.max(jnp.where(unit, rates, -jnp.inf))

    def closer(state):
        turn, lower, upper, time, _ = state
        highest, rate = look(time)
        lower, upper = jnp.where(rate > 0, time, lower), jnp.where(rate > 0, upper, time)
        above = highest > 0
        return turn + 1, lower, upper, jnp.where(above, time, (lower + upper) / 2), above

    def unfinished(state):
        return wanted & (state[0] < _HALVINGS) & ~state[4]

    start = (0, jnp.zeros_like(length), length, length / 2, jnp.asarray(False))
    _, _, _, time, above = jax.lax.while_loop(unfinished, closer, start)
    return jnp.where(above, time, length), above


#: A peak is known to a thousandth of the step, its height to a millionth of what the margin does in the step.
_HALVINGS = 10
_ITERATIONS = 60


def _search(span: Span, part: _Part, guess: FloatArray, upper: FloatArray, wanted: BoolArray):
    """Where the largest margin passes zero between the beginning and `upper`, by Newton's method, with bisection where that is slow. Returns also the
    rates of margins and state there, and which unit it is."""
    tolerance = upper * (1e-5 if upper.dtype == jnp.float64 else 1e-3)

    def path(time):
        y = span(part.y, part.begin, time)
        return span.model.margin(0.0, y), y

    def look(time):
        (margin, _), (rates, velocity) = jax.jvp(path, (time,), (jnp.ones_like(time),))
        return margin, rates, velocity

    def body(state):
        turn, lower, upper, time, last, _, _, _, _ = state
        margin, rates, velocity = look(time)
        unit = jnp.arange(margin.size).reshape(margin.shape) == jnp.argmax(margin)
        value, rate = jnp.max(margin), jnp.sum(jnp.where(unit, rates, 0.0))
        lower, upper = jnp.where(value > 0, lower, time), jnp.where(value > 0, time, upper)
        step = value / jnp.where(rate > 0, rate, 1.0)
        newton = time - step
        slow = ~((newton >= lower) & (newton <= upper) & (rate > 0) & (jnp.abs(step) <= last / 2))
        following = jnp.where(slow, (lower + upper) / 2, newton)
        rates = jnp.where(rates > 0, rates, 1.0)
        return turn + 1, lower, upper, following, jnp.abs(following - time), rates, velocity, unit, slow

    def unfinished(state):
        turn, last, slow = state[0], state[4], state[8]
        return wanted & (turn < _ITERATIONS) & ((last > tolerance) | slow)

    zero = jnp.zeros_like(upper)
    inside = (guess > 0) & (guess < upper)
    shape = jax.eval_shape(look, zero)
    rates, velocity = (jtu.tree_map(lambda x: jnp.ones(x.shape, x.dtype), s) for s in shape[1:])
    start = (0, zero, upper, jnp.where(inside, guess, upper / 2), upper, rates, velocity, rates > 0, jnp.asarray(True))
    _, _, _, time, _, rates, velocity, unit, _ = jax.lax.while_loop(unfinished, body, start)
    return time, rates, velocity, unit
