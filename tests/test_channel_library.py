"""The channels of the library against their published equations, written here once more in NumPy.

The equations of Hay et al. (2011) are those of the programs of that paper, ModelDB 139653, at 34 degC.
"""

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from helpers import precision

import neurodyn as nd
from neurodyn import channels as nc
from neurodyn._parameter import modules
from neurodyn.channels import Ion
from neurodyn.kinetics import LinearExponential, TableGate


exp = np.exp
QT = 2.3 ** ((34 - 21) / 10)
V = np.linspace(-119.73, 59.77, 300)  # mV; misses the singularities of the formulas as printed
CA = np.logspace(-7, 0, 300)  # mM


def _rates(a, b, qt=1.0):
    return a / (a + b), 1 / (a + b) / qt


def _sodium(v):
    """NaTa_t: Colbert and Pan (2002)."""
    m = 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)), 0.124 * (-v - 38) / (1 - exp(-(-v - 38) / 6))
    h = -0.015 * (v + 66) / (1 - exp((v + 66) / 6)), -0.015 * (-v - 66) / (1 - exp((-v - 66) / 6))
    return {"m": _rates(*m, QT), "h": _rates(*h, QT)}


def _persistent_sodium(v):
    """Nap_Et2: Magistretti and Alonso (1999)."""
    m = 0.182 * (v + 38) / (1 - exp(-(v + 38) / 6)), 0.124 * (-v - 38) / (1 - exp(-(-v - 38) / 6))
    h = -2.88e-6 * (v + 17) / (1 - exp((v + 17) / 4.63)), 6.94e-6 * (v + 64.4) / (1 - exp(-(v + 64.4) / 2.63))
    return {
        "m": (1 / (1 + exp((v + 52.6) / -4.6)), 6 / (m[0] + m[1]) / QT),
        "h": (1 / (1 + exp((v + 48.8) / 10)), 1 / (h[0] + h[1]) / QT),
    }


def _kv3(v):
    """SKv3_1: Rettig et al. (1992)."""
    return {"m": (1 / (1 + exp((v - 18.7) / -9.7)), 0.2 * 20 / (1 + exp((v + 46.56) / -44.14)))}


def _persistent_potassium(v):
    """K_Pst: Korngreen and Sakmann (2000)."""
    v = v + 10
    tau_m = np.where(v < -50, 1.25 + 175.03 * exp(v * 0.026), 1.25 + 13 * exp(-v * 0.026)) / QT
    tau_h = (360 + (1010 + 24 * (v + 55)) * exp(-(((v + 75) / 48) ** 2))) / QT
    return {"m": (1 / (1 + exp(-(v + 1) / 12)), tau_m), "h": (1 / (1 + exp(-(v + 54) / -11)), tau_h)}


def _transient_potassium(v):
    """K_Tst: Korngreen and Sakmann (2000)."""
    v = v + 10
    return {
        "m": (1 / (1 + exp(-v / 19)), (0.34 + 0.92 * exp(-(((v + 71) / 59) ** 2))) / QT),
        "h": (1 / (1 + exp(-(v + 66) / -10)), (8 + 49 * exp(-(((v + 73) / 23) ** 2))) / QT),
    }


def _muscarinic(v):
    """Im: Adams et al. (1982)."""
    a, b = (3.3e-3 * exp(sign * 2.5 * 0.04 * (v + 35)) for sign in (1, -1))
    return {"p": _rates(a, b, QT)}


def _h(v):
    """Ih: Kole et al. (2006)."""
    return {"q": _rates(0.001 * 6.43 * (v + 154.9) / (exp((v + 154.9) / 11.9) - 1), 0.001 * 193 * exp(v / 33.1))}


def _high_voltage(v):
    """Ca_HVA: Reuveni et al. (1993)."""
    m = 0.055 * (-27 - v) / (exp((-27 - v) / 3.8) - 1), 0.94 * exp((-75 - v) / 17)
    h = 0.000457 * exp((-13 - v) / 50), 0.0065 / (exp((-v - 15) / 28) + 1)
    return {"m": _rates(*m), "h": _rates(*h)}


