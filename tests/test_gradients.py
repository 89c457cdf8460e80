"""Reverse mode = forward mode = finite differences, for every leaf of Hodgkin and Huxley's neuron and every field of every stimulus.

All leaves of model and stimulus form one vector; one program each makes its reverse and forward gradients and the outputs at the perturbed
vectors, for several lanes at once: below and above threshold, and started on the voltages where the rates have removable singularities.
"""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences, flat_parameters, gradient_error, precision

import neurodyn as nd


T1 = 12.0  # ms
RECORDS = np.asarray([5.513, 9.99])  # ms, between steps


class Case:
    """A model and a stimulus as one vector, with the lanes it is looked at in."""

    def __init__(self, stimulus: nd.AbstractStimulus):
        self.names, self.vector, self.rebuild = flat_parameters((nd.HodgkinHuxley(temperature=8.0), 1.0 * stimulus))
        times = np.asarray([name.split(".")[-1] in ("start", "stop", "width", "period") for name in self.names])
        self.scale = np.where(times | (self.vector == 0), 1.0, np.abs(self.vector))
        self.initial, factor = self.names.index("0.initial"), self.names.index("1.factor")
        # Below threshold, above it, and from -40 and -55 mV, where the rates of m and n have a removable singularity.
        lanes = ((0.1, -65), (1.0, -65), (0.5, -40), (0.5, -55))
        self.lanes = jnp.stack([self.vector.at[factor].set(f).at[self.initial].set(v) for f, v in lanes])

    def output(self, vector: jax.Array, method=None, spike_weight=5.0, **options) -> jax.Array:
        """A number that depends on voltages, on the end of a gate, and on the time of the first spike."""
        model, stimulus = self.rebuild(vector)
        sol = nd.simulate(model, stimulus, T1, method=method, max_spikes=2, **options)
        first = sol.spikes.times[0]
        return (
            sol.v[-2]
            + 0.3 * sol.v[-1]
            + 40 * sol.final["na"]["h"]
            + jnp.where(jnp.isfinite(first), spike_weight * first, 0.0)
        )

    def compare(
        self, function, forward=None, fine=None, step=3e-5, tolerance=1e-6, same=1e-9, floor=1e-3
    ) -> np.ndarray:
        """Check the gradient of `function` in each lane against finite differences (of `fine`, or itself) of `step` in units of each leaf's
        scale, and against forward mode (of `forward`). Entries below `floor` times the largest are compared with that."""
        reverse = np.asarray(jax.jit(jax.vmap(jax.grad(function)))(self.lanes))
        assert np.isfinite(reverse).all()
        differences = central_differences(function if fine is None else fine, self.lanes, step * self.scale)
        self.close("reverse and differences", reverse, differences, tolerance, floor)
        if forward is not None:
            ahead = np.asarray(jax.jit(jax.vmap(jax.jacfwd(forward)))(self.lanes))
            self.close("reverse and forward", reverse, ahead, same)
        return reverse

    def close(self, what, got, expected, tolerance, floor=1e-3):
        error = gradient_error(got, expected, self.scale, floor)
        lane, leaf = np.unravel_index(error.argmax(), error.shape)
        values = got[lane, leaf], expected[lane, leaf]
        assert error.max() < tolerance, f"{what} of {self.names[leaf]}, lane {lane}: {values}, error {error.max():.1e}"


@pytest.fixture(scope="module")
def everything():
    """One of each stimulus, every edge inside a step and well away from its ends."""
    return Case(
        nd.Step(4.0, 0.5133, 9.0077)
        + nd.Ramp(0.3, 1.0123, 6.5041, 0.5)
        + nd.Pulses(5.0, 0.6, 2.1, 3, 1.507)
        + nd.Sine(2.0, 120.0, 0.3, 0.8071, 10.008)
        + nd.Chirp(2.0, 20.0, 200.0, 0.7113, 9.9111)
        + nd.Samples(jnp.asarray([1.0, -0.5, 2.0, 0.3]), 0.9, 0.3111)
        + nd.OrnsteinUhlenbeck(0.5, 0.8, 2.0, 3.0, dt=0.75, start=0.61, key=jax.random.key(1))
    )


