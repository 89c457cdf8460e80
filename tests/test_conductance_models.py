"""Conductance-based cortical and crustacean neurons against published and independently computed numbers.

"Reference" below means numbers computed apart from this package by SciPy's DOP853 from the published equations; papers are named.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from helpers import precision, reference

import neurodyn as nd
from neurodyn._model import prepare
from neurodyn.channels import Leak, Potassium, Sodium
from neurodyn.kinetics import Instantaneous, LinearExponential, RateRatio


WB, RTM, CS = nd.WangBuzsaki(), nd.ReducedTraubMiles(), nd.ConnorStevens()
PRESETS = (
    "regular_spiking",
    "fast_spiking",
    "intrinsically_bursting",
    "repetitively_bursting",
    "low_threshold_spiking",
)
CELLS = {name: getattr(nd.Pospischil, name)() for name in PRESETS}
RS, IB, LTS = (CELLS[name] for name in ("regular_spiking", "intrinsically_bursting", "low_threshold_spiking"))
MODELS = {"wang_buzsaki": WB, "traub_miles": RTM, "connor_stevens": CS, "ib": IB, "lts": LTS, "ml": nd.MorrisLecar()}

exp = np.exp


# Kinetics -----------------------------------------------------------------------------------------------------------------------


def _ratio(a, b):
    return a / (a + b), 1 / (a + b)


def _traub(v):
    """Traub and Miles (1991) as printed by Pospischil et al. (2008), with v counted from V_T: m, h, n."""
    m = 0.32 * (13 - v) / (exp((13 - v) / 4) - 1), 0.28 * (v - 40) / (exp((v - 40) / 5) - 1)
    h = 0.128 * exp((17 - v) / 18), 4 / (1 + exp((40 - v) / 5))
    n = 0.032 * (15 - v) / (exp((15 - v) / 5) - 1), 0.5 * exp((10 - v) / 40)
    return {"na.m": _ratio(*m), "na.h": _ratio(*h), "k.n": _ratio(*n)}


def _wang_buzsaki(v):
    """Wang and Buzsaki (1996), equations 2-4, phi = 5. No time constant of m."""
    m = 0.1 * (v + 35) / (1 - exp(-0.1 * (v + 35))), 4 * exp(-(v + 60) / 18)
    h = 0.07 * exp(-(v + 58) / 20), 1 / (exp(-0.1 * (v + 28)) + 1)
    n = 0.01 * (v + 34) / (1 - exp(-0.1 * (v + 34))), 0.125 * exp(-(v + 44) / 80)
    phi = {name: (x, tau / 5) for name, (x, tau) in {"na.h": _ratio(*h), "k.n": _ratio(*n)}.items()}
    return {"na.m": (_ratio(*m)[0], None), **phi}


def _connor_stevens(v):
    """Dayan and Abbott (2001), appendix of chapter 6."""
    m = 0.38 * (v + 29.7) / (1 - exp(-0.1 * (v + 29.7))), 15.2 * exp(-0.0556 * (v + 54.7))
    h = 0.266 * exp(-0.05 * (v + 48)), 3.8 / (1 + exp(-0.1 * (v + 18)))
    n = 0.02 * (v + 45.7) / (1 - exp(-0.1 * (v + 45.7))), 0.25 * exp(-0.0125 * (v + 55.7))
    a = (0.0761 * exp(0.0314 * (v + 94.22)) / (1 + exp(0.0346 * (v + 1.17)))) ** (1 / 3)
    b = (1 / (1 + exp(0.0688 * (v + 53.3)))) ** 4
    return {
        "na.m": _ratio(*m),
        "na.h": _ratio(*h),
        "k.n": _ratio(*n),
        "a.a": (a, 0.3632 + 1.158 / (1 + exp(0.0497 * (v + 55.96)))),
        "a.b": (b, 1.24 + 2.678 / (1 + exp(0.0624 * (v + 50)))),
    }


def _pospischil(v):
    """The programs of Pospischil et al. (2008), ModelDB 123623, V_T = -55 mV, 36 degC."""
    q = 0.055 * (-27 - v) / (exp((-27 - v) / 3.8) - 1), 0.94 * exp((-75 - v) / 17)
    r = 4.57e-4 * exp((-13 - v) / 50), 0.0065 / (exp((-15 - v) / 28) + 1)
    x = v + 2
    tau_u = (30.8 + (211.4 + exp((x + 113.2) / 5)) / (1 + exp((x + 84) / 3.2))) / 3 ** ((36 - 24) / 10)
    return {
        **_traub(v + 55),
        "m.p": (1 / (1 + exp(-(v + 35) / 10)), 1000 / (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20))),
        "l.q": _ratio(*q),
        "l.r": _ratio(*r),
        "t.s": (1 / (1 + exp(-(x + 57) / 6.2)), None),
        "t.u": (1 / (1 + exp((x + 81) / 4)), tau_u),
    }


def _morris_lecar(v):
    """Rinzel and Ermentrout (1998), the Hopf set: V1 -1.2, V2 18, V3 2, V4 30, phi 0.04."""
    w = 0.5 * (1 + np.tanh((v - 2) / 30)), 1 / (0.04 * np.cosh((v - 2) / 60))
    return {"ca.m": (0.5 * (1 + np.tanh((v + 1.2) / 18)), None), "k.w": w}


PUBLISHED = {
    "wang_buzsaki": (_wang_buzsaki, WB.channels_by_name()),
    "traub_miles": (lambda v: _traub(v + 67), RTM.channels_by_name()),
    "connor_stevens": (_connor_stevens, CS.channels_by_name()),
    "pospischil": (_pospischil, {**RS.channels_by_name(), "l": IB.ca, "t": LTS.ca}),
    "morris_lecar": (_morris_lecar, nd.MorrisLecar().channels_by_name()),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_gates_are_those_of_the_paper(name):
    formulas, channels = PUBLISHED[name]
    v = np.linspace(-119.73, 59.77, 300)  # misses the singularities of the formulas as printed
    temperature = jnp.asarray(36.0)
    for path, (steady, time) in formulas(v).items():
        channel, gate = path.split(".")
        opening, total = getattr(channels[channel], gate).rates(jnp.asarray(v), temperature)
        np.testing.assert_allclose(opening / total, steady, rtol=1e-11, err_msg=path)
        assert (gate in channels[channel].gates()) == (time is not None)
        if time is not None:
            np.testing.assert_allclose(1 / total, time, rtol=1e-11, err_msg=path)


def test_a_negative_scale_mirrors_a_linear_exponential_rate():
    rate, mirrored = LinearExponential(0.28, -27.0, 5.0), LinearExponential(0.28, -27.0, -5.0)
    for v in (-90.0, -27.0, 10.0):
        assert float(mirrored(jnp.asarray(v))) == pytest.approx(float(rate(jnp.asarray(-54.0 - v))), rel=1e-14)
    assert float(mirrored(jnp.asarray(-27.0))) == pytest.approx(1.4, rel=1e-15)  # exact limit: 0.28 * 5


@pytest.mark.parametrize("name", MODELS)
def test_rates_are_finite_anywhere(name):
    """From -200 to 200 mV, beyond, and where the printed formulas are 0/0, in float32, which overflows first: gates and current, with their first and
    second derivatives."""
    singular = [-54.0, -52.0, -45.7, -42.0, -40.0, -35.0, -34.0, -29.7, -27.0, -15.0]
    with precision(jnp.float32):
        grid = jnp.asarray([*np.linspace(-200, 200, 161), *singular, -1e4, 1e4], dtype=float)
        model = jtu.tree_map(lambda x: jnp.asarray(x, dtype=float), MODELS[name])

        def derivative(function):  # elementwise and without compilation, which would take seconds
            return lambda v: jax.jvp(function, (v,), (jnp.ones_like(v),))[1]

        for channel in model.channels_by_name().values():
            steady = channel.steady(grid, model.temperature)

            def kinetics(v, channel=channel, steady=steady):
                relaxation = channel.kinetics(v, steady, model.temperature)
                return channel.outward(v, steady, model.temperature), relaxation.slope, relaxation.decay

            first = derivative(kinetics)
            for leaf in jtu.tree_leaves((kinetics(grid), first(grid), derivative(first)(grid))):
                assert leaf.dtype == grid.dtype and np.isfinite(leaf).all()


def test_temperature_scales_the_rates_that_have_a_q10():
    # HH_traub.mod, IM_cortex.mod and IT_huguenard.mod: Q10 of 3, 2.3 and 3; the L-type current has none.
    v, cold, warm = jnp.asarray(-50.0), jnp.asarray(26.0), jnp.asarray(36.0)
    gates = {"m": (RS.na.m, 3), "n": (RS.k.n, 3), "p": (RS.m.p, 2.3), "u": (LTS.ca.u, 3), "q": (IB.ca.q, 1)}
    for name, (gate, factor) in gates.items():
        assert float(gate.rates(v, warm)[1] / gate.rates(v, cold)[1]) == pytest.approx(factor, rel=1e-12), name


@pytest.mark.parametrize("name", MODELS)
def test_preparation_changes_nothing(name):
    model = MODELS[name]
    y = {**model.init(), "v": jnp.asarray(-41.3)}
    one, other = (m.dynamics(0.0, y, jnp.asarray(1.0)) for m in (model, prepare(model)))
    for a, b in zip(jtu.tree_leaves(one), jtu.tree_leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_any_gate_may_be_instantaneous(hh):
    """Hodgkin and Huxley's m at its steady state: one state less, the same current where m is steady."""
    m = Instantaneous(RateRatio(hh.na.m.alpha, hh.na.m.beta))
    reduced = nd.PointCell({"na": Sodium(m=m), "k": Potassium(), "leak": Leak()})
    assert set(reduced.init()["na"]) == {"h"} and "na.m" not in reduced.state_info()
    y = hh.init()
    rest = {**y, "na": {"h": y["na"]["h"]}}
    one, other = hh.observe(0.0, y, 0.0), reduced.observe(0.0, rest, 0.0)
    for name, current in one.items():
        np.testing.assert_allclose(other[name], current, rtol=1e-12)


