"""The resting state of a model under its current parameters."""

from collections.abc import Callable

import jax
import jax.flatten_util
import jax.numpy as jnp

from .._model import AbstractNeuron
from .._types import FloatArray, State


def rest_state(model: AbstractNeuron, drive: jax.Array | float = 0.0) -> State:
    """The steady state near `model.init()` under a constant drive, differentiable with respect to every parameter.

    Implicit Euler steps that grow until they are Newton's, then one step that carries the gradient of the implicit function theorem. Where no
    steady state is found every leaf is NaN, so that a run from it reports `non_finite`.
    """
    start, unravel = jax.flatten_util.ravel_pytree(model.init())

    def slope(model, y):
        return jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(y), drive).slope)[0]

    fixed = jax.lax.stop_gradient(model)
    y = jax.lax.stop_gradient(relax(lambda y: slope(fixed, y), start))
    jacobian = jax.lax.stop_gradient(jax.jacfwd(slope, argnums=1)(model, y))
    error = jnp.max(jnp.abs(slope(fixed, y)))
    found = error < (1e-9 if start.dtype == jnp.float64 else 1e-3)
    moved = y + jnp.linalg.solve(_tiny(y) - jacobian, slope(model, y))
    return unravel(jnp.where(found, moved, jnp.nan))


def relax(slope: Callable[[FloatArray], FloatArray], y: FloatArray) -> FloatArray:
    """Where a state, flattened, is after a long time if it settles: implicit Euler steps that grow until they are Newton's."""
    identity = jnp.eye(y.size, dtype=y.dtype)

    def step(y, duration):
        return y + jnp.linalg.solve(identity / duration + _tiny(y) - jax.jacfwd(slope)(y), slope(y)), None

    durations = 0.1 * 1.5 ** jnp.arange(60, dtype=y.dtype)  # ms, up to some 10^9
    return jax.lax.scan(step, y, durations)[0]


def _tiny(y: FloatArray) -> FloatArray:
    """What a leaf that is at rest whatever its value lacks, or the Jacobian would be singular."""
    return float(jnp.finfo(y.dtype).eps) * jnp.eye(y.size, dtype=y.dtype)
