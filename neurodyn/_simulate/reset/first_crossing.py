"""Where the first unit of a model crosses its threshold in a part of a step."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from ..._types import BoolArray, FloatArray, State
from .base import Span, select


class Part(eqx.Module):
    """What is left of a step.

    **Fields:** `y`: the state where it begins; `begin`: when that is, ms; `end`: the state at the end of the step if nothing happens; `crosses`: whether
    something may; `margins`: at both ends and, in between, their rates, 1/ms (`before`, `rise`, `after`, `fall`).
    """

    y: State
    begin: FloatArray
    end: State
    crosses: BoolArray
    margins: tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def _margin_and_slope(span: Span, y: State, begin, length) -> tuple[FloatArray, FloatArray]:
    return jax.jvp(lambda y: span.model.margin(0.0, y), (y,), (span.slope(y, begin, length),))


def examined(span: Span, y: State, begin: FloatArray) -> Part:
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
    return Part(y, begin, end, crosses, _stopped((before, rise, after, fall)))


def _rounding(margin: FloatArray) -> float:
    """What rounding may do to a margin: 1e-5 mV in single precision."""
    return 1e2 * float(jnp.finfo(margin.dtype).eps)


class Crossing(eqx.Module):
    """The first crossing in a part of a step.

    **Fields:** `crosses`: whether there is one; `at_once`: whether a unit was above threshold from the beginning; `time`: ms since the part began; `y`: the
    state there; `rates`: of the margins, 1/ms.
    """

    crosses: BoolArray
    at_once: BoolArray
    time: FloatArray
    y: State
    rates: FloatArray


def first_crossing(span: Span, part: Part) -> Crossing:
    stopped_span, stopped = _stopped((span, part))
    length = span.dt - stopped.begin
    before, rise, after, _ = part.margins
    at_once = jnp.max(before) > _rounding(before)
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
    return Crossing(crosses, at_once, second, y, rates)


def _clipped(time: FloatArray, length: FloatArray) -> FloatArray:
    """A time within the part, with its derivative untouched."""
    return time + jax.lax.stop_gradient(jnp.clip(time, 0.0, length) - time)


def _stopped(tree: Any) -> Any:
    return jtu.tree_map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)


def _bracket(span: Span, part: Part) -> tuple[FloatArray, BoolArray]:
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


def _search(span: Span, part: Part, guess: FloatArray, upper: FloatArray, wanted: BoolArray):
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