def _low_voltage(v):
    """Ca_LVAst: Avery and Johnston (1996), Randall and Tsien (1997)."""
    v = v + 10
    return {
        "m": (1 / (1 + exp((v + 30) / -6)), (5 + 20 / (1 + exp((v + 25) / 5))) / QT),
        "h": (1 / (1 + exp((v + 80) / 6.4)), (20 + 50 / (1 + exp((v + 40) / 7))) / QT),
    }


PUBLISHED = {
    "sodium": (nc.Sodium.cortical(), _sodium, lambda x, v: 2040 * x["m"] ** 3 * x["h"] * (v - 50)),
    "persistent sodium": (
        nc.PersistentSodium(),
        _persistent_sodium,
        lambda x, v: 1.72 * x["m"] ** 3 * x["h"] * (v - 50),
    ),
    "kv3": (nc.Kv3Potassium(), _kv3, lambda x, v: 693 * x["m"] * (v + 85)),
    "persistent potassium": (
        nc.PersistentPotassium(),
        _persistent_potassium,
        lambda x, v: 2.23 * x["m"] ** 2 * x["h"] * (v + 85),
    ),
    "transient potassium": (
        nc.TransientPotassium(),
        _transient_potassium,
        lambda x, v: 81.2 * x["m"] ** 4 * x["h"] * (v + 85),
    ),
    "muscarinic": (nc.MCurrent.cortical(), _muscarinic, lambda x, v: 0.0675 * x["p"] * (v + 85)),
    # Its g is not from that paper, where it varies over the cell.
    "h": (nc.HCurrent.cortical(), _h, lambda x, v: 0.2 * x["q"] * (v + 45)),
    "high-voltage calcium": (
        nc.HighVoltageCalcium(driving_force=nc.FixedReversal(132.0)),
        _high_voltage,
        lambda x, v: 0.992 * x["m"] ** 2 * x["h"] * (v - 132),
    ),
    "low-voltage calcium": (
        nc.LowVoltageCalcium(driving_force=nc.FixedReversal(132.0)),
        _low_voltage,
        lambda x, v: 3.43 * x["m"] ** 2 * x["h"] * (v - 132),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_channels_are_those_of_the_paper(name):
    channel, formulas, current = PUBLISHED[name]
    v, temperature = jnp.asarray(V), jnp.asarray(34.0)
    expected = formulas(V)
    assert set(channel.gates()) == set(expected)
    for kind in (channel, channel.at_temperature(temperature)):
        for gate, (steady, time) in expected.items():
            opening, total = getattr(kind, gate).rates(v, temperature)
            np.testing.assert_allclose(opening / total, steady, rtol=1e-9, err_msg=gate)
            np.testing.assert_allclose(1 / total, time, rtol=1e-9, err_msg=gate)
    x = {gate: steady for gate, (steady, _) in expected.items()}
    np.testing.assert_allclose(
        channel.outward(v, channel.steady(v, temperature), temperature), current(x, V), rtol=1e-9
    )


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name not in ("kv3", "h", "high-voltage calcium")])
def test_channels_measured_at_21_degrees_have_a_q10(name):
    channel, v = PUBLISHED[name][0], jnp.asarray(-50.0)
    for gate in channel.gates().values():
        cold, warm = (gate.rates(v, jnp.asarray(t))[1] for t in (21.0, 31.0))
        assert float(warm / cold) == pytest.approx(2.3, rel=1e-12)


def test_sk_is_that_of_the_paper():
    """SK_E2: Koehler et al. (1996)."""
    channel, temperature = nc.SKPotassium(), jnp.asarray(34.0)
    v, ion = jnp.full(CA.shape, -60.0), Ion(jnp.asarray(CA), jnp.asarray(2.0), temperature, 2)
    opening, total = channel.z.rates(v, ion.inside, temperature)
    z = 1 / (1 + (0.00043 / CA) ** 4.8)
    np.testing.assert_allclose(opening / total, z, rtol=1e-9)
    np.testing.assert_allclose(total, 1.0, rtol=1e-15)
    steady = channel.steady(v, temperature, {"ca": ion})
    np.testing.assert_allclose(channel.outward(v, steady, temperature, {"ca": ion}), 44.1 * z * 25, rtol=1e-9)