@pytest.fixture(scope="module")
def step():
    return Case(nd.Step(10.0, 0.5133, 9.0077))


# First derivatives --------------------------------------------------------------------------------------------------------------


def test_fixed_path(everything):
    # Measured: forward 3e-14, differences 5e-8. Every seventh step is recorded.
    def function(p):
        return everything.output(p, every=7)

    gradient = everything.compare(function, function)
    # Or the comparison would be of zero with zero.
    largest = np.abs(gradient).max(axis=0)
    assert [name for name, size in zip(everything.names, largest, strict=True) if size == 0] == []


@pytest.mark.slow
def test_fixed_path_from_rest_at_given_times(step):
    # The resting state is differentiated by the implicit function theorem, and does not depend on where its search begins.
    gradient = step.compare(lambda p: step.output(p, ts=RECORDS, y0="rest"))
    assert np.abs(gradient[:, step.initial]).max() < 1e-9


def _check_adaptive(case):
    def function(p, tolerance=1e-10, adjoint=None):
        adjoint = dfx.RecursiveCheckpointAdjoint() if adjoint is None else adjoint
        method = nd.Adaptive(rtol=tolerance, atol=tolerance, adjoint=adjoint)
        # No spike time here: its gradient, through a cubic over the step, is good to 1.4e-6 at this tolerance (voltages to 1e-8). It is
        # compared with reference values in the tests of the model.
        return case.output(p, method, spike_weight=0.0, ts=RECORDS)

    # Steps are chosen anew for each perturbed vector, which is noise to a difference quotient: hence a finer tolerance there.
    case.compare(
        function,
        forward=lambda p: function(p, adjoint=dfx.ForwardMode()),
        fine=lambda p: function(p, tolerance=1e-13),
        step=2e-4,
        same=1e-8,
    )


@pytest.mark.slow
def test_adaptive_path(step):
    _check_adaptive(step)


@pytest.mark.slow
def test_adaptive_path_with_every_stimulus(everything):
    _check_adaptive(everything)


# Edges ON the ends of steps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("t0", [0.0, 1e4])
def test_charge_of_an_edge_on_a_step_boundary(dtype, t0):
    # Exact: the charge delivered is amplitude x (stop - start), whatever the grid, so its derivatives are -amplitude and +amplitude. With
    # rounding, an edge on a boundary may fall between two steps and be seen by neither.
    from neurodyn._stimulus import Instant

    dt, steps = 0.025, 400
    with precision(jnp.dtype(dtype)):
        origin = jnp.asarray(t0, dtype)

        def charge(start, stop):
            stimulus = nd.Step(jnp.asarray(3.0, dtype), start, stop)
            each = jax.vmap(lambda k: stimulus.over(Instant(origin, k, dt, 0.0), dt))(jnp.arange(steps))
            return jnp.sum(each) * dt

        # As Python numbers would be written, as multiples, and as sums: they differ in the last place.
        k = np.arange(1, 200)
        starts = np.concatenate([np.round(k * dt, 3), k * dt, np.cumsum(np.full(199, dt))])
        starts = t0 + np.concatenate([starts, k * dt * (1 + 2e-16), k * dt + 1e-7])
        starts = jnp.asarray(starts, dtype)
        stops = starts + jnp.asarray(4.0, dtype)
        values, (by_start, by_stop) = jax.jit(
            jax.vmap(lambda a, b: (charge(a, b), jax.grad(charge, argnums=(0, 1))(a, b)))
        )(starts, stops)
    tolerance = 1e-9 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(values, 3.0 * np.asarray(stops - starts), rtol=tolerance)
    np.testing.assert_allclose(by_start, -3.0, rtol=tolerance)
    np.testing.assert_allclose(by_stop, 3.0, rtol=tolerance)


