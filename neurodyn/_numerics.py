"""Primitives whose value and derivatives stay finite where the textbook formula does not."""

import math

import jax
import jax.numpy as jnp

from ._types import FloatArray


# Taylor coefficients: of (exp(z) - 1)/z and its derivative in z, of x/(1 - exp(-x)) - x/2 in x^2 and the derivative of it over x in x^2.
# How many are kept depends on the precision: enough that series and closed form agree to rounding where they meet.
_PHI1 = tuple(1 / math.factorial(k + 1) for k in range(11))
_PHI1_SLOPE = tuple((k + 1) / math.factorial(k + 2) for k in range(11))
_EXPREL = (1.0, 1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)
_EXPREL_SLOPE = tuple(2 * k * _EXPREL[k] for k in range(1, 7))

# tanh(u) = u p(u^2)/q(u^2) to rounding in single precision for |u| < 7.9 (the coefficients of Eigen's tanh, which XLA uses too).
_TANH_P = (
    4.89352455891786e-03,
    6.37261928875436e-04,
    1.48572235717979e-05,
    5.12229709037114e-08,
    -8.60467152213735e-11,
    2.00018790482477e-13,
    -2.76076847742355e-16,
)
_TANH_Q = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
_TANH_LIMIT = 7.9
_PHI1_LIMIT = 8.0


def _polynomial(x: FloatArray, coefficients: tuple[float, ...]) -> FloatArray:
    result = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


def _terms(x: FloatArray, single: int, double: int) -> int:
    return double if x.dtype == jnp.float64 else single


# Time loops spend their time in the two functions below, and what they cost was measured. XLA evaluates anything that does not end in
# a division or an exponential again wherever it is used: hence derivatives by hand, with the division last.


def phi1(z: FloatArray) -> FloatArray:
    """`(exp(z) - 1)/z`, the factor of an exponential step, with its limit 1 at `z = 0`.

    In double precision a series below |z| = 0.1 and the closed form above. In single precision one rational function, without an exponential: right
    to rounding for z < 1, to 1e-4 for z < 8, and constant from there on (a state that grows by e^8 in a step is lost anyway).
    """
    z = jnp.asarray(z)
    return _phi1(z if z.dtype == jnp.float64 else jnp.minimum(z, _PHI1_LIMIT))


@jax.custom_jvp
def _phi1(z: FloatArray) -> FloatArray:
    if z.dtype == jnp.float64:
        return jnp.where(jnp.abs(z) < 0.1, _polynomial(z, _PHI1[:10]), (jnp.exp(z) - 1) / z)
    # exp(z) - 1 = 2 t/(1 - t) with t = tanh(z/2) = u p/q
    u = jnp.maximum(z / 2, -_TANH_LIMIT)
    p, q = _polynomial(u * u, _TANH_P), _polynomial(u * u, _TANH_Q)
    saturated = z < -2 * _TANH_LIMIT
    return jnp.where(saturated, -1.0, p) / jnp.where(saturated, z, q - u * p)


@_phi1.defjvp
def _(primals, tangents):
    (z,), (dz,) = primals, tangents
    value = _phi1(z)
    small = jnp.abs(z) < 0.1
    series = _polynomial(z, _PHI1_SLOPE[: _terms(z, 4, 10)])
    return value, jnp.where(small, series, value * (z - 1) + 1) / jnp.where(small, 1.0, z) * dz


@jax.custom_jvp
def exprel(x: FloatArray) -> FloatArray:
    """`x/(1 - exp(-x))`, with its limit 1 at `x = 0`: the removable singularity of Hodgkin and Huxley's rates.

    Value, first and second derivative are right at zero and next to it, in float32 too.
    """
    x = jnp.asarray(x)
    series = x / 2 + _polynomial(x * x, _EXPREL[: _terms(x, 4, 7)])
    return jnp.where(jnp.abs(x) < 0.3, series, x / (1 - jnp.exp(-x)))


@exprel.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    x = jnp.asarray(x)
    value = exprel(x)
    small = jnp.abs(x) < 0.3
    series = 0.5 + x * _polynomial(x * x, _EXPREL_SLOPE[: _terms(x, 3, 6)])
    return value, jnp.where(small, series, value * (1 - value + x)) / jnp.where(small, 1.0, x) * dx


@jax.custom_jvp
def materialise(x: FloatArray, one: FloatArray) -> FloatArray:
    """`x`, with a derivative that the compiler works out once, at the price of a division by `one`, instead of again at every use.

    `one` is 1 but must not be known to be at compile time: see `opaque_one`.
    """
    del one
    return x


@materialise.defjvp
def _(primals, tangents):
    return primals[0], tangents[0] / primals[1]


def opaque_one(x: FloatArray) -> FloatArray:
    """1 in a form that no compiler sees through (NaN if `x` is not finite)."""
    return jax.lax.stop_gradient(jnp.exp(0.0 * x))


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
