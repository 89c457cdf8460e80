"""Primitives whose value and derivatives stay finite where the textbook formula does not."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from ._types import BoolArray, FloatArray


LOG2_E = 1 / math.log(2)
_LN2 = math.log(2)
_TINY = 1e-30  # keeps 0/0 away and changes nothing else

# (2^f - 1)/f for |f| <= 1/2, with the smallest largest relative error: 4e-7 and 2e-17 (Remez' algorithm). Of 2^f that leaves 2e-7.
_POWER = {
    "float32": (0.6931471435095273, 0.24022351344387005, 0.05550500199815127, 0.00966624539861806, 0.00133335437178795),
    "float64": (
        0.6931471805599453112,
        0.2402265069591009789,
        0.05550410866482123588,
        0.009618129107607063733,
        0.001333355814653179737,
        0.000154035304414832876,
        1.525273370105564281e-5,
        1.321544272279701287e-6,
        1.017812136359014962e-7,
        7.072561968898366035e-9,
        4.445527956326519086e-10,
    ),
}

# Taylor coefficients: of the derivative of (exp(z) - 1)/z in z, and of x/(1 - exp(-x)) - x/2 in x^2, differentiated and over x. How many are
# kept depends on the precision: enough that series and closed form agree to rounding where they meet.
_PHI1_SLOPE = tuple((k + 1) / math.factorial(k + 2) for k in range(11))
_EXPREL = (1.0, 1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)
_EXPREL_SLOPE = tuple(2 * k * _EXPREL[k] for k in range(1, 7))


def polynomial(x: FloatArray, coefficients: Sequence[Any]) -> Any:
    """The polynomial with these coefficients, the constant first: numbers, or arrays that go with x."""
    result = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


def _terms(x: FloatArray, single: int, double: int) -> int:
    return double if x.dtype == jnp.float64 else single


# Time loops spend their time in the functions below, and what they cost was measured. Powers are to the base 2 and made here: half the work of XLA's
# exponential, and 2^t - 1 for small t comes without cancellation and for nothing. XLA evaluates anything that does not end in a division or an
# exponential again wherever it is used: hence derivatives by hand, with the division last.


def _power(t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`2**t` as `scale * (1 + rest)` with a power of two and |rest| < 1/2, exact to rounding for small t too. t is bounded where 2**t would leave
    the range of normal numbers."""
    double = t.dtype == jnp.float64
    integer, digits, bias = (jnp.int64, 52, 1023) if double else (jnp.int32, 23, 127)
    t = jnp.clip(t, 1.0 - bias, float(bias))
    # Added to this number, t is rounded to a whole one, which stands in the last bits of the sum.
    large = 1.5 * 2.0**digits
    whole = jax.lax.bitcast_convert_type(t + large, integer) - integer(np.asarray(large, t.dtype).view(integer))
    part = t - whole.astype(t.dtype)
    scale = jax.lax.bitcast_convert_type((whole + bias) << digits, t.dtype)
    return scale, part * polynomial(part, _POWER[str(t.dtype)])


def _elementwise(
    derivative: Callable[[FloatArray], FloatArray],
) -> Callable[[Callable], Callable[[FloatArray], FloatArray]]:
    """Make an elementwise function with this derivative a JAX primitive. `jax.custom_jvp` would not do: a scan drops its rules when it is differentiated
    once, and by the formulas below the second derivative would be 0/0 at zero."""

    def make(function):
        primitive = Primitive(function.__name__)
        primitive.def_impl(jax.jit(function))
        primitive.def_abstract_eval(lambda x: x.update(weak_type=False))
        mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
        batching.defvectorized(primitive)
        ad.defjvp(primitive, lambda tangent, x: derivative(x) * tangent)

        @functools.wraps(function)
        def bind(x):
            return primitive.bind(jnp.asarray(x, jnp.result_type(float, x)))

        return bind

    return make


def _exp2_slope(t: FloatArray) -> FloatArray:
    return _LN2 * exp2(t)


@_elementwise(_exp2_slope)
def exp2(t: FloatArray) -> FloatArray:
    """`2**t`."""
    scale, rest = _power(t)
    return scale + scale * rest


def _phi1_slope(z: FloatArray) -> FloatArray:
    return _phi1_slope_times(z, phi1(z), jnp.ones_like(z))


def _phi1_slope_times(z: FloatArray, value: FloatArray, factor: FloatArray) -> FloatArray:
    """A factor times the derivative of `phi1` at z, where it has this value."""
    small = jnp.abs(z) < 0.1
    series = polynomial(z, _PHI1_SLOPE[: _terms(z, 4, 10)])
    return jnp.where(small, series, value * (z - 1) + 1) * factor / jnp.where(small, 1.0, z)


@_elementwise(_phi1_slope)
def phi1(z: FloatArray) -> FloatArray:
    """`(exp(z) - 1)/z`, the factor of an exponential step, with its limit 1 at `z = 0`."""
    z = z + _TINY
    scale, rest = _power(LOG2_E * z)
    return (scale * rest + (scale - 1)) / z


@jax.custom_jvp
def exponential_step(y: FloatArray, rise: FloatArray, fall: FloatArray) -> FloatArray:
    """`y + phi1(-fall) * rise`: the solution after a time `dt` of an equation with the slope `rise / dt` now that relaxes with the rate `fall / dt`."""
    return y + phi1(-fall) * rise


@exponential_step.defjvp
def _(primals, tangents):
    y, rise, fall = primals
    dy, drise, dfall = tangents
    value = phi1(-fall)
    return y + value * rise, dy + value * drise + _phi1_slope_times(-fall, value, -rise) * dfall


def _exprel2_slope(t: FloatArray) -> FloatArray:
    x, value = _LN2 * t, exprel2(t)
    small = jnp.abs(x) < 0.3
    series = 0.5 + x * polynomial(x * x, _EXPREL_SLOPE[: _terms(x, 3, 6)])
    return jnp.where(small, series, value * (1 - value + x)) * _LN2 / jnp.where(small, 1.0, x)


@_elementwise(_exprel2_slope)
def exprel2(t: FloatArray) -> FloatArray:
    """`t ln 2/(1 - 2**-t)`, which is `x/(1 - exp(-x))` for `x = t ln 2`, with its limit 1 at zero: the removable singularity of Hodgkin and
    Huxley's rates. Value, first and second derivative are right at zero and next to it, in float32 too."""
    t = _TINY - t
    scale, rest = _power(t)
    return (_LN2 * t) / (scale * rest + (scale - 1))


def _logistic2_slope(t: FloatArray) -> FloatArray:
    value = logistic2(t)
    return _LN2 * value * (1 - value)


@_elementwise(_logistic2_slope)
def logistic2(t: FloatArray) -> FloatArray:
    """`1/(1 + 2**-t)`."""
    return 1 / (1 + exp2(-t))


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


@jax.custom_batching.custom_vmap
def anywhere(x: BoolArray) -> BoolArray:
    """Whether a scalar holds for any member of a batch: a condition on it is one, where `vmap` makes others run both branches."""
    return x


@anywhere.def_vmap
def _(size, batched, x):
    del size
    return anywhere(jnp.any(x, axis=0) if batched[0] else x), False
