"""A smooth form of the distance of Victor and Purpura."""

from typing import Any

import jax
import jax.numpy as jnp

from .._parameter import ParameterInfo
from .._types import FloatArray
from .soft_minimum import soft_cumulative_minimum, soft_minimum
from .trains import as_number, as_trains, over_pairs


_COST = ParameterInfo("1/ms", lower=0.0)
GAMMA = ParameterInfo(lower=0.0, exclusive=True)


def soft_victor_purpura(first: Any, second: Any, cost: Any, gamma: Any, *, unbiased: bool = False) -> FloatArray:
    """The distance of Victor and Purpura with a soft minimum over all ways to turn one spike train into the other.

    Every way counts, by `exp(-price / gamma)`, so the derivative is an average over them: smooth where the cheapest way changes, and it feels spikes farther
    than 2 / `cost` apart. Tends to `victor_purpura` from below as `gamma` goes to 0, within `gamma` times the logarithm of the number of ways.

    Source: the recursion of Victor and Purpura (1996), J. Neurophysiol. 76:1310, with the soft minimum of Cuturi and Blondel (2017), ICML, algorithm 1;
    `unbiased` after Blondel, Mensch and Vert (2021), AISTATS.

    **Arguments:**

    - `first`, `second`: spike times, ms, shapes (..., n) and (..., m), padded with inf; leading axes broadcast.
    - `cost`: 1/ms.
    - `gamma`: how soft, in units of the price of a spike, > 0.
    - `unbiased`: take off half of what each train is from itself, which is below zero: then equal trains are 0 apart, and a train is pulled
        onto the other, not towards its mean.

    **Returns:** shape (...,); may be negative.

    **Raises:** `ValueError` for a negative cost, or a gamma that is not positive.
    """
    cost, gamma = as_number(cost, "cost", _COST), as_number(gamma, "gamma", GAMMA)
    first, second = as_trains(first, "first"), as_trains(second, "second")
    distance = _soft_victor_purpura(first, second, cost, gamma)
    if not unbiased:
        return distance
    own = [_soft_victor_purpura(x, x, cost, gamma) for x in (first, second)]
    return distance - (own[0] + own[1]) / 2


@over_pairs
def _soft_victor_purpura(first: FloatArray, second: FloatArray, cost: FloatArray, gamma: FloatArray) -> FloatArray:
    present = jnp.isfinite(second)
    targets = jnp.where(present, second, 0.0)
    column = jnp.arange(second.size + 1, dtype=second.dtype)

    def row(above, time):
        there = jnp.isfinite(time)
        moved = above[:-1] + cost * jnp.abs(jnp.where(there, time, 0.0) - targets)
        least = jnp.concatenate([above[:1] + 1, soft_minimum(jnp.stack([above[1:] + 1, moved]), gamma)])
        # Adding spikes one after the other, D_j = min(least_j, D_j-1 + 1), is a running minimum once the cost of the additions is taken off.
        here = column + soft_cumulative_minimum(least - column, gamma)
        return jnp.where(there, here, above), None

    final, _ = jax.lax.scan(row, column, first)
    return final[jnp.sum(present)]
