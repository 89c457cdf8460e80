"""The primitives: values and derivatives at, around and far from the points where the textbook formula fails.

References are NumPy long doubles (64 bits of mantissa): series where the closed form cancels, the closed form elsewhere.
"""

import math

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from helpers import precision

import neurodyn as nd
from neurodyn._numerics import all_finite, exp2, exponential_step, exprel2, logistic2, nan_where, phi1, sinc
from neurodyn.channels import Potassium, Sodium


LONG = np.longdouble
TERMS = 60


def _series(x, coefficients, derivative):
    """The given derivative of a power series."""
    total = np.zeros_like(x)
    for power in range(derivative, len(coefficients)):
        total = total + coefficients[power] * LONG(math.perm(power, derivative)) * x ** (power - derivative)
    return total


def _bernoulli():
    """Coefficients of x/(1 - exp(-x)) = 1/phi1(-x) by inverting the series of (1 - exp(-x))/x."""
    forward = [LONG((-1) ** k) / LONG(math.factorial(k + 1)) for k in range(40)]
    inverse = [LONG(1)]
    for k in range(1, 40):
        inverse.append(-sum((forward[j] * inverse[k - j] for j in range(1, k + 1)), LONG(0)))
    return inverse


PHI1 = [1 / LONG(math.factorial(k + 1)) for k in range(TERMS)]
SINC = [LONG(0) if k % 2 else LONG((-1) ** (k // 2)) / LONG(math.factorial(k + 1)) for k in range(TERMS)]


def _phi1_reference(x, derivative):
    e = np.exp(x)
    closed = ((e - 1) / x, (e * (x - 1) + 1) / x**2, (e * (x**2 - 2 * x + 2) - 2) / x**3)[derivative]
    return np.where(np.abs(x) < 3, _series(x, PHI1, derivative), closed)


def _exprel_reference(x, derivative):
    p = np.exp(-x)
    q = 1 - p
    closed = (x / q, (q - x * p) / q**2, p * (x * (1 + p) - 2 * q) / q**3)[derivative]
    return np.where(np.abs(x) < 1.5, _series(x, _bernoulli(), derivative), closed)


def _exp_reference(x, derivative):
    del derivative
    return np.exp(x)


def _logistic_reference(x, derivative):
    p = 1 / (1 + np.exp(-x))
    return (p, p * (1 - p), p * (1 - p) * (1 - 2 * p))[derivative]


def _sinc_reference(x, derivative):
    s, c = np.sin(x), np.cos(x)
    closed = (s / x, (c - s / x) / x, -s / x - 2 * (c - s / x) / x**2)[derivative]
    return np.where(np.abs(x) < 2, _series(x, SINC, derivative), closed)


def _around(switch, largest):
    """Zero, tiny numbers, both sides of the switch point between series and closed form, and large ones; both signs."""
    sizes = [
        0.0,
        1e-12,
        1e-7,
        1e-5,
        1e-3,
        0.02,
        switch * (1 - 1e-6),
        switch,
        switch * (1 + 1e-6),
        1.01 * switch,
        1.0,
        4.0,
        12.0,
        largest,
    ]
    return np.asarray(sorted({*sizes, *(-x for x in sizes)}))


LN2 = math.log(2)


def _natural(function):
    """A function that takes its argument times log2(e), as one of the argument itself."""
    return lambda x: function(x / LN2)


CASES = {
    "phi1": (phi1, _phi1_reference, _around(0.1, 60.0)),
    "exprel": (_natural(exprel2), _exprel_reference, _around(0.3, 60.0)),
    "exp": (_natural(exp2), _exp_reference, _around(LN2 / 2, 60.0)),
    "logistic": (_natural(logistic2), _logistic_reference, _around(LN2 / 2, 60.0)),
    "sinc": (sinc, _sinc_reference, _around(0.01, 60.0)),
}
# Errors allowed relative to 1 or to the value, by dtype and derivative. Just above the switch points the closed forms cancel: with each
# derivative they lose a factor 1 / switch.
TOLERANCE = {
    "float64": {
        "phi1": (2e-14, 2e-13, 5e-12),
        "exprel": (1e-14, 1e-13, 1e-12),
        "exp": (2e-14, 2e-14, 2e-14),
        "logistic": (1e-15, 1e-15, 1e-15),
        "sinc": (1e-14, 5e-12, 1e-9),
    },
    "float32": {
        "phi1": (1e-5, 4e-5, 1e-3),
        "exprel": (2e-6, 1e-5, 1e-4),
        "exp": (1e-5, 1e-5, 1e-5),
        "logistic": (1e-6, 1e-6, 1e-6),
        "sinc": (1e-6, 1e-3, 0.5),
    },
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name, dtype):
    function, reference, x = CASES[name]
    with precision(jnp.dtype(dtype)):
        x = jnp.asarray(x, dtype)
        for derivative, bar in enumerate(TOLERANCE[dtype][name]):
            got = jax.jit(jax.vmap(function))(x)
            assert got.dtype == dtype
            with np.errstate(all="ignore"):
                expected = reference(np.asarray(x).astype(LONG), derivative)
            error = np.abs(np.asarray(got).astype(LONG) - expected) / np.maximum(np.abs(expected), 1)
            assert error.max() < bar, (derivative, float(x[error.argmax()]), float(error.max()))
            function = jax.grad(function)


@pytest.mark.parametrize(("dtype", "bar"), [("float64", 5e-16), ("float32", 6e-7)])
def test_small_arguments_keep_their_digits(dtype, bar):
    # A gate with a time constant of minutes moves by dt / tau per step, not by a rounded 1 - exp(-dt / tau).
    with precision(jnp.dtype(dtype)):
        z = -jnp.asarray(np.geomspace(1e-19, 0.5, 2001), dtype)
        wide = np.asarray(z).astype(LONG)
        np.testing.assert_allclose(np.asarray(phi1(z)).astype(LONG), np.expm1(wide) / wide, rtol=bar)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_powers_at_the_ends_of_their_range(dtype):
    with precision(jnp.dtype(dtype)):
        t = jnp.asarray([-jnp.inf, -1e30, -5000.0, -0.0, 5000.0, jnp.inf, jnp.nan], dtype)
        least, most = (2.0**-126, 2.0**127) if dtype == "float32" else (2.0**-1022, 2.0**1023)
        np.testing.assert_array_equal(exp2(t), [least, least, least, 1.0, most, most, np.nan])
        # Whole numbers are exact, halves are where rounding to whole numbers changes its mind.
        whole = jnp.arange(-120.0, 121.0, 0.5, dtype)
        np.testing.assert_allclose(
            exp2(whole), 2.0 ** np.asarray(whole, float), rtol=1e-15 if dtype == "float64" else 2.5e-7
        )
        np.testing.assert_array_equal(exp2(whole[::2]), 2.0 ** np.asarray(whole[::2], float))


def test_exponential_step_and_its_derivatives():
    def plain(y, rise, fall):
        return y - rise * jnp.expm1(-fall) / fall

    for fall in (5e-4, 0.0125, 0.0999, 0.1001, 17.0):  # on both sides of the switch between series and closed form
        point = tuple(jnp.asarray(x) for x in (0.3, -0.04, fall))
        np.testing.assert_allclose(exponential_step(*point), plain(*point), rtol=1e-14)
        for i in range(3):
            got, expected = (jax.grad(f, i)(*point) for f in (exponential_step, plain))
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(jax.jacfwd(exponential_step, i)(*point), got, rtol=1e-14)
            for k in range(3):
                second = [jax.grad(jax.grad(f, i), k)(*point) for f in (exponential_step, plain)]
                np.testing.assert_allclose(*second, rtol=1e-6, atol=1e-12)
    still = jax.value_and_grad(exponential_step, (1, 2))(*(jnp.asarray(x) for x in (0.3, -0.04, 0.0)))
    assert float(still[0]) == pytest.approx(0.26, rel=1e-15)
    np.testing.assert_allclose(still[1], [1.0, 0.02], rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_far_out(dtype):
    with precision(jnp.dtype(dtype)):
        z = jnp.asarray([-1e30, -1e4, -1e3], dtype)
        # A decay that is enormous: the step goes all the way, phi1(z) = -1/z.
        np.testing.assert_allclose(phi1(z) * z, -1.0, rtol=1e-6)
        assert bool(jnp.all(jnp.isfinite(jax.vmap(jax.grad(phi1))(z))))
        x = jnp.asarray([50.0, 500.0, 1e4], dtype)
        np.testing.assert_allclose(exprel2(x / LN2), x, rtol=1e-6)
        np.testing.assert_allclose(jax.vmap(jax.grad(_natural(exprel2)))(x), 1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rates_at_and_next_to_their_singularities(dtype):
    """alpha_m at -40 mV and alpha_n at -55 mV: value, first and second derivative against exact limits and long doubles."""
    tight = dtype == "float64"
    with precision(jnp.dtype(dtype)):
        for rate, v0, size in ((Sodium().m.alpha, -40.0, 1.0), (Potassium().n.alpha, -55.0, 0.1)):
            exact = (
                size,
                size / 20,
                size / 600,
            )  # of size x / (1 - exp(-x)), x = (v - v0) / 10: 1, 1/2 and 1/6, over 10^k
            function = rate
            for expected in exact:
                got = function(jnp.asarray(v0, dtype))
                assert float(got) == pytest.approx(expected, rel=1e-12 if tight else 1e-6)
                function = jax.grad(function)
            near = v0 + np.asarray([-3.1, -2.9, -1e-1, -1e-3, -1e-5, 1e-5, 1e-3, 1e-1, 2.9, 3.1])
            v = jnp.asarray(near, dtype)
            x = (np.asarray(v).astype(LONG) - LONG(v0)) / 10
            for derivative, bar in ((0, 1e-14), (1, 1e-13)) if tight else ((0, 1e-6), (1, 1e-5)):
                function = rate if derivative == 0 else jax.grad(rate)
                expected = size * _exprel_reference(x, derivative) / 10**derivative
                np.testing.assert_allclose(jax.vmap(function)(v), expected.astype(float), rtol=bar)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dynamics_is_finite_at_any_voltage_of_a_trial_step(dtype):
    with precision(jnp.dtype(dtype)):
        model = nd.HodgkinHuxley()
        y = model.init()

        def slopes(v):
            return model.dynamics(0.0, {**y, "v": v}, jnp.zeros_like(v))

        v = jnp.asarray([-1e4, -1e3, -200.0, -55.0, -40.0, 200.0, 1e3, 1e4], dtype)
        for function in (slopes, jax.jacfwd(slopes), jax.jacfwd(jax.jacfwd(slopes))):
            assert bool(all_finite(jax.jit(jax.vmap(function))(v)))


def test_the_bound_on_the_voltage_leaves_minus_200_to_200_mv_alone(hh):
    v = jnp.linspace(-200.0, 200.0, 41)[1:-1]
    got = jax.vmap(lambda v: hh.k.n.rates(v, hh.temperature)[0])(v)
    np.testing.assert_array_equal(got, jax.vmap(hh.k.n.alpha)(v))


def test_linearised_advance():
    # Closed form of dx/dt = 2 - 0.5 x from 1 over 3 ms; without a decay Euler's step; with an operator Crank-Nicolson.
    y = {"a": jnp.asarray(1.0), "b": jnp.asarray(1.0), "c": jnp.asarray([1.0, 0.0])}
    matrix = jnp.asarray([[2.0, -1.0], [-1.0, 2.0]])
    slope = {"a": 2 - 0.5 * y["a"], "b": jnp.asarray(1.5), "c": -matrix @ y["c"]}
    moved = nd.Linearised(slope, {"a": jnp.asarray(0.5), "b": None, "c": lx.MatrixLinearOperator(matrix)}).advance(
        y, 3.0
    )
    assert float(moved["a"]) == pytest.approx(4 - 3 * math.exp(-1.5), rel=1e-14)
    assert float(moved["b"]) == pytest.approx(1 + 3 * 1.5, rel=1e-14)
    identity = np.eye(2)
    m = np.asarray(matrix)
    np.testing.assert_allclose(
        moved["c"], np.linalg.solve(identity + 1.5 * m, (identity - 1.5 * m) @ np.asarray(y["c"])), rtol=1e-13
    )


def test_finiteness_and_masking():
    tree = {"a": jnp.asarray([1.0, 2.0]), "n": jnp.asarray(3)}
    assert bool(all_finite(tree))
    assert not bool(all_finite({**tree, "a": jnp.asarray([1.0, jnp.inf])}))
    masked = nan_where(jnp.asarray(True), tree)
    assert np.isnan(masked["a"]).all() and int(masked["n"]) == 3


@pytest.mark.parametrize("name", ["phi1", "exprel", "exp", "logistic"])
def test_second_derivatives_through_a_scan(name):
    # A scan drops the rules of custom_jvp when it is differentiated, so that JAX would differentiate the value as it stands.
    function, reference, _ = CASES[name]

    def last(x):
        return jax.lax.scan(lambda x, _: (function(x), None), x, length=1)[0]

    x = jnp.asarray([0.0, 1e-12, -1e-7, 1e-3, -0.02, 0.3, -0.36, 1.0, -4.0, 12.0])
    with np.errstate(all="ignore"):
        expected = reference(np.asarray(x).astype(LONG), 2).astype(float)
    for second in (jax.grad(jax.grad(last)), jax.jacfwd(jax.grad(last)), jax.jacfwd(jax.jacfwd(last))):
        got = jax.jit(jax.vmap(second))(x)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
