"""What the ISI- and the SPIKE-distance share: trains completed at the edges of the window, and the times at which either changes."""

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import FloatArray, IntArray


class Completed(eqx.Module):
    """A spike train with a spike before the window and one after it, so that an interval is defined everywhere.

    The convention of PySpike (edge-corrected; Mulansky and Kreuz 2016): the added spikes lie at the edges of the window, or farther out by as much
    as makes the outermost intervals no shorter than their neighbours. A train without spikes in the window has one on each edge.

    **Fields:** `times`: ms, shape (n + 2,), the spike behind the window repeated as padding; `count`: spikes within the window.
    """

    times: FloatArray
    count: IntArray

    def previous(self, at: FloatArray) -> IntArray:
        """The index of the last spike not after each time."""
        index = jnp.searchsorted(self.times, jax.lax.stop_gradient(at), side="right") - 1
        return jnp.clip(index, 0, self.times.size - 2)

    def interval(self, index: IntArray) -> FloatArray:
        """The interval that begins with a spike, ms."""
        return self.times[index + 1] - self.times[index]


def complete(times: FloatArray, start: FloatArray, stop: FloatArray) -> Completed:
    """A train of `as_trains` (of one dimension) completed at the edges of a window (ms); spikes outside are left out."""
    inside = (times >= start) & (times <= stop)
    times = jnp.sort(jnp.where(inside, times, jnp.inf))
    times = jnp.concatenate([times, jnp.full_like(times[:1], jnp.inf)])  # an empty train becomes two spikes
    edges = jnp.where(jnp.arange(times.size) == 0, start, jnp.where(jnp.arange(times.size) == 1, stop, jnp.inf))
    count = jnp.sum(inside)
    times = jnp.where(count == 0, edges, times)
    count = jnp.where(count == 0, 2, count)
    several = count > 1
    last, one_but_last = times[count - 1], times[jnp.maximum(count - 2, 0)]
    first, second = times[0], jnp.where(several, times[1], times[0])
    before = jnp.minimum(start, first - (second - first))
    after = jnp.maximum(stop, last + (last - one_but_last))
    times = jnp.where(jnp.arange(times.size) < count, times, after)
    return Completed(jnp.concatenate([before[None], times, after[None]]), count)


def changes(first: FloatArray, second: FloatArray, start: FloatArray, stop: FloatArray) -> FloatArray:
    """The edges of the window and all spikes in it, in order, ms; what is outside lies on the edges."""
    return jnp.clip(jnp.sort(jnp.concatenate([start[None], first, second, stop[None]])), start, stop)
