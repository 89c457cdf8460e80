"""The adaptive exponential integrate-and-fire neuron: spike times against an independent solver, the published patterns, gradients."""

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from helpers import assert_gradients_are_differences, observed_orders, precision, spike_time_gradients
from scipy.integrate import solve_ivp

import neurodyn as nd


# Naud et al. (2008), Biol. Cybern. 99:335, figure 4, from e_leak, 600 ms: number of spikes, the first and the intervals after it (ms), computed with an
# event-driven DOP853 at 1e-11 and counts with an Euler step of 1 us.
PATTERNS = {
    "tonic": (62, None, [8.929]),
    "adaptation": (12, None, [11.268, 14.376, 19.610, 29.423, 47.744, 67.705]),
    "initial_burst": (12, None, [3.419, 7.319, 54.747, 64.119]),
    "regular_bursting": (11, None, []),
    "delayed_accelerating": (46, 33.6, [20.6]),
    "delayed_regular_bursting": (32, 57.2, [3.215, 4.309, 7.421, 56.857]),
    "transient": (1, 30.29, []),
    "irregular": (33, None, [3.4]),
}
# The same, the last interval.
LAST = {"tonic": 9.585, "adaptation": 75.909, "initial_burst": 63.952, "delayed_accelerating": 10.27}

STEPS = np.asarray([0.1, 0.05, 0.025, 0.0125])


def _reference(model: nd.AdEx, current: float, t1: float) -> np.ndarray:
    """The spike times, ms, by SciPy's DOP853 at 1e-12 from event to event."""
    p = {name: float(item) for name, item in vars(model).items()}

    def slope(t, y):
        v, w = y
        exponential = p["g_leak"] * p["sharpness"] * np.exp((v - p["threshold"]) / p["sharpness"])
        dv = (-p["g_leak"] * (v - p["e_leak"]) + exponential - w + current) / p["capacitance"]
        return [dv, (p["a"] * (v - p["e_leak"]) - w) / p["tau"]]

    def crossing(t, y):
        return y[0] - p["cut"]

    crossing.terminal, crossing.direction = True, 1
    t, y, times = 0.0, np.asarray([p["e_leak"], 0.0]), []
    while True:
        piece = solve_ivp(slope, (t, t1), y, method="DOP853", rtol=1e-12, atol=1e-12, events=crossing)
        if piece.status != 1:
            return np.asarray(times)
        t, y = piece.t[-1], np.asarray([p["reset"], piece.y[1, -1] + p["b"]])
        times.append(t)


def _stretched(model: nd.AdEx, factor: float) -> nd.AdEx:
    """The same model `factor` times slower: with a step of 0.1 ms what the model is with 0.1 / factor."""
    return nd.replace(model, {"capacitance": factor * model.capacitance, "tau": factor * model.tau})


@pytest.fixture(scope="module")
def runs():
    """The default model at 1000 pA with each of the steps, and the patterns with 0.025 ms, in one program: spike times of each, and the numbers of spikes."""
    patterns = nd.points.adex_patterns()
    models = [_stretched(nd.AdEx(), 0.1 / dt) for dt in STEPS] + [_stretched(p.model, 4.0) for p in patterns.values()]
    currents = jnp.asarray([1000.0] * len(STEPS) + [float(p.stimulus.amplitude) for p in patterns.values()])

    def run(model, current):
        sol = nd.simulate(model, nd.Step(current), 3200.0, dt=0.1, record=[], max_spikes=120)
        return sol.spikes.times, sol.status

    times, status = jax.jit(jax.vmap(run))(jtu.tree_map(lambda *x: jnp.stack(x), *models), currents)
    times = np.asarray(times) / np.asarray([*(0.1 / STEPS), *[4.0] * len(patterns)])[:, None]
    assert (np.asarray(status) == nd.Status.ok).all()
    return times[: len(STEPS)], {name: t[t < 600.0] for name, t in zip(patterns, times[len(STEPS) :], strict=True)}


