"""The Hodgkin-Huxley neuron against published and independently computed numbers.

"Reference" below means numbers computed apart from this package by SciPy's DOP853 (tolerances 1e-8 and tighter); papers are named.
"""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import hh_rates, hh_state, hh_vector

import neurodyn as nd
from neurodyn._simulate.rest import rest_state


ACCURATE = nd.Adaptive(rtol=1e-9, atol=1e-9)


rest_state = eqx.filter_jit(rest_state)


@pytest.fixture(scope="module")
def rest(hh):
    return rest_state(hh)


# Rest ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "e_leak, expected",
    [  # reference, (v, m, h, n)
        (-54.387, (-64.99638, 0.0529551, 0.5959941, 0.3177324)),
        (-54.4, (-64.99972, 0.0529342, 0.5961110, 0.3176812)),
    ],
)
def test_rest(hh, e_leak, expected):
    y = rest_state(nd.replace(hh, {"leak.e": e_leak}))
    np.testing.assert_allclose(hh_vector(y), expected, rtol=1e-6, atol=1e-6)


def test_steady_gates_and_time_constants_at_minus_65_mv(hh):
    # Reference; Hodgkin and Huxley (1952) round the gates to .05, .6 and .32.
    y = hh.init()
    np.testing.assert_allclose(hh_vector(y)[1:], (0.0529325, 0.5961208, 0.3176769), atol=1e-7)
    decay = hh.dynamics(0.0, y, jnp.asarray(0.0)).decay
    np.testing.assert_allclose(1 / hh_vector(decay)[1:], (0.23677, 8.51601, 5.45858), atol=1e-5)


def test_slope_resistance_at_rest(hh):
    # Reference: 0.8570 kohm cm2 at the rest of E_L = -54.387 mV, gates following.
    v = 1e-3
    up, down = (rest_state(hh, jnp.asarray(drive))["v"] for drive in (v, -v))
    assert float((up - down) / (2 * v)) == pytest.approx(0.8570, abs=1e-4)


def test_eigenvalues_at_rest(hh, rest):
    # Reference: -4.6750, -0.20264 +- 0.38322i, -0.12067 1/ms.
    flat, unravel = jax.flatten_util.ravel_pytree(rest)

    def slope(x):
        return jax.flatten_util.ravel_pytree(hh.dynamics(0.0, unravel(x), jnp.asarray(0.0)).slope)[0]

    got = np.sort_complex(np.linalg.eigvals(np.asarray(jax.jacfwd(slope)(flat))))
    expected = [-4.6750, -0.20264 - 0.38322j, -0.20264 + 0.38322j, -0.12067]
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_rest_in_the_convention_of_1952():
    # Reference: reversals (115, -12, 10.6) put the rest at 0.00028 mV.
    model = nd.replace(nd.HodgkinHuxley.relative_to_rest(), {"leak.e": 10.6})
    assert float(rest_state(model)["v"]) == pytest.approx(0.00028, abs=1e-5)


@pytest.mark.parametrize("method", [None, ACCURATE], ids=["fixed", "adaptive"])
def test_both_voltage_conventions_give_the_same_spikes(hh, method):
    relative = nd.HodgkinHuxley.relative_to_rest()
    drive = nd.Step(10.0, 5.0)
    one, other = (nd.simulate(model, drive, 100.0, method=method) for model in (hh, relative))
    assert int(one.spikes.count) == 7
    np.testing.assert_allclose(one.spikes.times[:7], other.spikes.times[:7], atol=1e-6)
    np.testing.assert_allclose(one.v, other.v - 65.0, atol=1e-5)