#: g, e, the powers of the gates, as published, in mS/cm2 and mV. The gates themselves are compared with the papers beside the models that have them.
CURRENTS = {
    "hodgkin_huxley na": (nc.Sodium(), 120, 50, {"m": 3, "h": 1}),
    "hodgkin_huxley k": (nc.Potassium(), 36, -77, {"n": 4}),
    "hodgkin_huxley leak": (nc.Leak(), 0.3, -54.387, {}),
    "fleidervish": (nc.SlowSodium(), 120, 50, {"m": 3, "h": 1, "s": 1}),
    "connor_stevens": (nc.ACurrent(), 47.7, -75, {"a": 3, "b": 1}),
    "morris_lecar ca": (nc.BarnacleCalcium(), 4.4, 120, {"m": 1}),
    "morris_lecar k": (nc.BarnaclePotassium(), 8, -84, {"w": 1}),
    "huguenard_mccormick h": (nc.HCurrent(), 0.02, -43, {"q": 1}),
    "pospischil m": (nc.MCurrent(), 0.07, -100, {"p": 1}),
    "pospischil l": (nc.LTypeCalcium(), 0.17, 120, {"q": 2, "r": 1}),
    "pospischil t": (nc.TTypeCalcium(), 0.4, 120, {"s": 2, "u": 1}),
    "prescott_sejnowski m": (nc.SlowPotassium(), 2, -100, {"z": 1}),
    "prescott_sejnowski ahp": (nc.SlowPotassium.after_hyperpolarisation(), 5, -100, {"z": 1}),
    "bk": (nc.BKPotassium(), 10, -85, {"o": 1}),
}