# Rest and onset -----------------------------------------------------------------------------------------------------------------


@eqx.filter_jit
def _steady_current(model, v):
    """The ionic current with all gates at their steady state."""

    def one(v):
        return model.observe(0.0, nd.replace(model, {"initial": v}).init(), 0.0)["i_ionic"]

    return jax.vmap(one)(v)


@pytest.mark.parametrize(
    "model, rest, onset",
    [  # reference: mV, uA/cm2; repetitive firing begins where rest vanishes in a saddle-node (Wang and Buzsaki, 1996: about 0.16)
        (WB, -64.01756, 0.1603),
        (RTM, -66.5911, 0.1194),
        (CS, -67.978, 8.119),
    ],
    ids=["wang_buzsaki", "traub_miles", "connor_stevens"],
)
def test_rest_and_onset(model, rest, onset):
    v = np.arange(-75.0, -50.0, 1e-3)
    current = np.asarray(_steady_current(model, jnp.asarray(v)))
    zero = int(np.argmax(current > 0))
    assert np.interp(0.0, current[zero - 1 : zero + 1], v[zero - 1 : zero + 1]) == pytest.approx(rest, abs=5e-4)
    knee = int(np.argmax(np.diff(current) < 0))
    assert current[knee] == pytest.approx(onset, rel=0.01)


