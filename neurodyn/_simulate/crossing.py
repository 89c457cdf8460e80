"""Where a margin crosses zero between the points at which it is known."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from .._types import BoolArray, FloatArray, IntArray
from .solution import Spikes


def root(
    function: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray, bracketed: BoolArray
) -> FloatArray:
    """The root of an increasing crossing in a bracket, elementwise: bisection without gradient, then two Newton steps that carry it:
    one makes the first derivative right, two the second and third as well. Anything where `bracketed` does not hold."""

    def halve(_, bounds):
        lower, upper = bounds
        middle = (lower + upper) / 2
        above = function(middle) > 0
        return jnp.where(above, lower, middle), jnp.where(above, middle, upper)

    lower, upper = jax.lax.stop_gradient(jax.lax.fori_loop(0, 30, halve, (lower, upper)))
    x = jax.lax.stop_gradient((lower + upper) / 2)
    for _ in range(2):
        value, slope = jax.jvp(function, (x,), (jnp.ones_like(x),))
        x = x - jnp.where(bracketed, value, 0.0) / jnp.where(bracketed, slope, 1.0)
    return x


def first_true(fired: BoolArray, size: int) -> tuple[IntArray, BoolArray]:
    """The indices of the first `size` true entries, and which of these exist; where not the index is 0."""
    # On a CPU twenty times as fast as `jnp.nonzero`, and several times as fast as `jnp.cumsum`, for many members at once.
    count = jax.lax.platform_dependent(fired, cpu=_counted_one_by_one, default=_counted)
    index = jnp.searchsorted(count, jnp.arange(1, size + 1, dtype=count.dtype))
    found = index < fired.shape[0]
    return jnp.where(found, index, 0), found


def _counted(fired: BoolArray) -> IntArray:
    return jnp.cumsum(fired, dtype=jnp.int32)


def _counted_one_by_one(fired: BoolArray) -> IntArray:
    def body(count, one):
        count = count + one
        return count, count

    return jax.lax.scan(body, jnp.zeros((), jnp.int32), fired)[1]


def over_units(one: Callable[..., tuple[FloatArray, IntArray]], *arrays: FloatArray | BoolArray) -> Spikes:
    """Apply a function of one unit's series to arrays of shape (steps, ...)."""
    batch = arrays[0].shape[1:]
    times, count = jax.vmap(one, in_axes=1)(*(x.reshape(x.shape[0], -1) for x in arrays))
    return Spikes(times.reshape(*batch, times.shape[-1]), count.reshape(batch))


def default_room(span: float) -> int:
    """How many spikes of a unit are kept of a run of `span` ms unless something else is asked for."""
    return math.ceil(span / 2) + 1


def compact(fired: BoolArray, times: FloatArray, max_spikes: int) -> Spikes:
    """The first `max_spikes` spikes of each unit, from arrays of shape (steps, ...) that say when it fired."""

    def one(fired, times):
        index, found = first_true(fired, max_spikes)
        return jnp.where(found, times[index], jnp.inf), jnp.sum(fired)

    return over_units(one, fired, times)


def upward_crossings(ts: FloatArray, margins: FloatArray, max_spikes: int) -> Spikes:
    """Spikes where a margin, sampled at evenly spaced `ts` (shape (n, ...)), goes from below or on zero to above.

    Located on the cubic through four samples (a straight line has derivatives that are off by the step, since its error changes with the place of
    the crossing between two samples).
    """
    n = ts.shape[0]
    nodes = min(n, 4)

    def one(margin):
        fired = (margin[:-1] <= 0) & (margin[1:] > 0)
        index, found = first_true(fired, max_spikes)
        first = jnp.clip(index - 1, 0, n - nodes)
        harmless = jnp.arange(nodes, dtype=margin.dtype) - 0.5
        window = jax.vmap(lambda i: jax.lax.dynamic_slice(margin, (i,), (nodes,)))(first)
        window = jnp.where(found[:, None], window, harmless[None])
        begin = (index - first).astype(margin.dtype)
        x = root(lambda x: _through(window, x), begin, begin + 1, found)
        times = ts[index] + (x - begin) * (ts[1] - ts[0])
        return jnp.where(found, times, jnp.inf), jnp.sum(fired)

    return over_units(one, margins)


def _through(values: FloatArray, x: FloatArray) -> FloatArray:
    """The polynomial through values at 0, 1, 2, ... (shape (k, nodes)) at x (shape (k,)), by Newton's forward differences."""
    result, basis = jnp.zeros_like(x), jnp.ones_like(x)
    for order in range(values.shape[1]):
        result = result + basis * values[:, 0]
        basis = basis * (x - order) / (order + 1)
        values = jnp.diff(values, axis=1)
    return result
