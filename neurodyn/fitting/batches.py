"""Objectives of one kind and shape evaluated as one batch."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from .._types import FloatArray, IntArray
from .objectives import AbstractObjective


def _kind(objective: AbstractObjective) -> tuple:
    leaves, structure = jtu.tree_flatten(objective)
    return structure, tuple((x.shape, x.dtype) if eqx.is_array(x) else x for x in leaves)


def alike(objectives: Sequence[AbstractObjective]) -> tuple[tuple[int, ...], ...]:
    """The indices of objectives that differ in the numbers of their arrays only, group by group, in order."""
    groups: dict[tuple, list[int]] = {}
    for i, objective in enumerate(objectives):
        groups.setdefault(_kind(objective), []).append(i)
    return tuple(tuple(group) for group in groups.values())


def each(
    objectives: Sequence[AbstractObjective],
    groups: Sequence[Sequence[int]],
    function: Callable[[AbstractObjective], FloatArray],
    chosen: Sequence[IntArray] | None = None,
) -> list[FloatArray]:
    """`function` of every objective, stacked group by group: a list of arrays of shape (members, n).

    **Arguments:** `chosen`: of each group, the places of the members that are wanted; all by default.
    """
    results = []
    for i, group in enumerate(groups):
        if len(group) == 1:
            results.append(function(objectives[group[0]])[None])
            continue
        stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves), *(objectives[j] for j in group))
        if chosen is not None:
            stacked = jtu.tree_map(lambda x, places=chosen[i]: x[places], stacked)
        results.append(jax.vmap(function)(stacked))
    return results


def draw(
    groups: Sequence[Sequence[int]], size: int, generator: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """About `size` objectives at random, from each group in proportion and at least one.

    **Returns:** the places of those drawn in each group, and by how much each group's residuals have to be scaled so that the loss has the
    right mean.
    """
    total = sum(len(group) for group in groups)
    counts = [max(1, round(size * len(group) / total)) for group in groups]
    places = [
        np.sort(generator.choice(len(g), min(n, len(g)), replace=False)) for g, n in zip(groups, counts, strict=True)
    ]
    return places, np.sqrt([len(g) / len(p) for g, p in zip(groups, places, strict=True)])