# Rates --------------------------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_paper(hh):
    v = np.linspace(-119.7, 59.7, 300)
    gates = {"m": hh.na.m, "h": hh.na.h, "n": hh.k.n}
    for name, (opening, closing) in hh_rates(v).items():
        got, total = jax.vmap(lambda v, gate=gates[name]: gate.rates(v, hh.temperature))(jnp.asarray(v))
        np.testing.assert_allclose(got, opening, rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(total, opening + closing, rtol=1e-12, err_msg=name)


def test_removable_singularities(hh):
    # Exact: the limits of 0.1 x / (1 - exp(-x / 10)) and 0.01 x / (1 - exp(-x / 10)) at x = 0, and their slopes, half of rate.
    for rate, v, value, slope in ((hh.na.m.alpha, -40.0, 1.0, 0.05), (hh.k.n.alpha, -55.0, 0.1, 0.005)):
        assert float(rate(jnp.asarray(v))) == pytest.approx(value, abs=1e-15)
        assert float(jax.grad(rate)(jnp.asarray(v))) == pytest.approx(slope, abs=1e-15)


def test_ten_degrees_make_the_gates_three_times_as_fast(hh):
    # Hodgkin and Huxley (1952): Q10 = 3.
    warm = nd.replace(hh, {"temperature": 16.3})
    y = hh_state(-30.0, 0.3, 0.4, 0.4)
    cold_slope, warm_slope = (hh_vector(m.dynamics(0.0, y, jnp.asarray(0.0)).slope) for m in (hh, warm))
    np.testing.assert_allclose(warm_slope[1:], 3 * cold_slope[1:], rtol=1e-14)
    assert warm_slope[0] == cold_slope[0]
    np.testing.assert_allclose(hh_vector(warm.init()), hh_vector(hh.init()), rtol=1e-14)


# The action potential -----------------------------------------------------------------------------------------------------------


# Reference, from v = -65 mV with these gates, I = 10 uA/cm2 from t = 0: v (mV) at times (ms).
START = hh_state(-65.0, 0.0529325, 0.5961207, 0.3176769)
VOLTAGES = {1: -55.975087, 2: 28.408988, 3: 3.442666, 5: -75.058205, 10: -66.686666, 15: -56.655731, 20: -74.643321}


@pytest.fixture(scope="module")
def first_spike(hh):
    """The accurate path at every microsecond."""
    return nd.simulate(hh, nd.Step(10.0), 20.0, method=ACCURATE, y0=START, ts=np.linspace(0, 20, 20001))


def test_voltages_of_the_adaptive_path(first_spike):
    for t, expected in VOLTAGES.items():
        assert float(first_spike.v[1000 * t]) == pytest.approx(expected, abs=2e-5), t


def test_voltages_of_the_fixed_path(hh):
    # Measured at dt = 0.025 ms: within 0.4 mV, most of it where the spike rises at up to 200 mV/ms.
    v = nd.simulate(hh, nd.Step(10.0), 100.0).v
    for t, expected in VOLTAGES.items():
        assert float(v[40 * t]) == pytest.approx(expected, abs=0.5), t


def test_shape_of_the_first_action_potential(first_spike, rest):
    # Reference: peak +40.2688 mV at 2.1377 ms, lowest -75.0782 mV after it; half-width between rest and peak 1.4718 ms, at 0 mV 1.168.
    v, t = np.asarray(first_spike.v[:10001]), np.asarray(first_spike.ts[:10001])
    assert v.max() == pytest.approx(40.2688, abs=1e-3)
    assert t[v.argmax()] == pytest.approx(2.1377, abs=1e-3)
    assert v.min() == pytest.approx(-75.0782, abs=1e-3)

    def width(level):
        above = t[v > level]
        return above[-1] - above[0]

    assert width((v.max() + float(rest["v"])) / 2) == pytest.approx(1.4718, abs=2e-3)
    assert width(0.0) == pytest.approx(1.168, abs=2e-3)


# Upward 0 mV crossings for E_L = -54.3 mV, I = 10 uA/cm2 from 5 ms on, from v = -65 mV with steady gates: reference, the same to 1e-5 ms in
# NEURON with CVODE at 1e-10, rate tables off and condition_order 2.
GOLDEN = (6.896665, 21.803870, 36.439014, 51.062078, 65.684247, 80.306349, 94.928446)


@pytest.mark.parametrize("method, tolerance", [(None, 0.05), (ACCURATE, 1e-4)], ids=["default", "adaptive"])
def test_golden_spike_times(hh, method, tolerance):
    model = nd.replace(hh, {"leak.e": -54.3})
    sol = nd.simulate(model, nd.Step(10.0, 5.0), 100.0, method=method)
    assert int(sol.status) == nd.Status.ok
    assert int(sol.spikes.count) == 7
    np.testing.assert_allclose(sol.spikes.times[:7], GOLDEN, atol=tolerance)
    if method is not None:
        assert float(jnp.interp(5.0, sol.ts, sol.v)) == pytest.approx(-64.95089085766, abs=1e-6)


# Gradients of the first three spike times wrt (I, gNa, gK, gL, C, phi): reference, central differences of DOP853 at 1e-12.
SPIKES = (1.90097186, 16.82258251, 31.4718265)
SPIKE_GRADIENTS = {
    "I": (-0.114996, -0.628663, -1.168738),
    "g_na": (-0.0075527, -0.0682670, -0.1311786),
    "g_k": (0.0239501, 0.2891985, 0.5685878),
    "g_l": (-0.539022, 2.592918, 5.725577),
    "capacitance": (1.355794, 3.289643, 5.241974),
    "phi": (-0.545178, -13.532940, -26.229853),
}


def _spike_times(p: dict, method: nd.Adaptive | nd.FixedStep) -> jax.Array:
    values = {
        "capacitance": p["capacitance"],
        "na.g": p["g_na"],
        "k.g": p["g_k"],
        "leak.g": p["g_l"],
        "*.*.factor": p["phi"],
    }
    # The gradients leave the state at t = 0 alone, and so must this: a common factor does not move steady gates, nor do the others.
    model = nd.replace(nd.HodgkinHuxley(), values)
    return nd.simulate(model, nd.Step(p["I"]), 34.0, method=method, max_spikes=3).spikes.times


@pytest.mark.parametrize(
    "method, tolerance",
    [(nd.Adaptive(rtol=1e-9, atol=1e-9, adjoint=dfx.ForwardMode()), 1e-4), (nd.FixedStep(), 0.01)],
    ids=["adaptive", "fixed"],
)
def test_gradients_of_spike_times(method, tolerance):
    p = {"I": 10.0, "g_na": 120.0, "g_k": 36.0, "g_l": 0.3, "capacitance": 1.0, "phi": 1.0}
    p = {name: jnp.asarray(value) for name, value in p.items()}
    times, gradients = jax.jit(lambda p: (_spike_times(p, method), jax.jacfwd(_spike_times)(p, method)))(p)
    np.testing.assert_allclose(times, SPIKES, atol=1e-5 if tolerance < 1e-3 else 0.05)
    for name, expected in SPIKE_GRADIENTS.items():
        np.testing.assert_allclose(gradients[name], expected, rtol=tolerance, err_msg=name)


# Excitability -------------------------------------------------------------------------------------------------------------------


@eqx.filter_jit
def _batch(model, y0, amplitudes, stop, t1, every=1):
    """One program for many amplitudes: spike counts and voltages (lanes, samples)."""

    def run(amplitude, y0):
        sol = nd.simulate(model, nd.Step(amplitude, 0.0, stop), t1, y0=y0, every=every)
        return sol.spikes.count, sol.v

    return jax.vmap(run)(amplitudes, y0)


def _lanes(y, n):
    return jax.tree_util.tree_map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), y)


