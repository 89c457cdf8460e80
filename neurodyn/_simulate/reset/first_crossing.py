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
    crosses = (before > 0) | (after > 0) | _may_peak(before, rise, after, fall, length)
    return Part(y, begin, end, jnp.any(crosses) & (length > 0), _stopped((before, rise, after, fall)))


def _may_peak(
    before: FloatArray, rise: FloatArray, after: FloatArray, fall: FloatArray, length: FloatArray
) -> BoolArray:
    """Whether a margin may be above zero between the ends: it is below the control points of the cubic through its values and slopes."""
    peak = jnp.maximum(before + rise * length / 3, after - fall * length / 3)
    return (rise > 0) & (fall < 0) & (peak > 0)


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
    before = part.margins[0]
    at_once = jnp.max(before) > _rounding(before)
    time, rates, unit, found = _search(stopped_span, stopped, stopped.crosses & ~at_once)
    crosses = stopped.crosses & (at_once | found)
    searched = crosses & ~at_once

    def step(y, rates):
        rate = jnp.sum(jnp.where(unit, rates, 0.0))
        return jnp.where(searched, -jnp.sum(jnp.where(unit, span.model.margin(0.0, y), 0.0)) / rate, 0.0)

    # Two steps with a fixed slope from where the search ended: the first makes the first derivative of time and state right, by the implicit function
    # theorem, the second that and the second derivative to all digits.
    time = jnp.where(searched, time, length / 2)
    first = _clipped(time + step(span(part.y, part.begin, time), rates), length)
    y = span(part.y, part.begin, first)
    _, rates, velocity = _look(stopped_span, stopped, jax.lax.stop_gradient(first))
    rates = jnp.where(rates > 0, rates, 1.0)
    second = _clipped(first + step(y, rates), length)
    y = jtu.tree_map(lambda x, rate: x + rate * (second - first), y, velocity)
    second, y = select(at_once, (jnp.zeros_like(second), part.y), (second, y))
    return Crossing(crosses, at_once, second, y, rates)


def _look(span: Span, part: Part, time: FloatArray) -> tuple[FloatArray, FloatArray, State]:
    """The margins some time into a part, and the rates of change of margins and state."""

    def path(time):
        y = span(part.y, part.begin, time)
        return span.model.margin(0.0, y), y

    (margin, _), (rates, velocity) = jax.jvp(path, (time,), (jnp.ones_like(time),))
    return margin, rates, velocity


def _clipped(time: FloatArray, length: FloatArray) -> FloatArray:
    """A time within the part, with its derivative untouched."""
    return time + jax.lax.stop_gradient(jnp.clip(time, 0.0, length) - time)


def _stopped(tree: Any) -> Any:
    return jtu.tree_map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)


#: A peak is known to a thousandth of the step, its height to a millionth of what the margin does in the step.
_HALVINGS = 10
_ITERATIONS = 60


def _guess(part: Part, length: FloatArray) -> FloatArray:
    """When the first margin passes zero, for parabolas through their values and the slope where the part begins."""
    before, rise, after, _ = part.margins
    bend = (after - before) / length - rise
    root = rise + jnp.sqrt(jnp.maximum(rise * rise - 4 * before * bend / length, 0.0))
    times = jnp.where((after > 0) & (root > 0), -2 * before / root, length)
    return jnp.clip(jnp.min(times), 0.0, length)


def _search(span: Span, part: Part, wanted: BoolArray):
    """Where the largest margin first passes zero, by Newton's method, with bisection where that is slow. Returns also the rates of the margins near there, which
    unit it is, and whether there is such a place.

    Margins that may have a peak above zero before the earliest time at which one is known to be above are looked at first, one after the other: by bisection of
    the rate, until the peak turns out to be above zero or its height is known.
    """
    length = span.dt - part.begin
    before, rise, after, _ = part.margins
    tolerance = length * (1e-5 if length.dtype == jnp.float64 else 1e-3)

    def body(state):
        turn, halvings, lower, upper, earliest, time, last, _, _, _, humps, found = state
        margin, rates, _ = _look(span, part, time)
        unit = _largest(margin)
        value, rate = jnp.max(margin), jnp.sum(jnp.where(unit, rates, 0.0))
        above = value > 0
        found, earliest = found | above, jnp.where(above, time, earliest)
        sought = _first(humps)
        later = ~above & (~jnp.any(humps) | (jnp.max(jnp.where(sought, rates, -jnp.inf)) > 0))
        lower, upper = jnp.where(later, time, lower), jnp.where(later, upper, time)
        given_up = jnp.any(humps) & ~above & (halvings + 1 >= _HALVINGS)
        # Once a unit is above, those of others that peak before it are left.
        earlier = _may_peak(before, rise, margin, rates, time) if before.size > 1 else False
        humps = humps & jnp.where(above, earlier, ~(sought & given_up))
        seeking = jnp.any(humps)
        anew = given_up | (above & seeking)
        halvings = jnp.where(anew, 0, halvings + 1)
        lower, upper = jnp.where(anew, 0.0, lower), jnp.where(anew, earliest, upper)
        step = value / jnp.where(rate > 0, rate, 1.0)
        newton = time - step
        quick = (newton >= lower) & (newton <= upper) & (rate > 0) & (jnp.abs(step) <= last / 2)
        slow = seeking | anew | ~quick
        following = jnp.where(slow, (lower + upper) / 2, newton)
        last, rates = jnp.abs(following - time), jnp.where(rates > 0, rates, 1.0)
        return turn + 1, halvings, lower, upper, earliest, following, last, rates, unit, slow, humps, found

    def unfinished(state):
        turn, *_, last, _, _, slow, humps, found = state
        going_on = jnp.any(humps) | (found & ((last > tolerance) | slow))
        return wanted & (turn < _ITERATIONS + _HALVINGS * before.size) & going_on

    zero, yes = jnp.zeros_like(length), jnp.asarray(True)
    humps = _may_peak(*part.margins, length)
    start = jnp.where(jnp.any(humps), length / 2, _guess(part, length))
    found = jnp.any(after > 0) | (jnp.max(before) > 0)
    state = (0, 0, zero, length, length, start, length, jnp.ones_like(rise), _largest(before), yes, humps, found)
    *_, time, _, rates, unit, _, _, found = jax.lax.while_loop(unfinished, body, state)
    return time, rates, unit, found


def _largest(margin: FloatArray) -> BoolArray:
    """Which unit has the largest margin, the first of those that do."""
    if margin.size == 1:
        return jnp.ones(margin.shape, bool)
    return jnp.arange(margin.size).reshape(margin.shape) == jnp.argmax(margin)


def _first(flags: BoolArray) -> BoolArray:
    """The first of those that hold, alone."""
    return flags if flags.size == 1 else flags & _largest(flags)
