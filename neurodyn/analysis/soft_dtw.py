"""Soft dynamic time warping."""

from typing import Any

import jax
import jax.numpy as jnp

from .._types import FloatArray
from .soft_minimum import large, soft_minimum
from .soft_victor_purpura import GAMMA
from .trains import as_number


def soft_dtw(first: Any, second: Any, gamma: Any, *, unbiased: bool = False) -> FloatArray:
    """The soft minimum, over all alignments of two series, of the sum of squared differences of the entries that are aligned.

    An alignment goes from both beginnings to both ends, each step forward in one series or in both. Tends to dynamic time warping from below
    as `gamma` goes to 0.

    Source: Cuturi and Blondel (2017), ICML, algorithm 1; `unbiased` after Blondel, Mensch and Vert (2021), AISTATS.

    **Arguments:**

    - `first`, `second`: shapes (n,) and (m,), or (n, d) and (m, d). Entries from the first that is not finite on are padding, so spike trains and lists
        of intervals, padded with inf, will do. Without a batch axis: use `jax.vmap`.
    - `gamma`: how soft, in units of the squared difference, > 0.
    - `unbiased`: take off half of what each series is from itself: then equal series are 0 apart.

    **Returns:** a scalar; may be negative. inf between nothing and something, 0 between nothing and nothing. n + m steps of n operations each.

    **Raises:** `ValueError` for a gamma that is not positive, or shapes that do not go together.
    """
    gamma = as_number(gamma, "gamma", GAMMA)
    first, second = (jnp.asarray(x, dtype=float) for x in (first, second))
    for name, x in (("first", first), ("second", second)):
        if x.ndim not in (1, 2) or x.shape[1:] != first.shape[1:] or x.shape[0] == 0:
            raise ValueError(
                f"{name} of shape {x.shape} is not allowed: must be (entries,) or (entries, d) with the same d; use jax.vmap for a batch"
            )
    first, second = (x.reshape(x.shape[0], -1) for x in (first, second))
    distance = _soft_dtw(first, second, gamma)
    if not unbiased:
        return distance
    return distance - (_soft_dtw(first, first, gamma) + _soft_dtw(second, second, gamma)) / 2


def _length(series: FloatArray) -> jax.Array:
    """How many entries there are before the first that is not finite."""
    return jnp.sum(jnp.cumprod(jnp.isfinite(series).all(axis=1)))


@jax.jit
def _soft_dtw(first: FloatArray, second: FloatArray, gamma: FloatArray) -> FloatArray:
    n, m = first.shape[0], second.shape[0]
    ends = _length(first), _length(second)
    first, second = (jnp.where(jnp.isfinite(x), x, 0.0) for x in (first, second))
    price = jnp.sum((first[:, None, :] - second[None, :, :]) ** 2, axis=-1)
    barred, rows = large(price), jnp.arange(n + 1)

    def diagonal(two, k):
        """All R[i, j] with i + j = k, by i; `two` are those of the last two diagonals."""
        before, last = two
        columns = k - rows
        inside = (rows > 0) & (columns > 0) & (columns <= m)
        step = price[jnp.maximum(rows - 1, 0), jnp.clip(columns - 1, 0, m - 1)]
        up, across = (
            jnp.roll(last, 1),
            jnp.roll(before, 1),
        )  # R[i - 1, j] and R[i - 1, j - 1]; what comes round is at i = 0, outside
        here = jnp.where(inside, step + soft_minimum(jnp.stack([up, last, across]), gamma), barred)
        return (last, here), here

    start = jnp.full((n + 1,), barred).at[0].set(0.0), jnp.full((n + 1,), barred)
    _, table = jax.lax.scan(diagonal, start, jnp.arange(2, n + m + 1))
    nothing = jnp.minimum(*ends) == 0
    reached = table[jnp.maximum(ends[0] + ends[1] - 2, 0), ends[0]]
    return jnp.where(nothing, jnp.where(ends[0] == ends[1], 0.0, jnp.inf), reached)
