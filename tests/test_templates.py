"""Cells for patch recordings: the gates they bring along against the papers, the generalised integrate-and-fire neuron against an independent solver, and
templates that are as a measured cell is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_gradients_are_differences, spike_time_gradients
from scipy.integrate import solve_ivp

import neurodyn as nd
from neurodyn.channels import HCurrent, SlowPotassium, SlowSodium, Sodium
from neurodyn.points import GIF, Adaptation
from neurodyn.templates import Template, adaptive_threshold, fast_spiking, regular_spiking


exp = np.exp
TEMPLATES = {make.__name__: make() for make in (regular_spiking, fast_spiking, adaptive_threshold)}


# Gates --------------------------------------------------------------------------------------------------------------------------


def _thalamic_h(v):
    """Huguenard and McCormick (1992)."""
    return 1 / (1 + exp((v + 75) / 5.5)), 1 / (exp(-14.59 - 0.086 * v) + exp(-1.87 + 0.0701 * v))


def _cortical_h(v):
    """Kole et al. (2006)."""
    alpha, beta = 0.00643 * (v + 154.9) / (exp((v + 154.9) / 11.9) - 1), 0.193 * exp(v / 33.1)
    return alpha / (alpha + beta), 1 / (alpha + beta)


def _slow_inactivation(v):
    """Fleidervish et al. (1996)."""
    alpha, beta = 0.001 * exp((-85 - v) / 30), 0.0034 / (exp((-17 - v) / 10) + 1)
    return alpha / (alpha + beta), 1 / (alpha + beta)


PUBLISHED = {
    "h": (HCurrent().q, _thalamic_h),
    "cortical h": (HCurrent.cortical().q, _cortical_h),
    "s": (SlowSodium().s, _slow_inactivation),
    "m": (SlowPotassium().z, lambda v: (1 / (1 + exp((-35 - v) / 4)), 100.0)),  # Prescott and Sejnowski (2008)
    "ahp": (SlowPotassium.after_hyperpolarisation().z, lambda v: (1 / (1 + exp((0 - v) / 4)), 100.0)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_gates_are_those_of_the_paper(name):
    gate, formula = PUBLISHED[name]
    v = np.linspace(-119.73, 59.77, 300)
    steady, time = formula(v)
    opening, total = gate.rates(jnp.asarray(v), jnp.asarray(36.0))
    np.testing.assert_allclose(opening / total, steady, rtol=1e-11)
    np.testing.assert_allclose(1 / total, np.broadcast_to(time, v.shape), rtol=1e-11)


def test_numbers_of_the_h_currents():
    """By hand from the printed formulas: half open at -75 mV within 0.917 s, the slowest around -81.5 mV; more than ten times faster in cortex at -60 mV."""
    opening, total = HCurrent().q.rates(jnp.asarray(-75.0), jnp.asarray(36.0))
    assert float(opening / total) == pytest.approx(0.5, rel=1e-12)
    assert float(1 / total) == pytest.approx(1 / (exp(-8.14) + exp(-7.1275)), rel=1e-9)
    grid = jnp.linspace(-110.0, -50.0, 6001)
    slowest = float(grid[jnp.argmin(HCurrent().q.rates(grid, jnp.asarray(36.0))[1])])
    assert slowest == pytest.approx(-81.5 + np.log(0.086 / 0.0701) / 0.1561, abs=0.02)


def test_open_slow_inactivation_is_sodium():
    slow, fast = SlowSodium.traub_miles(100.0, 50.0, -55.0), Sodium.traub_miles(100.0, 50.0, -55.0)
    v, x = jnp.asarray(-40.0), {"m": jnp.asarray(0.3), "h": jnp.asarray(0.4)}
    assert float(slow.current(v, {**x, "s": jnp.asarray(1.0)})) == float(fast.current(v, x))
    assert float(slow.current(v, {**x, "s": jnp.asarray(0.5)})) == float(fast.current(v, x)) / 2


# The generalised integrate-and-fire neuron --------------------------------------------------------------------------------------


def _numbers(model: GIF) -> dict[str, float]:
    return {name: float(item) for name, item in vars(model).items() if name != "currents"}


def _reference(model: GIF, current: float, t1: float) -> np.ndarray:
    """The spike times, ms, by SciPy's DOP853 from event to event."""
    p = _numbers(model)
    a, b, tau = (np.asarray([float(getattr(x, name)) for x in model.currents.values()]) for name in ("a", "b", "tau"))

    def others(v, y):
        height = v - p["e_leak"]
        return [*((a * height - y[1:-2]) / tau), -y[-2] / p["tau_s"], (p["coupling"] * height - y[-1]) / p["tau_v"]]

    def slope(t, y):
        v, theta = y[0], p["threshold"] + y[-2] + y[-1]
        upward = p["g_leak"] * p["sharpness"] * np.exp((v - theta) / p["sharpness"])
        dv = (current - p["g_leak"] * (v - p["e_leak"]) + upward - y[1:-2].sum()) / p["capacitance"]
        return [dv, *others(v, y)]

    def held(t, y):
        return [0.0, *others(y[0], y)]

    def crossing(t, y):
        return y[0] - p["cut"]

    crossing.terminal, crossing.direction = True, 1
    options = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-11}
    t, y, times = 0.0, np.asarray([p["e_leak"], *0 * a, 0.0, 0.0]), []
    while True:
        piece = solve_ivp(slope, (t, t1), y, events=crossing, **options)
        if piece.status != 1:
            return np.asarray(times)
        t, y = piece.t[-1], piece.y[:, -1]
        times.append(t)
        y = np.asarray([p["reset"], *(y[1:-2] + b), y[-2] + p["increment"], y[-1]])
        y = solve_ivp(held, (t, t + p["refractory"]), y, **options).y[:, -1]
        t += p["refractory"]


