"""Primitives whose value and derivatives stay finite where the textbook formula does not."""

import jax
import jax.numpy as jnp

from ._types import FloatArray


# Taylor coefficients of (exp(z) - 1)/z and of x/(1 - exp(-x)) = 1 + x/2 + (even terms). How many are kept depends on the
# precision: enough that series and closed form agree to rounding where they meet.
_PHI1_COEFFICIENTS = (1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320, 1 / 362880, 1 / 3628800)
_EXPREL_COEFFICIENTS = (
    1.0,
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
)


def _polynomial(x: FloatArray, coefficients: tuple[float, ...]) -> FloatArray:
    result = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


def _terms(x: FloatArray, single: int, double: int) -> int:
    return double if x.dtype == jnp.float64 else single


def phi1(z: FloatArray) -> FloatArray:
    """`(exp(z) - 1)/z`, the factor of an exponential step, with its limit 1 at `z = 0`.

    A series below |z| = 0.1 and the closed form above: `expm1` would do as well but costs half of the speed of a time loop.
    Both branches see a harmless argument where they are not used, so that no derivative is NaN.
    """
    small = jnp.abs(z) < 0.1
    safe = jnp.where(small, 1.0, z)
    near = jnp.where(small, z, 0.0)
    series = _polynomial(near, _PHI1_COEFFICIENTS[: _terms(z, 5, 10)])
    return jnp.where(small, series, (jnp.exp(safe) - 1) / safe)


def exprel(x: FloatArray) -> FloatArray:
    """`x/(1 - exp(-x))`, with its limit 1 at `x = 0`: the removable singularity of Hodgkin and Huxley's rates.

    Value, first and second derivative are right at zero and next to it, in float32 too.
    """
    small = jnp.abs(x) < 0.3
    safe = jnp.where(small, 1.0, x)
    near = jnp.where(small, x, 0.0)
    series = near / 2 + _polynomial(near * near, _EXPREL_COEFFICIENTS[: _terms(x, 4, 7)])
    return jnp.where(small, series, safe / (1 - jnp.exp(-safe)))


def sinc(x: FloatArray) -> FloatArray:
    """`sin(x)/x` with its limit 1 at zero, differentiable everywhere."""
    small = jnp.abs(x) < 1e-2
    safe = jnp.where(small, 1.0, x)
    near = jnp.where(small, x, 0.0) ** 2
    return jnp.where(small, 1 - near / 6 + near**2 / 120, jnp.sin(safe) / safe)


def all_finite(tree) -> jax.Array:
    """Whether every element of every floating leaf of a pytree is finite (a boolean scalar)."""
    leaves = [jnp.all(jnp.isfinite(x)) for x in jax.tree_util.tree_leaves(tree) if jnp.issubdtype(x.dtype, jnp.inexact)]
    return jnp.all(jnp.stack(leaves)) if leaves else jnp.asarray(True)


def nan_where(bad: jax.Array, tree):
    """The pytree with every floating leaf replaced by NaN where the boolean scalar `bad` holds."""

    def mask(x):
        return jnp.where(bad, jnp.nan, x) if jnp.issubdtype(x.dtype, jnp.inexact) else x

    return jax.tree_util.tree_map(mask, tree)
