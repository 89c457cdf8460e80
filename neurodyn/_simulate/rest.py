"""The resting state of a model under its current parameters."""

import jax
import jax.flatten_util
import jax.numpy as jnp

from .._model import AbstractNeuron
from .._types import State


def rest_state(model: AbstractNeuron, drive: jax.Array | float = 0.0) -> State:
    """The steady state near `model.init()` under a constant drive, differentiable with respect to every parameter.

    Implicit Euler steps that grow until they are Newton's, then one step that carries the gradient of the implicit function theorem. Where no
    steady state is found every leaf is NaN, so that a run from it reports `non_finite`.
    """
    start, unravel = jax.flatten_util.ravel_pytree(model.init())

    def slope(model, y):
        return jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(y), drive).slope)[0]

    identity = jnp.eye(start.size, dtype=start.dtype)
    tiny = float(jnp.finfo(start.dtype).eps) * identity  # a leaf at rest whatever its value makes the Jacobian singular

    def newton(model, y, inverse_step):
        jacobian = jax.lax.stop_gradient(jax.jacfwd(slope, argnums=1)(model, y))
        return y + jnp.linalg.solve(inverse_step * identity + tiny - jacobian, slope(model, y))

    fixed = jax.lax.stop_gradient(model)
    durations = 0.1 * 1.5 ** jnp.arange(60, dtype=start.dtype)  # ms, up to some 10^9
    y, _ = jax.lax.scan(lambda y, duration: (newton(fixed, y, 1 / duration), None), start, durations)
    y = jax.lax.stop_gradient(y)
    error = jnp.max(jnp.abs(slope(fixed, y)))
    found = error < (1e-9 if start.dtype == jnp.float64 else 1e-3)
    return unravel(jnp.where(found, newton(model, y, 0.0), jnp.nan))