def test_start_and_stop_on_a_step_boundary(hh):
    # The run is smooth in the time of an edge within a step and has a kink between steps: the gradient lies between those of both sides.
    @jax.jit
    @jax.vmap
    def output(edges):
        sol = nd.simulate(hh, nd.Step(10.0, edges[0], edges[1]), 6.0, max_spikes=0)
        return sol.v[-1]

    @jax.jit
    def gradient(edges):
        return jax.grad(lambda e: output(e[None])[0])(edges)

    edges = np.asarray([0.75, 4.0])  # multiples of dt
    got = np.asarray(gradient(jnp.asarray(edges)))
    for i in (0, 1):
        rows = edges[None, :] + np.asarray([-2e-4, -1e-4, 0.0, 1e-4, 2e-4])[:, None] * np.eye(2)[i]
        v = np.asarray(output(jnp.asarray(rows)))
        left, right = (3 * v[2] - 4 * v[1] + v[0]) / 2e-4, (-3 * v[2] + 4 * v[3] - v[4]) / 2e-4
        slack = 1e-5 * abs(left)
        assert min(left, right) - slack < got[i] < max(left, right) + slack
        assert abs(left - right) < 0.2 * abs(left)


# Second derivatives --------------------------------------------------------------------------------------------------------------


def test_second_derivatives(step):
    # Hessian times a vector, forward over reverse, against differences of the gradient. Two lanes begin on the singularities.
    direction = jnp.asarray(step.scale * np.random.default_rng(0).normal(size=step.vector.size))
    gradient = jax.grad(step.output)

    def product(p):
        return jax.jvp(gradient, (p,), (direction,))[1]

    got = np.asarray(jax.jit(jax.vmap(product))(step.lanes))
    h = 1e-6
    offsets = np.asarray([2.0, 1.0, -1.0, -2.0])[:, None, None] * h * np.asarray(direction)
    rows = (np.asarray(step.lanes)[None] + offsets).reshape(-1, step.vector.size)
    values = np.asarray(jax.jit(jax.vmap(gradient))(jnp.asarray(rows))).reshape(4, *step.lanes.shape)
    expected = np.tensordot(np.asarray([-1.0, 8.0, -8.0, 1.0]) / 12, values, axes=1) / h
    assert np.isfinite(got).all()
    step.close("hessian and differences", got, expected, 1e-4)


# Trial steps that go far ---------------------------------------------------------------------------------------------------------


def _voltages(g_na, e_leak, method):
    model = nd.replace(nd.HodgkinHuxley(), {"na.g": g_na, "leak.e": e_leak})
    return nd.simulate(model, nd.Step(10.0), 50.0, method=method, ts=np.asarray([8.0, 50.0]), max_spikes=0).v


@eqx.filter_jit
def _reverse(g_na, method):
    return jax.jacrev(_voltages)(g_na, -54.3, method)


@eqx.filter_jit
def _forward(g_na, method):
    return jax.jacfwd(_voltages)(g_na, -54.3, method)


def test_rejected_steps_do_not_poison_the_gradient():
    # At rtol = atol = 1e-3 and no bound on the step, Tsit5's rejected trial steps overflow naive rates: reverse gradients are then NaN
    # although the loss is fine.
    loose = {"rtol": 1e-3, "atol": 1e-3, "max_step": float("inf")}
    reverse = _reverse(jnp.asarray(120.0), nd.Adaptive(**loose))
    forward = _forward(jnp.asarray(120.0), nd.Adaptive(**loose, adjoint=dfx.ForwardMode()))
    assert np.isfinite(reverse).all()
    np.testing.assert_allclose(reverse[0], forward[0], rtol=1e-9)
    # After three spikes at such a tolerance a change of g_na by 1e-14 of itself moves the gradient by 1e-8: rounding decides.
    np.testing.assert_allclose(reverse[1], forward[1], rtol=1e-6)
    # Reference (see below) within what such a tolerance is good for.
    assert float(reverse[0]) == pytest.approx(-0.00818, rel=0.2)


def test_golden_gradient_of_the_voltage():
    # Reference: dV/dgNa at 8 and 50 ms, I = 10 from t = 0, E_L = -54.3 mV, -65 mV with steady gates (tolerances 1e-10).
    got = _forward(jnp.asarray(120.0), nd.Adaptive(rtol=1e-10, atol=1e-10, adjoint=dfx.ForwardMode()))
    np.testing.assert_allclose(got, (-0.0081769709, 0.2388817440), rtol=1e-5)
