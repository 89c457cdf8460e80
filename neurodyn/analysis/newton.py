"""Newton's method, and the derivative of what it finds."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .._types import BoolArray, FloatArray


def newton(
    function: Callable[[FloatArray], FloatArray], start: FloatArray, max_steps: int = 40
) -> tuple[FloatArray, BoolArray]:
    """A root near `start`, and whether it was found. No derivative: see `rooted`.

    A step that does not make the residual smaller is halved, three times at most: enough to come back from a far start without getting stuck.
    """
    eps = float(jnp.finfo(start.dtype).eps)
    small, enough = eps**0.75, eps**0.5
    lengths = jnp.asarray([1.0, 0.5, 0.25, 0.125], start.dtype)

    def with_value(x):
        value = function(x)
        return value, value

    def size(value):
        norm = jnp.max(jnp.abs(value))
        return jnp.where(jnp.isfinite(norm), norm, jnp.inf)

    def step(carry):
        x, _, k = carry
        jacobian, value = jax.jacfwd(with_value, has_aux=True)(x)
        full = jnp.linalg.solve(jacobian, value)
        better = jax.vmap(lambda length: size(function(x - length * full)))(lengths) < size(value)
        length = lengths[jnp.where(jnp.any(better), jnp.argmax(better), 0)]
        moved = jnp.max(jnp.abs(full) / (1 + jnp.abs(x)))
        return x - length * full, jnp.where(jnp.isnan(moved), -1.0, moved), k + 1  # -1: lost, no use to go on

    def unfinished(carry):
        _, moved, k = carry
        return (moved > small) & (k < max_steps)

    begin = (jax.lax.stop_gradient(start), jnp.asarray(jnp.inf, start.dtype), 0)
    x, moved, _ = jax.lax.while_loop(unfinished, step, begin)
    return x, (moved >= 0) & (moved <= enough) & jnp.all(jnp.isfinite(x))


def rooted(function: Callable[[FloatArray], FloatArray], x: FloatArray, found: BoolArray) -> FloatArray:
    """A root `x` of a function with its derivatives, of any order and in both modes, by whatever the function closes over: the implicit function
    theorem. NaN, without harm to other members of a batch, where it was not found."""

    def tangent(linear, y):
        return jnp.linalg.solve(jax.jacfwd(linear)(jnp.zeros_like(y)), y)

    # A harmless problem in place of one without solution: masking the outcome alone would leave NaN in the gradient.
    root = jax.lax.custom_root(lambda x: jnp.where(found, function(x), x), x, lambda _, x: x, tangent)
    return jnp.where(found, root, jnp.nan)
