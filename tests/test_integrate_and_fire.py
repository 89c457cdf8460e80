"""The neurons with an adaptive threshold and with after-spike currents: against closed forms, steps of other lengths, and differences."""

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from helpers import assert_gradients_are_differences, spike_time_gradients
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import neurodyn as nd
from neurodyn.points import AfterSpikeCurrents


def _times(models, current, t1, dt):
    run = jax.jit(
        jax.vmap(lambda m: nd.simulate(m, nd.Step(current), t1, dt=dt, record=[], max_spikes=40).spikes.times)
    )
    return np.asarray(run(jtu.tree_map(lambda *x: jnp.stack(x), *models)))


def test_adaptive_threshold():
    # Between spikes both the voltage and the threshold are known: spike after spike by a root of their difference.
    fast, slow = nd.AdaptiveLIF(), nd.AdaptiveLIF(increment=0.0)
    times = _times([fast, slow], 3.0, 120.0, 0.1)
    t, adaptation, refractory, expected = 0.0, 0.0, 0.0, []
    for _ in range(5):
        start = t + refractory

        def above(s, t=t, start=start, adaptation=adaptation):
            return -65 + 30 * (1 - np.exp(-(s - start) / 20)) + 50 - adaptation * np.exp(-(s - t) / 100)

        end = brentq(above, start, start + 100, xtol=1e-13)
        t, adaptation, refractory = end, adaptation * np.exp(-(end - t) / 100) + 2.0, 2.0
        expected.append(t)
    np.testing.assert_allclose(times[0, :5], expected, rtol=1e-12)
    # Without an increment it is the leaky neuron: 2 + 20 ln 2 ms (Lapicque).
    np.testing.assert_allclose(np.diff(times[1, :4]), 2 + 20 * np.log(2), rtol=1e-12)


def _glif_reference(p, current, t1):
    """Spike times of `nd.GLIF` by SciPy's DOP853 at 1e-12, from event to event."""
    decay, increment, ratio = (
        np.asarray(x) for x in (p.after_spike.decay, p.after_spike.increment, p.after_spike.ratio)
    )
    p = {name: float(x) for name, x in vars(p).items() if name != "after_spike"}

    def slope(t, y):
        v, theta_s, theta_v, *i = y
        dv = (current + np.sum(i) - p["g_leak"] * (v - p["e_leak"])) / p["capacitance"]
        return [dv, -p["decay_s"] * theta_s, p["a_v"] * (v - p["e_leak"]) - p["decay_v"] * theta_v, *(-decay * i)]

    def crossing(t, y):
        return y[0] - p["threshold"] - y[1] - y[2]

    crossing.terminal, crossing.direction = True, 1
    t, y, times = 0.0, np.asarray([p["e_leak"], 0.0, 0.0, *np.zeros(decay.size)]), []
    while t < t1:
        piece = solve_ivp(slope, (t, t1), y, method="DOP853", rtol=1e-12, atol=1e-12, events=crossing)
        if piece.status != 1:
            break
        times.append(piece.t[-1])
        v, theta_s, theta_v, *i = piece.y[:, -1]
        t, wait = piece.t[-1] + p["refractory"], p["refractory"]
        v = p["e_leak"] + p["fraction"] * (v - p["e_leak"]) - p["drop"]
        i = ratio * i * np.exp(-decay * wait) + increment
        y = np.asarray([v, theta_s * np.exp(-p["decay_s"] * wait) + p["increment_s"], theta_v, *i])
    return np.asarray(times)


def test_generalised_neuron():
    five, four = nd.GLIF(), nd.GLIF(a_v=0.0)
    one = nd.replace(four, {"fraction": 0.0, "drop": 0.0, "increment_s": 0.0, "after_spike.increment": jnp.zeros(2)})
    # The same at half the step: a model that is twice as slow.
    half = {"capacitance": 200.0, "refractory": 4.0} | {
        name: getattr(five, name) / 2 for name in ("decay_s", "decay_v", "a_v")
    }
    slower = nd.replace(five, half | {"after_spike.decay": five.after_spike.decay / 2})
    times = _times([five, four, one, slower], 250.0, 400.0, 0.1)
    for model, found, tolerance in (
        (five, times[0], 2e-3),
        (four, times[1], 1e-9),
    ):  # exact but for the threshold that follows the voltage
        expected = _glif_reference(model, 250.0, 200.0)
        assert len(expected) > 8
        np.testing.assert_allclose(found[: len(expected)], expected, atol=tolerance)
        assert (found[len(expected) :] > 200.0).all()
    # Second order in the step: a quarter of the error with half of it.
    finer = times[3] / 2
    expected = _glif_reference(five, 250.0, 200.0)
    errors = [np.abs(t[: len(expected)] - expected).max() for t in (times[0], finer)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.3)
    # Without any after-effect it is the leaky neuron (Lapicque).
    np.testing.assert_allclose(np.diff(times[2, :4]), 2 + 20 * np.log(50 / 30), rtol=1e-12)


@pytest.mark.parametrize(
    "model, current, t1",
    [
        pytest.param(nd.AdaptiveLIF(), 3.0, 40.0, marks=pytest.mark.slow),
        pytest.param(nd.GLIF(), 250.0, 30.0, marks=pytest.mark.slow),
    ],
    ids=["adaptive", "generalised"],
)
def test_gradients_of_spike_times(model, current, t1):
    assert_gradients_are_differences(spike_time_gradients(model, current, t1, 2))


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="AdaptiveLIF.reset = -50.0 mV is not allowed: must be < threshold = -50.0 mV"):
        nd.AdaptiveLIF(reset=-50.0)
    with pytest.raises(ValueError, match="GLIF.reset = -50.0 mV is not allowed: must be < threshold = -50.0 mV"):
        nd.GLIF(fraction=1.0, drop=0.0)
    with pytest.raises(ValueError, match="must be arrays of one shape"):
        AfterSpikeCurrents(jnp.ones(2), jnp.ones(1), jnp.ones(2))