@pytest.mark.parametrize("name", CURRENTS)
def test_currents_are_conductance_times_gates_times_driving_force(name):
    channel, g, e, powers = CURRENTS[name]
    x = {gate: 0.3 + 0.2 * i for i, gate in enumerate(powers)}
    expected = g * np.prod([x[gate] ** power for gate, power in powers.items()]) * (-20.0 - e)
    assert float(channel.current(jnp.asarray(-20.0), x)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("celsius", [20.0, 34.0])
def test_bk_is_that_of_the_paper(celsius):
    """Moczydlowski and Latorre (1983), scheme R1, channel A of table II: opening 480/s, closing 280/s."""
    channel, temperature = nc.BKPotassium(), jnp.asarray(celsius)
    v, ca = (x.ravel() for x in np.meshgrid(V[::10], CA[::10]))
    field = 2 * 96485.33212 * v * 1e-3 / (8.314462618 * (273.15 + celsius))
    a = 0.48 / (1 + 0.18 * exp(-0.84 * field) / ca)
    b = 0.28 / (1 + ca / (0.011 * exp(-field)))
    opening, total = channel.o.rates(jnp.asarray(v), jnp.asarray(ca), temperature)
    np.testing.assert_allclose(opening, a, rtol=1e-9)
    np.testing.assert_allclose(total, a + b, rtol=1e-9)


# Every channel -------------------------------------------------------------------------------------------------------------------


LIBRARY = {
    name: kind()
    for name, kind in vars(nc).items()
    if isinstance(kind, type) and issubclass(kind, nc.AbstractChannel) and kind is not nc.AbstractChannel
}
EVERY = LIBRARY | {name: channel for name, (channel, *_) in PUBLISHED.items()}


def _ions(channel, inside, temperature):
    return {name: Ion(inside, jnp.asarray(2.0, inside.dtype), temperature, 2) for name in channel.reads()}


@pytest.mark.parametrize("name", EVERY)
def test_channels_are_elementwise_in_voltage_concentration_and_parameters(name):
    """One number after the other, and all at once, as in the compartments of a cell: parameters shared or one for each."""
    channel, temperature = EVERY[name], jnp.asarray(30.0)
    v, inside = jnp.asarray([-91.0, -55.0, -40.0, 12.0]), jnp.asarray([1e-4, 3e-4, 1e-3, 2e-2])

    def everything(channel, v, inside):
        ions = _ions(channel, inside, temperature)
        x = channel.steady(v, temperature, ions)
        x = {gate: 0.9 * value for gate, value in x.items()}
        moved = channel.kinetics(v, x, temperature, ions)
        return channel.outward(v, x, temperature, ions), moved.slope, moved.decay

    one = [everything(channel, v[i], inside[i]) for i in range(4)]
    each = jtu.tree_map(lambda x: jnp.full((4,), x), channel)
    for kind in (channel, channel.at_temperature(temperature), each):
        together = everything(kind, v, inside)
        for i in range(4):
            for a, b in zip(jtu.tree_leaves(one[i]), jtu.tree_leaves(together), strict=True):
                assert b.shape == (4,)
                np.testing.assert_allclose(b[i], a, rtol=1e-12, atol=1e-300)


# The others are looked at with the models that have them.
@pytest.mark.parametrize("name", [*PUBLISHED, "SKPotassium", "BKPotassium", "HighVoltageCalcium", "LowVoltageCalcium"])
def test_channels_are_finite_anywhere(name):
    """From -200 to 200 mV, beyond, where printed formulas are 0/0, and at concentrations from below zero to 1 M, in float32, which overflows first: current and
    kinetics with their first and second derivatives."""
    singular = [-66.0, -64.4, -38.0, -17.0, -27.0, -60.0, 0.0, -1e4, 1e4]
    with precision(jnp.float32):
        voltages = np.asarray([*np.linspace(-200, 200, 41), *singular])
        concentrations = [-1e-3, 0.0, 1e-12, 1e-4, 1e-2, 1e3]
        v, inside = (jnp.asarray(x.ravel(), jnp.float32) for x in np.meshgrid(voltages, concentrations))
        channel = jtu.tree_map(lambda x: jnp.asarray(x, jnp.float32), EVERY[name])
        temperature = jnp.asarray(34.0)

        def derivative(function, by):
            one = [jnp.ones_like(v) if i == by else jnp.zeros_like(v) for i in range(2)]
            return lambda *x: jax.jvp(function, x, tuple(one))[1]

        def kinetics(v, inside):
            ions = _ions(channel, inside, temperature)
            x = {gate: jnp.full_like(v, 0.3) for gate in channel.gates()}
            moved = channel.kinetics(v, x, temperature, ions)
            return channel.outward(v, x, temperature, ions), moved.slope, moved.decay

        for by in range(2 if channel.reads() else 1):
            first = derivative(kinetics, by)
            for leaf in jtu.tree_leaves((kinetics(v, inside), first(v, inside), derivative(first, by)(v, inside))):
                assert leaf.dtype == jnp.float32 and np.isfinite(leaf).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_rates_where_the_printed_formula_is_zero_over_zero(dtype):
    """Every such rate of the library at its own midpoint, as it is and as it is made ready for a time loop. By the series of x / (1 - exp(-x / s)):
    s + x / 2 + x^2 / (12 s)."""
    found = [part for part in modules(EVERY).values() if isinstance(part, LinearExponential)]
    assert len(found) >= 14
    rate, midpoint, scale = (np.asarray([getattr(x, name) for x in found]) for name in ("rate", "midpoint", "scale"))
    with precision(dtype):
        every = LinearExponential(*(jnp.asarray(x, dtype) for x in (rate, midpoint, scale)))
        ready = nd.kinetics.AlphaBeta(every, every).at_temperature(jnp.asarray(6.3)).alpha
        for form in (every, ready):
            slope = lambda v, form=form: jax.jvp(form, (v,), (jnp.ones_like(v),))[1]
            second = jax.jvp(slope, (every.midpoint,), (jnp.ones_like(every.midpoint),))[1]
            tolerance = 1e-5 if dtype == jnp.float32 else 1e-12
            sign, wide = np.sign(scale), np.abs(scale)
            np.testing.assert_allclose(form(every.midpoint), rate * wide, rtol=tolerance)
            np.testing.assert_allclose(slope(every.midpoint), sign * rate / 2, rtol=tolerance)
            np.testing.assert_allclose(second, rate / (6 * wide), rtol=tolerance)


def test_channels_read_an_ion_where_they_should():
    readers = {"BKPotassium", "HighVoltageCalcium", "LowVoltageCalcium", "SKPotassium"}
    assert {name: channel.reads() for name, channel in LIBRARY.items() if channel.reads()} == dict.fromkeys(
        readers, {"ca"}
    )


# Tables ---------------------------------------------------------------------------------------------------------------------------


KNOTS = np.asarray([-100.0, -80.0, -65.0, -50.0, -42.0, -30.0, -10.0, 20.0])
STEADY = 1 / (1 + exp(-(KNOTS + 42) / 7))
TAU = 1 + 8 * exp(-(((KNOTS + 50) / 25) ** 2))


@jax.jit
def _steady_and_tau(gate, v):
    opening, total = gate.rates(jnp.asarray(v), jnp.asarray(6.3))
    return opening / total, 1 / total


@jax.jit
def _slope(gate, v):
    return jax.jvp(lambda v: _steady_and_tau(gate, v)[0], (v,), (jnp.ones_like(v),))[1]


def test_a_table_goes_through_its_values_without_overshoot_and_smoothly():
    gate = TableGate(KNOTS, STEADY, TAU)
    steady, tau = _steady_and_tau(gate, KNOTS)
    np.testing.assert_allclose(steady, STEADY, rtol=1e-13)
    np.testing.assert_allclose(tau, TAU, rtol=1e-13)
    for outside, knot in ((-500.0, 0), (400.0, -1)):
        np.testing.assert_allclose(_steady_and_tau(gate, outside), (STEADY[knot], TAU[knot]), rtol=1e-13)
    fine = np.linspace(-110.0, 30.0, 1401)
    steady, tau = (np.asarray(x) for x in _steady_and_tau(gate, fine))
    assert (np.diff(steady) >= -1e-15).all() and steady.min() >= STEADY.min() and steady.max() <= STEADY.max() + 1e-15
    assert (np.diff(np.sign(np.diff(tau[np.abs(np.diff(tau, prepend=0)) > 1e-12]))) != 0).sum() == 1  # one maximum
    # The derivative is continuous, at the knots too, and there it is not zero.
    left, at, right = (np.asarray(_slope(gate, jnp.asarray(KNOTS + offset))) for offset in (-1e-7, 0.0, 1e-7))
    np.testing.assert_allclose(left, at, atol=1e-8)
    np.testing.assert_allclose(right, at, atol=1e-8)
    assert (at[1:-1] > 1e-4).all()


def test_a_table_for_voltages_of_any_shape_and_at_a_temperature():
    gate = TableGate(KNOTS, STEADY, TAU, nd.kinetics.Q10(3.0, 6.3))
    warm, v = jnp.asarray(16.3), jnp.linspace(-90.0, 10.0, 6).reshape(2, 3)
    opening, total = gate.at_temperature(warm).rates(v, warm)
    for i in np.ndindex(2, 3):
        one = gate.rates(v[i], jnp.asarray(6.3))
        np.testing.assert_allclose((opening[i], total[i]), 3 * np.asarray(one), rtol=1e-13)
    text = jax.jit(lambda gate, v: gate.rates(v, warm)).lower(gate.at_temperature(warm), v).as_text()
    assert "gather" not in text and "scatter" not in text  # which would keep a batch from being worked on as vectors


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((KNOTS, STEADY[1:], TAU), "must be one value at each of two or more voltages"),
        ((KNOTS[:1], STEADY[:1], TAU[:1]), "must be one value at each of two or more voltages"),
        ((KNOTS[::-1].copy(), STEADY, TAU), "must rise"),
        ((KNOTS, 2 * STEADY, TAU), r"TableGate.steady\[\d\] = .* is not allowed: must be finite and >= 0 and <= 1"),
        ((KNOTS, STEADY, 0 * TAU), r"TableGate.tau\[0\] = 0 ms is not allowed: must be finite and > 0"),
    ],
)
def test_tables_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TableGate(*arguments)


