"""The quadratic and exponential integrate-and-fire neurons and the theta neuron, against closed forms and quadratures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_gradients_are_differences, spike_time_gradients

import neurodyn as nd
from neurodyn.points.flows import ExponentialUpstroke, QuadraticUpstroke, Rotation


DRIVES = np.asarray([0.25, 1.0, 4.0])


def _times(model, drives, t1, dt=0.1, y0=None):
    def run(drive):
        sol = nd.simulate(model, nd.Step(drive), t1, dt=dt, y0=y0, record=[])
        return sol.spikes.times, sol.status

    times, status = jax.jit(jax.vmap(run))(jnp.asarray(drives))
    assert (np.asarray(status) == nd.Status.ok).all()
    return np.asarray(times)


def test_period_of_the_quadratic_neuron():
    # tau / sqrt(I) (atan(threshold / sqrt(I)) - atan(reset / sqrt(I))): for bounds of -10 and 10, I = 1 and tau = 10 it is 20 atan(10) = 29.42255 ms.
    y0 = {"v": jnp.asarray(-10.0), "refractory": jnp.asarray(0.0)}
    times = _times(nd.QIF(), DRIVES, 150.0, y0=y0)[:, :2]
    expected = 20 / np.sqrt(DRIVES) * np.arctan(10 / np.sqrt(DRIVES))
    assert expected[1] == pytest.approx(29.42255, abs=1e-5)
    np.testing.assert_allclose(times, expected[:, None] * [1, 2], rtol=1e-12)


def test_period_of_the_theta_neuron():
    # pi tau / sqrt(I), of which the first is half, from theta = 0. Exact in every step, whatever its length.
    times = _times(nd.Theta(), DRIVES, 150.0, dt=0.5)[:, :2]
    np.testing.assert_allclose(times, 10 * np.pi / np.sqrt(DRIVES)[:, None] * [0.5, 1.5], rtol=1e-12)


def test_the_theta_neuron_is_the_quadratic_one():
    # v = tan(theta / 2), above and below the onset, from anywhere, over one step.
    for drive, theta in ((0.7, 0.3), (-0.4, -2.0), (2.0, -3.0), (0.0, 1.0)):
        drive, theta = jnp.asarray(drive), jnp.asarray(theta)
        theta_slope = nd.Theta().dynamics(0.0, {"theta": theta}, drive).slope["theta"]
        after = Rotation(drive, jnp.asarray(10.0)).advance(theta, theta_slope, 2.0)
        v = jnp.tan(theta / 2)
        flow = QuadraticUpstroke(2 * v / 10, jnp.asarray(0.1))
        np.testing.assert_allclose(jnp.tan(after / 2), flow.advance(v, (v**2 + drive) / 10, 2.0), rtol=1e-12)


def test_interval_of_the_exponential_neuron():
    # The time from -60 mV to 0 by quadrature (tau 10 ms, rest -65, threshold -50, sharpness 2 mV), for R I in mV. Near the onset, 13, it grows like
    # 1 / sqrt(R I - 13), and so does what an error of the step does to it.
    table = {13.01: 625.184, 13.1: 194.568, 15.0: 37.3596, 20.0: 16.0617, 30.0: 8.10803}
    model = nd.EIF(resistance=1.0, threshold=-50.0, sharpness=2.0, reset=-60.0, refractory=0.0)
    y0 = {"v": jnp.asarray(-60.0), "refractory": jnp.asarray(0.0)}
    times = _times(model, list(table), 640.0, dt=0.05, y0=y0)
    np.testing.assert_allclose(times[:, 0], list(table.values()), rtol=2e-5)


def test_rheobase_of_the_exponential_neuron():
    # R I = threshold - rest - sharpness: a fixed point of slope zero there.
    model = nd.EIF()
    y = {"v": model.threshold, "refractory": jnp.zeros(())}
    current = (model.threshold - model.rest - model.sharpness) / model.resistance
    assert float(model.dynamics(0.0, y, current).slope["v"]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "model, drive, t1, spikes",
    [
        pytest.param(nd.QIF(refractory=1.0), 1.0, 60.0, 2, marks=pytest.mark.slow),
        (nd.Theta(), 1.0, 70.0, 2),
        pytest.param(nd.EIF(), 1.0, 45.0, 2, marks=pytest.mark.slow),
    ],
    ids=["qif", "theta", "eif"],
)
def test_gradients_of_spike_times(model, drive, t1, spikes):
    assert_gradients_are_differences(spike_time_gradients(model, drive, t1, spikes))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_flows_stay_at_rest_and_finite(dtype):
    # For slopes, rates and steps of any size: nothing at rest moves, nothing is NaN, and neither is a derivative.
    slopes, rates = np.meshgrid([-1e3, -1.0, -1e-6, 0.0, 1e-6, 1.0, 1e5], [0.0, 1e-12, 1e-3, 1.0, 1e4])
    slopes, rates = (jnp.asarray(x.ravel(), dtype) for x in (slopes, rates))
    two, tenth = jnp.asarray(2.0, dtype), jnp.asarray(0.1, dtype)

    def exponential(slope, rate):
        return ExponentialUpstroke(rate, two, tenth).advance(jnp.zeros_like(slope), slope, tenth)

    def quadratic(slope, rate):
        return QuadraticUpstroke(rate - 1, tenth).advance(jnp.zeros_like(slope), slope, tenth)

    for flow in (exponential, quadratic):
        value, gradients = jax.vmap(jax.value_and_grad(flow, (0, 1)))(slopes, rates)
        assert value.dtype == dtype
        assert np.isfinite(value).all() and all(np.isfinite(g).all() for g in gradients)
        still = np.asarray(slopes) == 0
        np.testing.assert_allclose(
            np.asarray(value)[still & (np.asarray(rates) < 1e3)], 0.0, atol=20 * np.finfo(dtype).eps
        )


def test_contradictions_are_refused():
    with pytest.raises(
        ValueError, match=r"QIF.reset = 10.0 is not allowed: must be < threshold = 10.0, or the unit fires without end"
    ):
        nd.QIF(reset=10.0)
    with pytest.raises(ValueError, match=r"QIF.threshold = -1.0 is not allowed: must be > 0.0"):
        nd.QIF(threshold=-1.0)
    with pytest.raises(ValueError, match=r"EIF.reset = 5.0 mV is not allowed: must be < cut = 0.0 mV"):
        nd.EIF(reset=5.0)


def test_the_margin_of_an_upstroke_goes_through_the_divergence_without_a_jump():
    # A high cut is crossed within rounding of it, and a search may look from either side: one value, one slope.
    model = nd.AdEx()
    y = {"v": jnp.asarray(-42.0), "w": jnp.asarray(20.0)}
    flow = model.dynamics(0.0, y, 800.0)

    def margin(time):
        return model.margin(0.0, {**y, "v": flow.decay["v"].advance(y["v"], flow.slope["v"], time)})

    looked = jax.jit(jax.vmap(jax.value_and_grad(margin)))
    times = jnp.linspace(0.1, 0.2, 101)
    values, rates = looked(times)
    first = int(np.argmax(values > 0))
    zero = times[first] - values[first] / rates[first]
    for _ in range(3):
        value, rate = looked(zero[None])
        zero = zero - value[0] / rate[0]
    values, rates = looked(zero + jnp.asarray([-1e-9, 1e-9]))
    np.testing.assert_allclose(values, rates * np.asarray([-1e-9, 1e-9]), atol=1e-14)
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-6)
