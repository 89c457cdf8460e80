"""The leaky integrate-and-fire neuron against its closed form, with resets inside the step and on the grid."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import observed_orders, precision

import neurodyn as nd


# Closed form, tau 20 ms, R 10 Mohm, rest and reset -65 mV, threshold -50 mV, refractory 2 ms: current (nA) and interval (ms).
INTERVALS = {1.501: 148.2777, 1.6: 57.4518, 2.0: 29.7259, 3.0: 15.8629, 5.0: 9.1335}
GRID = nd.GridReset()


def spike_times(model, current, count):
    """Lapicque (1907) from rest: the first `count` spikes, ms."""

    def wait(start):
        return model.tau * jnp.log(
            (model.rest + model.resistance * current - start)
            / (model.rest + model.resistance * current - model.threshold)
        )

    return wait(model.rest) + jnp.arange(count) * (model.refractory + wait(model.reset))


def interval(current):
    """The interval of the default neuron, ms."""
    times = jax.vmap(lambda i: spike_times(nd.LIF(), i, 2))(jnp.asarray(current))
    return np.asarray(times[:, 1] - times[:, 0])


@eqx.filter_jit
def run(model, currents, t1, method, max_spikes, step=nd.Step):
    return jax.vmap(lambda i: nd.simulate(model, step(i), t1, method=method, max_spikes=max_spikes).spikes)(currents)


def test_the_closed_form_is_that_of_the_table():
    np.testing.assert_allclose(interval(list(INTERVALS)), list(INTERVALS.values()), atol=1e-4)


# Exact resets -------------------------------------------------------------------------------------------------------------------


def test_a_hundred_spikes_are_exact_at_a_large_step_with_all_their_derivatives():
    # The exponential step is the equation's solution, so what is left is rounding. Every parameter and the current.
    model = nd.LIF(reset=-62.0, refractory=1.237)
    paths = ["tau", "resistance", "rest", "threshold", "reset", "refractory"]

    def of(values, times):
        return times(nd.replace(model, dict(zip(paths, values[:-1], strict=True))), values[-1])

    def simulated(model, current):
        sol = nd.simulate(model, nd.Step(current), 1650.0, dt=0.5, max_spikes=100)
        return sol.spikes.times

    at = jnp.asarray([20.0, 10.0, -65.0, -50.0, -62.0, 1.237, 2.6])
    weights = jnp.asarray(np.random.default_rng(0).normal(size=100))
    exact = jax.jacfwd(lambda x: of(x, lambda m, i: spike_times(m, i, 100)))(at)
    times, jacobian = jax.jit(lambda x: (of(x, simulated), jax.jacfwd(lambda x: of(x, simulated))(x)))(at)
    np.testing.assert_allclose(times, of(at, lambda m, i: spike_times(m, i, 100)), atol=1e-9)
    np.testing.assert_allclose(jacobian, exact, rtol=1e-9)
    reverse = jax.jit(jax.grad(lambda x: weights @ of(x, simulated)))(at)
    np.testing.assert_allclose(reverse, weights @ exact, rtol=1e-9)


def test_second_derivative_of_spike_times():
    # Closed form; at a large step, so that crossings are anywhere in it.
    def second(times):
        return jax.jvp(lambda i: jax.jvp(times, (i,), (1.0,))[1], (jnp.asarray(2.0),), (1.0,))[1]

    got = jax.jit(lambda: second(lambda i: nd.simulate(nd.LIF(), nd.Step(i), 90.0, dt=0.5).spikes.times[:3]))()
    np.testing.assert_allclose(got, second(lambda i: spike_times(nd.LIF(), i, 3)), rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_firing_rates(dtype):
    with precision(dtype):
        currents = jnp.asarray(list(INTERVALS))
        times = run(nd.LIF(), currents, 600.0, nd.FixedStep(0.1), 4).times
        assert times.dtype == dtype
    np.testing.assert_allclose(
        np.diff(np.asarray(times))[:, 0], interval(list(INTERVALS)), rtol=1e-9 if dtype == jnp.float64 else 1e-4
    )
    # From rest the first comes without a refractory period before it.
    np.testing.assert_allclose(times[1:, 0], interval(list(INTERVALS))[1:] - 2, rtol=1e-4)


@pytest.mark.slow
def test_an_explicit_solver_keeps_its_order_through_the_resets():
    # The tenth spike of a few neurons, by Heun's method in the voltage; steps that divide neither period.
    currents = jnp.linspace(2.0, 4.0, 5)
    exact = jax.vmap(lambda i: spike_times(nd.LIF(), i, 10)[9])(currents)
    steps = (0.37, 0.185, 0.0925)
    errors = [run(nd.LIF(), currents, 320.0, nd.FixedStep(dt, dfx.Heun()), 10).times[:, 9] - exact for dt in steps]
    orders = observed_orders(np.abs(np.asarray(errors)).mean(axis=1))
    np.testing.assert_allclose(orders, 2.0, atol=0.15)


def test_the_rate_approaches_the_inverse_of_the_refractory_period():
    # Exact, and more events in a step than a default run allows.
    times = run(nd.LIF(), jnp.asarray([1e6]), 30.0, nd.FixedStep(0.1), 20).times[0, :14]
    np.testing.assert_allclose(np.diff(times), interval([1e6])[0], atol=1e-9)
    assert interval([1e6])[0] == pytest.approx(2.0, abs=1e-4)


@pytest.mark.parametrize("options", [{}, {"every": 2}, {"ts": [49.0, 50.0, 50.5, 60.0]}], ids=str)
def test_what_came_before_a_storm_is_kept(options):
    # The current is more than the neuron can follow from 50 ms on.
    drive = nd.Step(2.0) + nd.Step(1e4, start=50.0)
    sol = nd.simulate(nd.LIF(refractory=0.0), drive, 100.0, dt=1.0, **options)
    assert int(sol.status) == nd.Status.event_storm
    np.testing.assert_array_equal(np.isnan(sol.v), np.asarray(sol.ts) > 50)
    # And the spikes that were found in the step of the storm, none of a later one.
    assert int(sol.spikes.count) == 3
    np.testing.assert_allclose(sol.spikes.times[0], 20 * np.log(4), atol=1e-9)
    assert float(sol.spikes.times[2]) < 51.0


def test_a_reducer_counts_no_spikes_after_a_storm():
    drive = nd.Step(2.0) + nd.Step(1e4, start=50.0)
    sol = nd.simulate(nd.LIF(refractory=0.0), drive, 100.0, dt=1.0, reduce={"n": nd.reducers.SpikeCount()})
    assert int(sol.status) == nd.Status.event_storm and int(sol.reduced["n"]) == 3


def test_more_events_than_allowed_are_a_storm():
    # A refractory period of 0.1 ms and steps of 1 ms: seven spikes in a step.
    model, drive = nd.LIF(refractory=0.1), nd.Step(5000.0)
    sol = nd.simulate(model, drive, 3.0, dt=1.0)
    assert int(sol.status) == nd.Status.event_storm
    assert np.isnan(sol.v).any() and np.isnan(sol.final["v"])
    allowed = nd.FixedStep(1.0, reset=nd.ExactReset(spikes=10, events=20))
    sol = nd.simulate(model, drive, 3.0, method=allowed, max_spikes=30)
    exact = spike_times(model, 5000.0, 30)
    exact = exact[exact < 3.0]
    assert int(sol.status) == nd.Status.ok
    assert int(sol.spikes.count) == len(exact)
    np.testing.assert_allclose(sol.spikes.times[: len(exact)], exact, atol=1e-9)


def test_start_above_threshold():
    # Counts as crossed: a spike at the very beginning, then the usual intervals.
    y0 = {"v": jnp.asarray(-40.0), "refractory": jnp.asarray(0.0)}
    times = nd.simulate(nd.LIF(), nd.Step(3.0), 40.0, y0=y0).spikes.times
    np.testing.assert_allclose(times[:2], [0.0, interval([3.0])[0]], atol=1e-9)


def test_silent_neuron():
    # Rheobase 1.5 nA: just below it there is no spike, the times are inf and all gradients are finite, those of the times zero.
    def outcome(current):
        sol = nd.simulate(nd.LIF(), nd.Step(current), 300.0)
        return jnp.stack([sol.v[-1], jnp.where(jnp.isfinite(sol.spikes.times[0]), sol.spikes.times[0], 0.0)]), sol

    slopes, sol = jax.jit(jax.jacrev(outcome, has_aux=True))(jnp.asarray(1.499))
    assert int(sol.spikes.count) == 0
    assert np.isinf(sol.spikes.times).all()
    assert int(sol.status) == nd.Status.ok
    share = 1 - np.exp(-300.0 / 20.0)
    assert float(sol.v[-1]) == pytest.approx(-65 + 14.99 * share, abs=1e-9)
    np.testing.assert_allclose(slopes, [10 * share, 0.0], rtol=1e-9)


def test_a_nan_in_the_input_is_reported():
    def run(values):
        return nd.simulate(nd.LIF(), nd.Samples(values, 1.0), 40.0)

    sol = jax.jit(run)(jnp.full(40, 3.0).at[20].set(jnp.nan))
    assert int(sol.status) == nd.Status.non_finite
    assert np.isnan(sol.v[-1])
    assert np.isfinite(sol.v[:760]).all()  # 19 ms: an average looks at the sample after its own too


# Resets at the end of the step --------------------------------------------------------------------------------------------------


def test_grid_resets_are_late_by_up_to_a_step():
    # Every crossing is delayed to the end of its step, and the refractory period is a whole number of steps: [exact, exact + 2 dt].
    dt, currents = 0.05, jnp.asarray(list(INTERVALS))
    times = np.asarray(run(nd.LIF(), currents, 600.0, nd.FixedStep(dt, reset=GRID), 4).times)
    exact = interval(list(INTERVALS))
    intervals = np.diff(times)
    assert np.isfinite(intervals).all()
    assert (intervals >= exact[:, None] - 1e-9).all()
    assert (intervals <= exact[:, None] + 2 * dt).all()
    first = times[:, 0] - (exact - 2.0)
    assert (first >= -1e-9).all() and (first <= dt + 1e-9).all()


def test_grid_spike_times_are_first_order_in_the_step():
    # Averaged over a hundred currents the error of the tenth spike is a fixed share of dt, so it halves with it.
    currents = jnp.linspace(2.0, 4.0, 100)
    exact = 10 * interval(currents) - 2.0
    errors = [
        (np.asarray(run(nd.LIF(), currents, 320.0, nd.FixedStep(dt, reset=GRID), 10).times)[:, 9] - exact).mean()
        for dt in (0.2, 0.1, 0.05, 0.025)
    ]
    np.testing.assert_allclose(observed_orders(errors), 1.0, atol=0.15)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
@pytest.mark.parametrize("steps", [1, 3, 20, 80])
def test_a_refractory_period_of_whole_steps_takes_exactly_so_many(steps, dtype):
    # Brian 2 once took one step more in a tenth of the cases: a matter of rounding, so look at many spikes at all times.
    dt = 0.1
    with precision(dtype):
        model = nd.LIF(refractory=steps * dt)
        method = nd.FixedStep(dt, reset=GRID)
        sol = nd.simulate(model, nd.Step(30.0), 500.0, method=method, record="refractory")
        left = np.asarray(sol.ys["refractory"])
        assert left.dtype == dtype
        starts = np.flatnonzero((left[1:] > 0) & (left[:-1] <= 0)) + 1
        ends = np.flatnonzero((left[1:] <= 0) & (left[:-1] > 0)) + 1
    assert len(starts) > 50
    assert set((ends - starts[: len(ends)]).tolist()) == {steps}


# The adaptive path --------------------------------------------------------------------------------------------------------------


def test_adaptive_spike_times_and_derivatives():
    # Golden values (closed form): tau 10, R 1, I 1.5, threshold 1, reset 0, refractory 2; dt_k/dI = -13.333 k.
    model = nd.LIF(10.0, 1.0, 0.0, 1.0, 0.0, 2.0)
    method = nd.Adaptive(rtol=1e-10, atol=1e-10, max_events=7)

    def times(current):
        sol = nd.simulate(model, nd.Step(current), 40.0, method=method, max_spikes=3, ts=np.asarray([5.0, 20.0, 40.0]))
        return sol.spikes.times, sol

    slopes, sol = jax.jit(jax.jacrev(times, has_aux=True))(jnp.asarray(1.5))
    np.testing.assert_allclose(sol.spikes.times, [10.986122887, 23.972245773, 36.958368660], atol=1e-8)
    np.testing.assert_allclose(slopes, -13.333333333 * np.arange(1, 4), rtol=1e-7)
    assert int(sol.status) == nd.Status.ok
    after = 20.0 - (float(sol.spikes.times[0]) + 2)
    np.testing.assert_allclose(sol.v[:2], 1.5 * (1 - np.exp(-np.asarray([5.0, after]) / 10)), atol=1e-8)
    # One event less than there are.
    few = nd.Adaptive(rtol=1e-10, atol=1e-10, max_events=4)
    sol = nd.simulate(model, nd.Step(1.5), 40.0, method=few, max_spikes=3, ts=np.asarray([5.0, 20.0, 40.0]))
    assert int(sol.status) == nd.Status.event_storm
    assert np.isfinite(sol.v[:2]).all() and np.isnan(sol.v[2]) and np.isnan(sol.final["v"])
    np.testing.assert_allclose(sol.spikes.times[:2], [10.986122887, 23.972245773], atol=1e-8)


@pytest.mark.slow
def test_forward_mode_on_the_adaptive_path():
    method = nd.Adaptive(rtol=1e-10, atol=1e-10, max_events=2, adjoint=dfx.ForwardMode())
    model = nd.LIF(10.0, 1.0, 0.0, 1.0, 0.0, 2.0)

    def first(current):
        return nd.simulate(model, nd.Step(current), 12.0, method=method, max_spikes=1).spikes.times[0]

    # Closed form, as above.
    assert float(jax.jit(jax.jacfwd(first))(1.5)) == pytest.approx(-13.333333333, rel=1e-7)
