"""How derivatives of a batch of runs are laid out."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu


def _lane_zero(tree: Any) -> jax.Array:
    """Zero, but with the batch axis under `jax.vmap` if any leaf has one (XLA folds it away)."""
    zero = jnp.zeros(())
    for x in jtu.tree_leaves(tree):
        if eqx.is_inexact_array(x) and x.size:
            first = x.reshape(-1)[0]
            zero = zero + jnp.where(first == first, 0.0, 0.0).astype(zero.dtype)
    return zero


def tangents_per_lane(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of pytrees, such that under `jax.vmap` its derivative with respect to a shared parameter is kept apart for
    each member of the batch and summed once at the end.

    Otherwise the transpose of a time loop sums over the batch at every step.
    """

    @eqx.filter_custom_jvp
    def run(*args):
        return function(*args)

    @run.def_jvp
    def _(primals, tangents):
        zero = _lane_zero(primals)
        tangents = jtu.tree_map(lambda t: t + zero.astype(t.dtype), tangents)
        return eqx.filter_jvp(function, primals, tangents)

    return run