def test_a_table_in_volts_is_pointed_out():
    with pytest.warns(UserWarning, match="TableGate.voltages = .* mV look like volts"):
        TableGate(KNOTS / 1000, STEADY, TAU)
    with pytest.raises(TypeError, match="TableGate.q10: expected Q10 or None, got 3.0"):
        TableGate(KNOTS, STEADY, TAU, 3.0)
    with pytest.raises(ValueError, match="must be one value at each of two or more voltages"):
        TableGate(None, STEADY, TAU)


@pytest.mark.slow
def test_a_table_is_fitted_to_a_voltage_clamp():
    """Steps from one knot to another, in closed form: the current relaxes with the values of the knots, and nothing else."""
    knots, steady, tau = np.asarray([-80.0, -50.0, -20.0]), np.asarray([0.05, 0.4, 0.9]), np.asarray([3.0, 2.0, 1.0])
    ts, traces = 0.25 * np.arange(41), []
    for i in (1, 2):  # up to a knot at 1 ms, and back at 5 ms
        at, back = (steady[i] + (steady[0] - steady[i]) * exp(-np.clip(t - 1, 0, 4) / tau[i]) for t in (ts, 5.0))
        n = np.where(ts < 5, at, steady[0] + (back - steady[0]) * exp(-(ts - 5) / tau[0]))
        v = np.where((ts >= 1) & (ts < 5), knots[i], knots[0])
        command = nd.Step(knots[0]) + nd.Step(knots[i] - knots[0], 1.0, 5.0)
        traces.append(nd.fitting.CurrentTrace(command, 10 * n**4 * (v + 77), 0.25))
    start = TableGate(knots, np.asarray([0.1, 0.3, 0.7]), np.asarray([2.0, 2.5, 1.5]))
    out = nd.fit(
        nd.PointCell({"k": nc.Potassium(g=10.0, n=start)}),
        traces,
        trainable=["channels.k.n.steady", "channels.k.n.tau"],
        key=jax.random.key(0),
        steps=0,
        starts=1,
        polish=20,
        polish_starts=1,
        check_rank=False,
    )
    fitted = out.model.channels["k"].n
    np.testing.assert_allclose(fitted.steady, steady, rtol=1e-5)
    np.testing.assert_allclose(fitted.tau, tau, rtol=1e-5)


