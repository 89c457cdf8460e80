"""The SPIKE-distance."""

from typing import Any

import jax.numpy as jnp

from .._types import FloatArray
from .edge_correction import Completed, changes, complete
from .trains import as_trains, as_window, over_pairs


def spike_distance(first: Any, second: Any, start: Any, stop: Any) -> FloatArray:
    """The mean over time of how far, in units of the local interspike interval, the surrounding spikes of one train are from the nearest ones of the
    other: in [0, 1), 0 for identical trains, and without a time scale.

    `S = (S_1 I_2 + S_2 I_1) / (2 <I>^2)`, with I_n the interval of train n at the instant, <I> their mean, and S_n the distances of the two
    surrounding spikes of n to the nearest spikes of the other train, interpolated linearly between the two.

    Edges: the edge-corrected convention of PySpike. The interval before the first spike is the time since `start`, or the first interval if that is
    longer, and the distance of the spike added there is that of the first spike; likewise after the last. A train without spikes has one on each
    edge of the window. (The convention without correction gives other numbers.)

    Source: Kreuz, Chicharro, Houghton, Andrzejak and Mormann (2013), J. Neurophysiol. 109:1457; Mulansky and Kreuz (2016), SoftwareX 5:183.

    **Arguments:**

    - `first`, `second`: spike times, ms, shapes (..., n) and (..., m), padded with inf; leading axes broadcast. Spikes outside the window are left out.
    - `start`, `stop`: the window, ms.

    **Returns:** shape (...,); differentiable with respect to the times.

    **Raises:** `ValueError` for an empty window.
    """
    return _spike_distance(as_trains(first, "first"), as_trains(second, "second"), *as_window(start, stop))


@over_pairs
def _spike_distance(first: FloatArray, second: FloatArray, start: FloatArray, stop: FloatArray) -> FloatArray:
    grid = changes(first, second, start, stop)
    middle = (grid[1:] + grid[:-1]) / 2
    one, two = complete(first, start, stop), complete(second, start, stop)

    def parts(train: Completed, other: Completed) -> tuple[FloatArray, FloatArray, FloatArray]:
        """S_n at the beginning and the end of each piece, and I_n."""
        index = train.previous(middle)
        before, after = train.times[index], train.times[index + 1]
        interval = jnp.where(after > before, after - before, 1.0)
        distance = _to_nearest(train, other)

        def at(time):
            return (distance[index] * (after - time) + distance[index + 1] * (time - before)) / interval

        return at(grid[:-1]), at(grid[1:]), interval

    begin_1, end_1, isi_1 = parts(one, two)
    begin_2, end_2, isi_2 = parts(two, one)
    mean = (isi_1 + isi_2) / 2
    begin, end = ((s_1 * isi_2 + s_2 * isi_1) / (2 * mean**2) for s_1, s_2 in ((begin_1, begin_2), (end_1, end_2)))
    return jnp.sum(jnp.diff(grid) * (begin + end) / 2) / (stop - start)


def _to_nearest(train: Completed, other: Completed) -> FloatArray:
    """The distance of each spike to the nearest one of the other train, ms; those that were added have that of their neighbour."""
    index = other.previous(train.times)
    distance = jnp.minimum(jnp.abs(train.times - other.times[index]), jnp.abs(train.times - other.times[index + 1]))
    return distance[jnp.clip(jnp.arange(train.times.size), 1, train.count)]