def test_rheobase_of_one_spike(hh, rest):
    # Reference: 2.2403 uA/cm2 for a step from rest.
    amplitudes = jnp.asarray([2.230, 2.2503])
    count, _ = _batch(hh, _lanes(rest, 2), amplitudes, jnp.inf, 100.0)
    assert count.tolist() == [0, 1]


@pytest.fixture(scope="module")
def firing(hh, rest):
    """Counts over 400 ms, and firing rates at the cycle's mean voltage, of one program over currents."""
    currents = np.asarray(
        [6.0, 6.25, 6.3, 6.5, 7.0, 8.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 120.0, 150.0]
    )
    count, v = _batch(hh, _lanes(rest, len(currents)), jnp.asarray(currents), jnp.inf, 1000.0)
    v, t = np.asarray(v), np.linspace(0.0, 1000.0, v.shape[1])
    rates = {}
    for current, trace in zip(currents, v, strict=True):
        level = trace[t > 500].mean()
        up = np.flatnonzero((trace[:-1] <= level) & (trace[1:] > level) & (t[:-1] > 500))
        crossings = t[up] + (t[1] - t[0]) * (level - trace[up]) / (trace[up + 1] - trace[up])
        rates[float(current)] = 1e3 / np.diff(crossings).mean() if len(crossings) > 2 else 0.0
    early = [((x[:-1] <= 0) & (x[1:] > 0) & (t[1:] <= 400)).sum() for x in v]
    return (
        dict(zip(currents.tolist(), early, strict=True)),
        dict(zip(currents.tolist(), np.asarray(count), strict=True)),
        rates,
    )