# Pictures ------------------------------------------------------------------------------------------------------------------------


def test_a_picture_of_a_channel():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    left, right = nd.plot.channel(nc.Sodium(), axes=Figure().subplots(1, 2))[0]
    assert [line.get_label() for line in left.lines] == ["m", "h"] and len(right.lines) == 2
    steady = left.lines[0]
    a = 0.1 * (V + 40) / (1 - exp(-(V + 40) / 10))
    expected = a / (a + 4 * exp(-(V + 65) / 18))
    np.testing.assert_allclose(np.interp(V, steady.get_xdata(), steady.get_ydata()), expected, atol=1e-3)
    # Activation of the T-type channel follows at once: no time constant.
    left, right = nd.plot.channel(nc.TTypeCalcium(), axes=Figure().subplots(1, 2))[0]
    assert len(left.lines) == 2 and len(right.lines) == 1
    # SK against the concentration; BK at three voltages besides.
    left, right = nd.plot.channel(nc.SKPotassium(), axes=Figure().subplots(1, 2))[0]
    assert left.get_xscale() == "log" and left.get_xlabel() == "[Ca] inside (mM)" and len(left.lines) == 1
    half = np.interp(0.5, left.lines[0].get_ydata(), left.lines[0].get_xdata())
    assert half == pytest.approx(4.3e-4, rel=1e-3)
    assert len(nd.plot.channel(nc.BKPotassium(), axes=Figure().subplots(1, 2))[0][0].lines) == 3
    # The temperature, where it matters.
    left, right = nd.plot.channel(nc.Sodium.cortical(), 34.0, Figure().subplots(1, 2))[0]
    assert right.get_ylabel() == "time constant (ms)\nat 34 °C"
    np.testing.assert_allclose(np.interp(-66.0, *right.lines[1].get_data()), 1 / (2 * 0.015 * 6) / QT, rtol=1e-5)
    left, right = nd.plot.channel(nc.BarnacleCalcium(), axes=Figure().subplots(1, 2))[0]
    assert right.get_ylabel() == "time constant (ms)" and right.texts[0].get_text() == "follows the voltage at once"
    with pytest.raises(ValueError, match="Leak is not allowed: must have a gate"):
        nd.plot.channel(nc.Leak())
    with pytest.raises(TypeError, match="channel: expected an AbstractChannel, got the class Sodium, not one made by"):
        nd.plot.channel(nc.Sodium)
    with pytest.raises(ValueError, match="temperature = nan degC is not allowed: must be finite and >= -5"):
        nd.plot.channel(nc.Sodium(), float("nan"))
    with pytest.raises(ValueError, match=r"a batch of \(2,\) channels is not allowed: must be one channel"):
        nd.plot.channel(jtu.tree_map(lambda x: jnp.stack([x, x]), nc.Potassium()))
    with pytest.raises(ValueError, match="axes: 3 are not allowed: must be 2"):
        nd.plot.channel(nc.Sodium(), axes=Figure().subplots(1, 3))
