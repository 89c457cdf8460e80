"""The ISI-distance."""

from typing import Any

import jax.numpy as jnp

from .._types import FloatArray
from .edge_correction import changes, complete
from .trains import as_trains, as_window, over_pairs


def isi_distance(first: Any, second: Any, start: Any, stop: Any) -> FloatArray:
    """The mean over time of `|I_1 - I_2| / max(I_1, I_2)`, with I_n the interspike interval of train n at each instant: how unlike the rates are, in
    [0, 1) and without a time scale.

    Edges: the edge-corrected convention of PySpike. The interval before the first spike is the time since `start`, or the first interval if that is
    longer; likewise after the last. A train without spikes has one on each edge of the window.

    Source: Kreuz, Haas, Morelli, Abarbanel and Politi (2007), J. Neurosci. Methods 165:151; Mulansky and Kreuz (2016), SoftwareX 5:183.

    **Arguments:**

    - `first`, `second`: spike times, ms, shapes (..., n) and (..., m), padded with inf; leading axes broadcast. Spikes outside the window are left out.
    - `start`, `stop`: the window, ms.

    **Returns:** shape (...,); differentiable with respect to the times.

    **Raises:** `ValueError` for an empty window.
    """
    return _isi_distance(as_trains(first, "first"), as_trains(second, "second"), *as_window(start, stop))


@over_pairs
def _isi_distance(first: FloatArray, second: FloatArray, start: FloatArray, stop: FloatArray) -> FloatArray:
    grid = changes(first, second, start, stop)
    middle = (grid[1:] + grid[:-1]) / 2
    trains = complete(first, start, stop), complete(second, start, stop)
    one, two = (train.interval(train.previous(middle)) for train in trains)
    longer = jnp.maximum(one, two)
    ratio = jnp.abs(one - two) / jnp.where(longer > 0, longer, 1.0)
    return jnp.sum(jnp.diff(grid) * ratio) / (stop - start)
