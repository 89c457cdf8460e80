"""The last phase of a fit: least squares from the best ends of the gradient phase."""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx

from .._types import FloatArray


@eqx.filter_jit
def levenberg_marquardt(
    residuals: Callable[[Mapping[str, FloatArray]], FloatArray], theta: Mapping[str, FloatArray], steps: int
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Levenberg-Marquardt from several points at once, with forward-mode Jacobians: a few parameters and many residuals.

    **Arguments:** `residuals`, from one point to a vector; `theta`, the points, with a leading axis; `steps`, how many at most.

    **Returns:** the points reached and their losses; a point whose loss got no better, or not finite, stays where it was.
    """

    def one(start):
        solution = optx.least_squares(
            lambda theta, _: residuals(theta),
            optx.LevenbergMarquardt(rtol=1e-6, atol=1e-9),
            start,
            options={"jac": "fwd"},
            max_steps=steps,
            throw=False,
        )
        before, after = (jnp.sum(residuals(x) ** 2) for x in (start, solution.value))
        better = jnp.isfinite(after) & (after < before)
        return jax.tree_util.tree_map(lambda a, b: jnp.where(better, a, b), solution.value, start), jnp.where(
            better, after, before
        )

    return jax.vmap(one)(theta)