def test_onset_of_repetitive_firing(firing):
    # Rinzel and Miller (1980): I_nu = 6.26 uA/cm2. Reference: at 6.25 it stops after 8 spikes, at 6.30 it does not.
    early, count, _ = firing
    assert early[6.0] <= 3
    assert count[6.25] <= 9
    assert count[6.3] > 50
    assert count[6.5] > 50


# Reference: frequency of the steady cycle, Hz, counted at the cycle's mean voltage.
RATES = {
    6.5: 55.06,
    7.0: 58.33,
    8.0: 62.47,
    10.0: 68.32,
    15.0: 78.65,
    20.0: 86.47,
    30.0: 98.75,
    40.0: 108.61,
    50.0: 117.04,
}
FAST = {75.0: 134.12, 100.0: 147.27, 120.0: 156.25, 150.0: 167.85}


def test_firing_rates(firing):
    for current, expected in {**RATES, **FAST}.items():
        assert firing[2][current] == pytest.approx(expected, rel=0.005), current
    assert firing[2][6.5] == pytest.approx(55.06, abs=0.3)


# Reference: threshold charge (nC/cm2) of a rectangular pulse of so many ms, from rest.
CHARGES = {0.1: 6.513, 0.2: 6.532, 0.5: 6.638, 1.0: 6.919, 2.0: 7.719, 5.0: 11.756}


def test_strength_duration(hh, rest):
    widths = jnp.asarray(list(CHARGES))
    amplitudes = jnp.asarray([charge / width for width, charge in CHARGES.items()])
    both, stop = jnp.concatenate([0.99 * amplitudes, 1.01 * amplitudes]), jnp.concatenate([widths, widths])
    y0 = _lanes(rest, both.size)

    def run(amplitude, stop, y0):
        return nd.simulate(hh, nd.Step(amplitude, 0.0, stop), 30.0, y0=y0).spikes.count

    count = jax.jit(jax.vmap(run))(both, stop, y0)
    assert count.tolist() == [0] * len(CHARGES) + [1] * len(CHARGES)


def test_displacement_threshold(hh, rest):
    # Hodgkin and Huxley (1952), figure 12: 6 mV fails, 7 mV fires. Reference: threshold 6.505 mV; peaks above rest, mV.
    moves = jnp.asarray([6.0, 6.49, 6.52, 7.0, 15.0, 90.0])
    y0 = {**_lanes(rest, moves.size), "v": rest["v"] + moves}
    count, v = _batch(hh, y0, jnp.zeros_like(moves), jnp.inf, 30.0)
    above = np.asarray(v.max(axis=1) - rest["v"])
    np.testing.assert_allclose(above[[0, 3, 4, 5]], (6.00, 102.1, 105.4, 108.5), atol=0.3)
    assert (above[[2]] > 90).all() and (above[[1]] < 20).all()
    assert count[:2].tolist() == [0, 0]