def test_spike_times_of_the_gif_are_the_equations():
    model = nd.replace(GIF(), {"currents.fast.a": -1.0, "coupling": 0.3})
    expected = _reference(model, 250.0, 300.0)
    assert len(expected) >= 5
    errors = []
    for dt in (0.1, 0.05):
        got = np.asarray(nd.simulate(model, nd.Step(250.0), 300.0, dt=dt, record=[], max_spikes=40).spikes.times)
        errors.append(np.abs(got[: len(expected)] - expected).max())
        assert np.isinf(got[len(expected) :]).all()
    assert errors[0] < 5e-3 and errors[0] / errors[1] > 3  # second order in the step


def test_gif_of_one_current_and_a_fixed_threshold_is_adex():
    adex = nd.AdEx()
    p = {name: float(item) for name, item in vars(adex).items()}
    names = ("capacitance", "g_leak", "e_leak", "threshold", "sharpness", "reset", "cut")
    currents = {"w": Adaptation(p["tau"], p["a"], p["b"])}
    gif = GIF(*(p[name] for name in names), 0.0, currents, increment=0.0, coupling=0.0)
    one, other = (nd.simulate(m, nd.Step(1000.0), 150.0, record=[], max_spikes=16).spikes.times for m in (adex, gif))
    assert np.isfinite(one).sum() >= 5
    np.testing.assert_allclose(other, one, atol=1e-9)


@pytest.mark.slow
def test_gradients_of_the_gif():
    model = nd.replace(GIF(), {"currents.fast.a": -1.0, "coupling": 0.3})
    assert_gradients_are_differences(spike_time_gradients(model, 600.0, 60.0, 4), 1e-5)


def test_steady_current_is_where_a_gif_goes():
    model = nd.replace(GIF(), {"coupling": 0.3})
    v = nd.simulate(model, nd.Step(60.0), 3000.0, dt=0.1, max_spikes=0).v[-1]
    assert float(model.steady_current(v)) == pytest.approx(60.0, rel=1e-6)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: GIF(reset=5.0), "GIF.reset = 5.0 mV is not allowed: must be < cut"),
        (lambda: GIF(currents={}), "currents is not allowed to be empty"),
        (lambda: GIF(currents={"a b": Adaptation()}), "current name 'a b' is not allowed"),
        (lambda: GIF(currents={"w": 3.0}), "current 'w' is not allowed: must be an Adaptation, got float"),
    ],
)
def test_impossible_gifs_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# Templates ----------------------------------------------------------------------------------------------------------------------