# Firing -------------------------------------------------------------------------------------------------------------------------


@eqx.filter_jit
def _trains(model, currents):
    """Spike times (lanes, spikes), inf where there is none, of one program over currents."""

    def one(current):
        return nd.simulate(model, nd.Step(current), 1200.0, every=1000, max_spikes=400).spikes.times

    return jax.vmap(one)(currents)


@pytest.mark.parametrize(
    "model, silent, rates",
    [  # reference: a current below onset, and rates (Hz) by current (uA/cm2)
        (WB, 0.1595, {0.2: 8.62, 0.5: 32.22, 1.0: 59.70, 2.0: 101.79, 5.0: 189.63, 10.0: 284.94}),
        (RTM, 0.119, {0.2: 13.22, 0.5: 27.54, 1.0: 42.63, 1.5: 55.01, 2.0: 66.17, 5.0: 121.94, 10.0: 193.87}),
        (CS, 8.1, {8.2: 3.46, 8.5: 9.73, 9.0: 18.55, 10.0: 34.05, 15.0: 91.08, 20.0: 132.30}),
    ],
    ids=["wang_buzsaki", "traub_miles", "connor_stevens"],
)
def test_firing_rates(model, silent, rates):
    trains = [train[np.isfinite(train)] for train in np.asarray(_trains(model, jnp.asarray([silent, *rates])))]
    assert len(trains[0]) == 0
    got = [1000 / (train[-1] - train[-2]) for train in trains[1:]]
    # Measured at dt = 0.025 ms: within 0.25 %, smaller by four with half the step.
    np.testing.assert_allclose(got, list(rates.values()), rtol=4e-3)
    if model is CS:
        assert trains[1][0] == pytest.approx(307.8, rel=5e-3)  # reference: the A current delays the first spike


