"""How derivatives of a run, alone or in a batch, are taken."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import widen
from .._numerics import all_finite


def _lane_zero(tree: Any) -> jax.Array:
    """Zero, but with the batch axis under `jax.vmap` if any leaf has one (XLA folds it away)."""
    zero = jnp.zeros(())
    for x in jtu.tree_leaves(tree):
        if eqx.is_inexact_array(x) and x.size:
            first = x.reshape(-1)[0]
            zero = zero + jnp.where(first == first, 0.0, 0.0).astype(zero.dtype)
    return zero


def tangents_per_lane(function: Callable[..., Any], forward: Callable[[int], bool]) -> Callable[..., Any]:
    """The same function of pytrees, differentiated in a way that suits a time loop. Its first result is the state in the end.

    - Under `jax.vmap` the derivative by a shared parameter is kept apart for each member of the batch and summed once at the end; otherwise the
      transpose of the loop would sum over the batch at every step. Likewise for the elements of an `AbstractElementwise`.
    - A run whose state is not finite in the end has derivative zero: a loss that leaves it out has the right gradient by what it shares with others,
      where 0 * NaN would spoil it.
    - Where `forward` says so, given how many numbers it is differentiated by, the derivatives are computed along with the run, also for reverse mode.
    """

    @eqx.filter_custom_jvp
    def run(*args):
        return function(*args)

    @run.def_jvp
    def _(primals, tangents):
        zero = _lane_zero(primals)
        tangents = jtu.tree_map(lambda t: t + zero.astype(t.dtype), tangents)
        moving = jtu.tree_map(lambda t, x: None if t is None else x, tangents, primals, is_leaf=lambda t: t is None)
        still = jtu.tree_map(lambda t, x: x if t is None else None, tangents, primals, is_leaf=lambda t: t is None)

        forwards = forward(sum(t.size for t in jtu.tree_leaves(tangents)))
        if not forwards:
            moving, tangents = widen(moving), widen(tangents)

        def of_moving(moving):
            return eqx.partition(function(*eqx.combine(moving, still)), eqx.is_inexact_array)

        mode = _along if forwards else _afterwards
        out, rest, tangents = mode(of_moving, moving, tangents)
        return eqx.combine(out, rest), tangents

    return run


def _afterwards(function, primals, tangents):
    """What failed is known before tangents, or in reverse mode cotangents, go through the run."""
    out, derivative, rest = jax.linearize(function, primals, has_aux=True)
    failed = ~all_finite(out[0])
    return out, rest, derivative(jtu.tree_map(lambda t: jnp.where(failed, 0.0, t), tangents))


def _along(function, primals, tangents):
    """The whole Jacobian by forward mode, next to the run: nothing is kept of it for a reverse pass."""
    flat, unravel = jax.flatten_util.ravel_pytree(primals)
    weights, _ = jax.flatten_util.ravel_pytree(tangents)

    def column(direction):
        return jax.jvp(lambda x: function(unravel(x)), (flat,), (direction,), has_aux=True)

    out, columns, rest = jax.vmap(column, out_axes=(None, 0, None))(jnp.eye(flat.size, dtype=flat.dtype))
    failed = ~all_finite(out[0])
    return out, rest, jtu.tree_map(lambda j: jnp.tensordot(weights, jnp.where(failed, 0.0, j), 1), columns)


def silent_where_failed(function: Callable[..., Any], failed: Callable[[Any], jax.Array]) -> Callable[..., Any]:
    """The same function of pytrees, whose derivative in reverse mode is zero where its result has `failed`, member by member of a batch. Forward mode is lost."""

    @eqx.filter_custom_vjp
    def run(args):
        return function(*args)

    @run.def_fwd
    def _(perturbed, args):
        moving, still = eqx.partition(args, perturbed)

        def of_moving(moving):
            return eqx.partition(function(*eqx.combine(moving, still)), eqx.is_inexact_array)

        out, pull, rest = eqx.filter_vjp(of_moving, moving, has_aux=True)
        return eqx.combine(out, rest), (out, pull, failed(eqx.combine(out, rest)))

    @run.def_bwd
    def _(kept, cotangents, perturbed, args):
        del perturbed, args
        out, pull, lost = kept
        cotangents = jtu.tree_map(lambda x, ct: jnp.zeros_like(x) if ct is None else ct, out, cotangents)
        (found,) = pull(cotangents)
        return jtu.tree_map(lambda x: jnp.where(lost, 0.0, x), found)

    return lambda *args: run(args)