MEASURED = {"capacitance": 280.0, "input_resistance": 102.0, "rest": -62.2}


@jax.jit
def _spread(model, currents):
    def one(current):
        sol = nd.simulate(model, nd.Step(current), 4000.0, dt=0.1, every=1000, y0="rest", max_spikes=0)
        return sol.v[0], sol.v[-1]

    return jax.vmap(one)(currents)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_scaled_template_is_as_measured(name):
    scaled = TEMPLATES[name].scaled(**MEASURED)
    assert float(scaled.model.capacitance) == pytest.approx(280.0)
    rest, end = _spread(scaled.model, jnp.asarray([-1.0, 1.0]))  # pA
    np.testing.assert_allclose(rest, -62.2, atol=0.01)
    assert 1e3 * float(end[1] - end[0]) / 2 == pytest.approx(102.0, rel=0.01)  # mV per pA in Mohm


@pytest.mark.parametrize(
    "name", ["regular_spiking", "fast_spiking", pytest.param("adaptive_threshold", marks=pytest.mark.slow)]
)
def test_templates_fire_in_a_step_only(name):
    scaled = TEMPLATES[name].scaled(**MEASURED)

    @jax.jit
    def trains(currents):
        run = lambda i: nd.simulate(scaled.model, nd.Step(i, 20.0, 520.0), 700.0, dt=0.05, y0="rest", record=[])  # noqa: E731
        return jax.vmap(run)(currents).spikes.times

    times = np.asarray(trains(jnp.asarray([0.0, 280.0, 560.0])))
    counts = np.isfinite(times).sum(1)
    assert counts[0] == 0 and 3 <= counts[1] < counts[2]
    fired = times[np.isfinite(times)]
    assert fired.min() > 20.0 and fired.max() < 525.0
    first = times[1][: counts[1]]
    intervals = np.diff(first)
    if name == "fast_spiking":
        assert intervals[-1] == pytest.approx(intervals[1], rel=0.02)
    else:
        assert intervals[-1] > 1.3 * intervals[0]


@pytest.mark.parametrize("name", TEMPLATES)
def test_values_are_inside_their_bounds_before_and_after_scaling(name):
    template = TEMPLATES[name]
    units = {row.path: row.info.unit for row in nd.describe(template.model)}
    assert not {"mS/cm2", "uF/cm2"} & set(units.values())
    for one in (template, template.scaled(**MEASURED)):
        values = {row.path: float(row.value) for row in nd.describe(one.model)}
        assert set(one.trainable) == set(one.bounds)
        for path, (lower, upper) in one.bounds.items():
            assert lower < values[path] < upper, path
    scaled = template.scaled(**MEASURED)
    assert scaled.bounds["capacitance"] == pytest.approx((140.0, 392.0))
    assert all(scaled.bounds[path] == pair for path, pair in template.bounds.items() if path.endswith("shift"))


def test_what_cannot_be_scaled_is_refused():
    template = TEMPLATES["regular_spiking"]
    for name, value, message in (
        ("capacitance", -1.0, "capacitance = -1 is not allowed"),
        ("rest", 20.0, "rest = 20 mV is not allowed"),
        ("input_resistance", 2000.0, "input_resistance = 2000 Mohm is not allowed: must be < "),
    ):
        with pytest.raises(ValueError, match=message):
            template.scaled(**{**MEASURED, name: value})


def test_templates_that_contradict_themselves_are_refused():
    template = TEMPLATES["fast_spiking"]
    bounds = {**template.bounds, "na.g": (1.0, 2.0)}
    with pytest.raises(ValueError, match="fast_spiking: na.g = 5000 is not allowed: must be between 1 and 2"):
        dataclasses.replace(template, bounds=bounds)
    with pytest.raises(ValueError, match="capacitance is not both in trainable and in bounds"):
        dataclasses.replace(template, trainable=template.trainable[1:])
    with pytest.raises(ValueError, match="na.q is no parameter of Pospischil"):
        Template("x", template.model, ("na.q",), {"na.q": (0.0, 1.0)})
