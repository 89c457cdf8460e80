"""The distance of Victor and Purpura."""

from typing import Any

import jax
import jax.numpy as jnp

from .._parameter import ParameterInfo
from .._types import FloatArray
from .trains import as_number, as_trains, over_pairs


_COST = ParameterInfo("1/ms", lower=0.0)


def victor_purpura(first: Any, second: Any, cost: Any) -> FloatArray:
    """The least that it takes to turn one spike train into the other: 1 to add or remove a spike, `cost` per ms to move one.

    At `cost` 0 it is the difference of the spike counts; the larger the cost, the finer the times that matter (2 / `cost` ms). A metric.
    Differentiable with respect to times and cost wherever the cheapest way is unique.

    Source: Victor and Purpura (1996), J. Neurophysiol. 76:1310.

    **Arguments:**

    - `first`, `second`: spike times, ms, shapes (..., n) and (..., m), padded with inf; leading axes broadcast.
    - `cost`: 1/ms.

    **Returns:** shape (...,). n steps of m operations.

    **Raises:** `ValueError` for a negative cost.
    """
    cost = as_number(cost, "cost", _COST)
    return _victor_purpura(as_trains(first, "first"), as_trains(second, "second"), cost)


@over_pairs
def _victor_purpura(first: FloatArray, second: FloatArray, cost: FloatArray) -> FloatArray:
    present = jnp.isfinite(second)
    targets = jnp.where(present, second, 0.0)
    column = jnp.arange(second.size + 1, dtype=second.dtype)

    def row(above, time):
        there = jnp.isfinite(time)
        moved = above[:-1] + cost * jnp.abs(jnp.where(there, time, 0.0) - targets)
        least = jnp.concatenate([above[:1] + 1, jnp.minimum(above[1:] + 1, moved)])
        # Adding spikes one after the other, D_j = min(least_j, D_j-1 + 1), is a running minimum once the cost of the additions is taken off.
        here = column + jax.lax.cummin(least - column)
        return jnp.where(there, here, above), None

    final, _ = jax.lax.scan(row, column, first)
    return final[jnp.sum(present)]
