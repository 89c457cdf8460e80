"""The leaky integrate-and-fire neuron with resets on the grid, against its closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import precision

import neurodyn as nd


# Closed form, tau 20 ms, R 10 Mohm, rest and reset -65 mV, threshold -50 mV, refractory 2 ms: current (nA) and interval (ms).
INTERVALS = {1.501: 148.2777, 1.6: 57.4518, 2.0: 29.7259, 3.0: 15.8629, 5.0: 9.1335}


def interval(current, tau=20.0, resistance=10.0, height=15.0, refractory=2.0):
    """Lapicque (1907): t_ref + tau ln(RI / (RI - threshold + rest))."""
    return refractory + tau * np.log(resistance * current / (resistance * current - height))


@eqx.filter_jit
def _counts_and_times(model, currents, t1, dt, max_spikes):
    def run(current):
        sol = nd.simulate(model, nd.Step(current), t1, dt=dt, max_spikes=max_spikes)
        return sol.spikes.count, sol.spikes.times

    return jax.vmap(run)(currents)


def test_the_closed_form_is_that_of_the_table():
    for current, expected in INTERVALS.items():
        assert interval(current) == pytest.approx(expected, abs=1e-4)


def test_firing_rates():
    # A grid reset delays every crossing to the end of its step, and the refractory period is a whole number of steps: [exact, exact + 2 dt].
    dt, currents = 0.05, jnp.asarray(list(INTERVALS))
    _, times = _counts_and_times(nd.LIF(), currents, 600.0, dt, 4)
    intervals = np.diff(np.asarray(times))
    exact = interval(np.asarray(currents))[:, None]
    assert np.isfinite(intervals).all()
    assert (intervals >= exact - 1e-9).all()
    assert (intervals <= exact + 2 * dt).all()
    # The first crossing, from rest and without a refractory period before it.
    first = np.asarray(times)[:, 0] - (exact[:, 0] - 2.0)
    assert (first >= -1e-9).all() and (first <= dt + 1e-9).all()


def test_spike_times_are_first_order_in_the_step():
    # Averaged over a hundred currents the error of the tenth spike is a fixed share of dt, so it halves with it.
    currents = jnp.linspace(2.0, 4.0, 100)
    errors = []
    for dt in (0.2, 0.1, 0.05, 0.025):
        _, times = _counts_and_times(nd.LIF(), currents, 320.0, dt, 10)
        errors.append((np.asarray(times)[:, 9] - (10 * interval(np.asarray(currents)) - 2.0)).mean())
    orders = np.log2(np.asarray(errors[:-1]) / np.asarray(errors[1:]))
    np.testing.assert_allclose(orders, 1.0, atol=0.15)


def test_the_refractory_period_bounds_the_rate():
    # Exact: with a huge current one step of integration and the refractory period make an interval.
    _, times = _counts_and_times(nd.LIF(), jnp.asarray([1e6]), 100.0, 0.1, 40)
    np.testing.assert_allclose(np.diff(np.asarray(times)[0]), 2.1, atol=1e-9)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
@pytest.mark.parametrize("steps", [1, 3, 20, 80])
def test_a_refractory_period_of_whole_steps_takes_exactly_so_many(steps, dtype):
    # Brian 2 once took one step more in a tenth of the cases: a matter of rounding, so look at many spikes at all times.
    dt = 0.1
    with precision(dtype):
        model = nd.LIF(refractory=steps * dt)
        sol = nd.simulate(model, nd.Step(30.0), 500.0, dt=dt, record="refractory")
        left = np.asarray(sol.ys["refractory"])
        assert left.dtype == dtype
        starts = np.flatnonzero((left[1:] > 0) & (left[:-1] <= 0)) + 1
        ends = np.flatnonzero((left[1:] <= 0) & (left[:-1] > 0)) + 1
    assert len(starts) > 50
    assert set((ends - starts[: len(ends)]).tolist()) == {steps}


def test_start_above_threshold():
    # Counts as crossed: one spike at the end of the first step, then the usual intervals.
    y0 = {"v": jnp.asarray(-40.0), "refractory": jnp.asarray(0.0)}
    sol = nd.simulate(nd.LIF(), nd.Step(3.0), 40.0, y0=y0)
    times = np.asarray(sol.spikes.times)[: int(sol.spikes.count)]
    assert times[0] == pytest.approx(0.025)
    assert np.diff(times)[0] == pytest.approx(interval(3.0), abs=0.06)


def test_silent_neuron():
    # Rheobase 1.5 nA: just below it there is no spike, the times are inf and the gradient of the voltage is finite.
    def final(current):
        sol = nd.simulate(nd.LIF(), nd.Step(current), 300.0)
        return sol.v[-1], sol

    (v, sol), slope = jax.jit(jax.value_and_grad(final, has_aux=True))(jnp.asarray(1.499))
    assert int(sol.spikes.count) == 0
    assert np.isinf(sol.spikes.times).all()
    assert int(sol.status) == nd.Status.ok
    share = 1 - np.exp(-300.0 / 20.0)
    assert float(v) == pytest.approx(-65 + 14.99 * share, abs=1e-9)
    assert float(slope) == pytest.approx(10 * share, rel=1e-9)


def test_a_nan_in_the_input_is_reported():
    def run(values):
        return nd.simulate(nd.LIF(), nd.Samples(values, 1.0), 40.0)

    sol = jax.jit(run)(jnp.full(40, 3.0).at[20].set(jnp.nan))
    assert int(sol.status) == nd.Status.non_finite
    assert np.isnan(sol.v[-1])
    assert np.isfinite(sol.v[:760]).all()  # 19 ms: an average looks at the sample after its own too
    assert np.isnan(sol.final["v"])


def test_reset_at_or_above_threshold_is_refused():
    with pytest.raises(ValueError, match="fires without end"):
        nd.LIF(reset=-50.0)


def test_the_adaptive_path_is_refused():
    with pytest.raises(ValueError, match="resets at a spike"):
        nd.simulate(nd.LIF(), nd.Step(3.0), 10.0, method=nd.Adaptive())