def test_fourteen_spikes_of_brette_and_gerstner(runs):
    expected = _reference(nd.AdEx(), 1000.0, 400.0)
    # The same times from another program (Python 3, SciPy 1.13, DOP853 at 1e-12).
    np.testing.assert_allclose(expected[:4], [11.791573, 25.376060, 41.196209, 59.775663], atol=1e-6)
    np.testing.assert_allclose(expected[-1], 380.202284, atol=1e-6)
    assert len(expected) == 14
    errors = np.abs(runs[0][:, :14] - expected)
    # Second order. An early spike's error is small and depends on where in its step it lies: hence a bound on each, and the order of the largest.
    assert (errors <= 0.2 * STEPS[:, None] ** 2).all()
    assert (observed_orders(errors.max(axis=1)) > 1.7).all()


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(runs, name):
    count, first, intervals = PATTERNS[name]
    times = runs[1][name]
    assert len(times) == count
    if first is not None:
        assert times[0] == pytest.approx(first, abs=0.05)
    tolerance = [0.6 * 10.0 ** -len(str(x).partition(".")[2]) for x in intervals]  # half of the last digit
    assert (np.abs(np.diff(times)[: len(intervals)] - intervals) <= np.maximum(tolerance, 2e-3)).all()
    if name in LAST:
        assert np.diff(times)[-1] == pytest.approx(LAST[name], abs=6e-3)


def test_bursting_patterns(runs):
    # A burst of three, then bursts of two: 5.35 ms within, 133.18 ms between, period 138.53 ms.
    intervals = np.diff(runs[1]["regular_bursting"])
    np.testing.assert_allclose(intervals[-2:], [133.18, 5.35], atol=0.01)
    assert (intervals[:2] < 6).all() and intervals[2] > 100
    # No two intervals alike in a row of four, as they are in a burst with a period.
    irregular = np.diff(runs[1]["irregular"])
    assert irregular.min() == pytest.approx(3.4, abs=0.05)
    for period in range(1, 8):
        assert np.abs(irregular[period:] - irregular[:-period]).max() > 1.0


def test_the_saddle_node_is_where_rest_disappears():
    # Where the slope of v is zero at its least, w being a (v - e_leak): found on a grid.
    for model in (nd.AdEx(), nd.AdEx.tonic(), nd.AdEx.transient(), nd.AdEx.delayed_accelerating()):
        v = jnp.linspace(-80.0, -40.0, 400001)
        y = {"v": v, "w": model.a * (v - model.e_leak)}
        slope = model.dynamics(0.0, y, model.saddle_node()).slope["v"]
        assert float(jnp.min(slope)) == pytest.approx(0.0, abs=1e-6)


def test_gradients_of_spike_times():
    assert_gradients_are_differences(spike_time_gradients(nd.AdEx(), 1000.0, 50.0, 3))


def test_observables_add_up():
    model, y = nd.AdEx(), {"v": jnp.asarray(-48.0), "w": jnp.asarray(30.0)}
    seen = model.observe(0.0, y, jnp.asarray(500.0))
    total = 500.0 - 30.0 - float(seen["i_leak"]) - float(seen["i_exp"])
    assert float(model.dynamics(0.0, y, jnp.asarray(500.0)).slope["v"]) == pytest.approx(total / 281.0)
    assert float(seen["i_exp"]) == pytest.approx(-30.0 * 2.0 * np.exp(1.2))


def test_an_upstroke_that_overflows_is_refused():
    # exp((0 + 50.4) / 0.05) is more than float64 holds, exp((0 + 50.4) / 0.5) more than float32.
    with pytest.raises(ValueError, match=r"AdEx.sharpness = 0.05 mV is not allowed: must be >= 0.0888 mV"):
        nd.AdEx(sharpness=0.05)
    nd.AdEx(sharpness=0.5)
    with precision(jnp.float32), pytest.raises(ValueError, match=r"must be >= 0.71 mV"):
        nd.AdEx(sharpness=0.5)
    with pytest.raises(ValueError, match="sharpness = 0.0 mV is not allowed"):
        nd.AdEx(sharpness=0.0)


def test_a_reset_above_the_cut_is_refused():
    with pytest.raises(
        ValueError, match=r"AdEx.reset = 0.0 mV is not allowed: must be < cut = 0.0 mV, or the unit fires without end"
    ):
        nd.AdEx(reset=0.0)