def _injected(current, diameter):
    """uA/cm2 of a current in nA into a cylinder as long as wide, um."""
    return current * 1e5 / (np.pi * diameter**2)


def _spikes(name, current, diameter, duration):
    """Spike times after the onset at 300 ms of a current."""
    drive = nd.Step(_injected(current, diameter), 300.0, 300.0 + duration)
    spikes = nd.simulate(CELLS[name], drive, 300.0 + duration + 20.0, max_spikes=64).spikes
    return np.asarray(spikes.times)[: int(spikes.count)] - 300.0


# Reference, for the stimuli of the programs of Pospischil et al. (2008), ModelDB 123623.


def test_regular_spiking_cell_adapts():
    times = _spikes("regular_spiking", 0.75, 96.0, 400.0)
    assert len(times) == 5
    assert (np.diff(times, 2) > 0).all()


def test_fast_spiking_cell_does_not_adapt():
    times = _spikes("fast_spiking", 0.5, 67.0, 400.0)
    assert len(times) == 20
    assert times[0] == pytest.approx(17.02, abs=0.05)
    np.testing.assert_allclose(np.diff(times)[:-1], 20.17, atol=0.02)


def test_intrinsically_bursting_cell_bursts_once():
    times = _spikes("intrinsically_bursting", 0.15, 96.0, 2000.0)
    assert abs(len(times) - 13) <= 1
    intervals = np.diff(times)
    assert intervals[0] == pytest.approx(6.9, abs=0.2) and (intervals[:5] < 10).all()
    assert intervals[-1] == pytest.approx(311, abs=3)


def test_repetitively_bursting_cell_bursts_again():
    times = _spikes("repetitively_bursting", 0.15, 96.0, 2000.0)
    assert abs(len(times) - 38) <= 1
    pauses = np.diff(times) > 100
    assert pauses.sum() >= 3 and (np.diff(np.flatnonzero(pauses)) > 1).all()


def test_low_threshold_spiking_cell():
    times = _spikes("low_threshold_spiking", 0.15, 96.0, 400.0)
    assert len(times) == 4
    np.testing.assert_allclose(np.diff(times), [11.56, 47.83, 209.05], rtol=5e-3)


# The model as an object ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_saved_and_loaded(tmp_path, name):
    nd.save(tmp_path / "cell.json", CELLS[name])
    assert eqx.tree_equal(nd.load(tmp_path / "cell.json"), CELLS[name])


def test_a_model_with_other_channels_than_any_preset_is_not_guessed(tmp_path):
    other = nd.Pospischil(ca=LTS.ca, m=None)
    nd.save(tmp_path / "cell.json", other)
    with pytest.raises(ValueError, match="pass like=model"):
        nd.load(tmp_path / "cell.json")
    assert eqx.tree_equal(nd.load(tmp_path / "cell.json", like=other), other)


@pytest.mark.parametrize("name", MODELS)
def test_absolute_units_are_the_same_membrane(name):
    model, area = MODELS[name], 2500.0
    y = model.init()
    one = model.dynamics(0.0, y, jnp.asarray(2.0))
    other = model.to_absolute(area).dynamics(0.0, y, jnp.asarray(2.0 * area / 100))
    for a, b in zip(jtu.tree_leaves(one), jtu.tree_leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)
    units = {row.info.unit for row in nd.describe(model.to_absolute(area))}
    assert not units & {"mS/cm2", "uF/cm2"} and {"nS", "pF"} <= units


def test_missing_channels_have_no_state_and_no_current():
    fast = CELLS["fast_spiking"]
    assert set(fast.init()) == {"v", "na", "k"}
    assert set(fast.observe(0.0, fast.init(), 0.0)) == {"i_na", "i_k", "i_leak", "i_ionic"}
    assert set(LTS.init()["ca"]) == {"u"}


def test_steps_are_second_order_with_instantaneous_gates():
    model, drive, t1 = LTS, 1.0, 4.0
    y0 = {**model.init(), "v": jnp.asarray(-48.0)}
    exact = reference(model, y0, drive, t1)

    def error(dt):
        end = nd.simulate(model, nd.Step(drive), t1, dt=dt, y0=y0, max_spikes=0).final
        return np.abs(np.asarray(jax.flatten_util.ravel_pytree(end)[0]) - exact)

    np.testing.assert_allclose(np.log2(error(0.02) / error(0.01)), 2.0, atol=0.1)
