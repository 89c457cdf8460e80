"""Objectives besides voltage traces and spike trains: what they compute by closed forms and plain NumPy, their gradients, and that silence is survived."""

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from helpers import central_differences, hh_rates

import neurodyn as nd
from neurodyn._parameter import replace_leaves
from neurodyn.fitting.objectives.current_trace import CurrentTrace
from neurodyn.fitting.objectives.electrode import Electrode
from neurodyn.fitting.objectives.features import Features, trace_features
from neurodyn.fitting.objectives.prior import Prior
from neurodyn.fitting.objectives.psth import PSTH


def stacked(*objectives):
    return jtu.tree_map(lambda *leaves: jnp.stack(leaves), *objectives)


def assert_derivatives_agree(function, x, step, atol, which=slice(None)):
    """Forward, backward and by differences: a Jacobian of shape (n, len(x))."""
    reverse, forward = jax.jit(jax.jacrev(function))(x), jax.jit(jax.jacfwd(function))(x)
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-9)
    differences = central_differences(function, x, np.asarray(step))[0].T
    np.testing.assert_allclose(np.asarray(reverse)[which], differences[which], rtol=1e-5, atol=atol)
    return np.asarray(reverse)


# --- voltage clamp -----------------------------------------------------------------------------------------------------------------

COMMAND, CLAMP_DT, CLAMP_N = nd.Step(-65.0) + nd.Step(45.0, 5.0, 15.0), 0.1, 201


def exact_current() -> np.ndarray:
    """Closed form: every gate relaxes exponentially from -65 mV to its place at -20 mV, and back."""
    t, gates = CLAMP_DT * np.arange(CLAMP_N), {}
    for name in "mhn":
        (a0, b0), (a1, b1) = (hh_rates(np.asarray(v))[name] for v in (-65.0, -20.0))
        low, high = a0 / (a0 + b0), a1 / (a1 + b1)
        on = high - (high - low) * np.exp(-(t - 5) * (a1 + b1))
        end = high - (high - low) * np.exp(-10 * (a1 + b1))
        off = low - (low - end) * np.exp(-(t - 15) * (a0 + b0))
        gates[name] = np.where(t < 5, low, np.where(t < 15, on, off))
    v = np.where((t > 4.99) & (t < 14.99), -20.0, -65.0)
    m, h, n = (gates[name] for name in "mhn")
    return 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)


def test_current_of_an_ideal_clamp(hh):
    target = exact_current()
    kinds = {
        "plain": CurrentTrace(COMMAND, target, CLAMP_DT, noise=2.0),
        "all": CurrentTrace(COMMAND, target, CLAMP_DT, noise=2.0, blank=None, offset=3.0, leak=0.2, capacitance=1.5),
        "window": CurrentTrace(COMMAND, target, CLAMP_DT, noise=2.0, window=(6.0, 14.0), weight=3.0),
        "blank": CurrentTrace(COMMAND, target, CLAMP_DT, noise=2.0, blank=2.0, holding=-80.0),
    }
    run = jax.jit(jax.vmap(lambda o: (o.simulate(hh), o.misfit(hh))))
    simulated, misfit = run(stacked(*(jtu.tree_map(lambda x: x, o) for o in _same_weight(kinds.values()))))
    np.testing.assert_allclose(simulated[0], target, rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(misfit[0], 0.0, atol=1e-7)
    t, v = CLAMP_DT * np.arange(CLAMP_N), np.asarray(kinds["all"].command)
    charge = np.zeros(CLAMP_N)
    charge[[50, 150]] = 1.5 * 45 / CLAMP_DT * np.asarray([1, -1])
    np.testing.assert_allclose(simulated[1], target + 3 + 0.2 * v + charge, rtol=1e-8, atol=1e-7)
    np.testing.assert_allclose(misfit[1], (3 + 0.2 * v + charge) / 2, atol=1e-7)
    assert (np.asarray(kinds["plain"].scale) == 0).nonzero()[0].tolist() == [50, 150]
    inside = (t > 5.99) & (t < 14.01)
    assert ((np.asarray(kinds["window"].scale) > 0) == inside).all()
    assert kinds["window"].share() == pytest.approx(3.0 / inside.sum())
    blanked = ((t > 4.99) & (t < 7.01)) | ((t > 14.99) & (t < 17.01))
    assert ((np.asarray(kinds["blank"].scale) == 0) == blanked).all()
    # From another holding voltage the gates are elsewhere at first, and the command is the same.
    assert abs(simulated[3][0] - target[0]) > 1 and abs(simulated[3][149] / target[149] - 1) < 0.01


def _same_weight(objectives):
    """Their arrays in the structure of the first."""
    first, *rest = objectives
    treedef = jtu.tree_structure(first)
    return [first, *(jtu.tree_unflatten(treedef, jtu.tree_leaves(o)) for o in rest)]


def test_a_ramp_charges_the_capacitance_and_has_no_edges():
    ramp = nd.Step(-70.0) + nd.Ramp(0.5, 2.0, 12.0) + nd.Step(5.0, 12.0)
    objective = CurrentTrace(ramp, np.zeros(201), 0.1, blank=1.0)
    slope = np.asarray(objective.slope)
    assert (np.asarray(objective.scale) == 1).all()
    np.testing.assert_allclose(
        slope[[0, 10, 20, 21, 119, 120, 121, 200]], [0, 0, 0.25, 0.5, 0.5, 0.25, 0, 0], atol=1e-9
    )


def test_a_resistance_delays_and_reduces_the_clamp():
    # A passive cell behind a resistor: i = (command - v) / R with v relaxing at (g + 1/R) / C, in closed form.
    g, e, c, r = 10.0, -65.0, 50.0, 20.0
    channels = {"leak": nd.channels.Leak(g=g, e=e), "h": nd.channels.HCurrent(g=0.0)}
    cell = nd.PointCell(channels, capacitance=c, units="absolute")
    command = nd.Step(-60.0) + nd.Step(-20.0, 2.0)
    electrode = Electrode(resistance=r, junction=5.0)
    objective = CurrentTrace(command, np.zeros(121), 0.1, electrode=electrode, blank=None)
    gr, t = 1e3 / r, 0.1 * np.arange(121)
    v_at = lambda cmd: (g * e + gr * cmd) / (g + gr)
    before, after = v_at(-65.0), v_at(-85.0)
    v = np.where(t < 2 - 1e-9, before, after + (before - after) * np.exp(-(t - 2) * (g + gr) / c))
    expected = gr * (np.where(t < 2 - 1e-9, -65.0, -85.0) - v)
    np.testing.assert_allclose(objective.simulate(cell), expected, rtol=1e-9, atol=1e-7)
    assert expected[20] == pytest.approx(-20 * gr + expected[0])  # the transient is part of it
    with pytest.raises(ValueError, match="HodgkinHuxley in density units"):
        objective.simulate(nd.HodgkinHuxley())


def test_gradients_of_a_current(hh):
    objective = CurrentTrace(COMMAND, exact_current(), CLAMP_DT, window=(5.0, 12.0), noise=10.0)
    paths = ("na.g", "na.m.shift", "na.h.beta.rate", "k.n.factor", "k.n.beta.rate")

    def misfit(x):
        moved = replace_leaves(objective, {"holding": x[-2], "offset": x[-1]})
        return moved.misfit(replace_leaves(hh, dict(zip(paths, x, strict=False))))

    x = jnp.asarray([110.0, 2.0, 1.2, 0.9, 0.12, -70.0, 0.5])
    jacobian = assert_derivatives_agree(misfit, x, 1e-3 * np.abs(np.asarray(x)), 1e-7)
    assert np.linalg.matrix_rank(jacobian) == 7


# --- features ----------------------------------------------------------------------------------------------------------------------

ON, OFF, END = 10.0, 40.0, 50.0
OF_SPIKES = ("count", "rate", "latency", "ap_height", "ap_half_width", "ahp_depth")
OF_STEPS = ("sag", "input_resistance", "time_constant", "rest", "steady")
ALL = dict.fromkeys(OF_SPIKES + OF_STEPS, 1.0)
AMPLITUDES = (10.0, 2.0, -3.0)  # spikes, a hump, a sag


def features_at(amplitude) -> Features:
    return Features(nd.Step(amplitude, ON, OFF), ALL, END, window=(ON, OFF), noise=2.0, y0="rest")


@pytest.fixture(scope="module")
def runs(hh):
    """Voltage, exact spike times and features of each amplitude."""

    def run(amplitude):
        sol = nd.simulate(hh, nd.Step(amplitude, ON, OFF), END, y0="rest")
        return sol.v, sol.spikes.times, objective_at(amplitude).features(hh)

    return [np.asarray(x) for x in jax.jit(jax.vmap(run))(jnp.asarray(AMPLITUDES))]


FEATURES = features_at(1.0)


def objective_at(amplitude) -> Features:
    return replace_leaves(FEATURES, {"stimulus.amplitude": amplitude})


def test_features_by_their_definitions(runs):
    t = 0.025 * np.arange(2001)
    on = (t > ON - 1e-9) & (t < OFF + 1e-9)
    for v, spikes, found, amplitude in zip(*runs, AMPLITUDES, strict=True):
        got, inside = dict(zip(ALL, found, strict=True)), v[on]
        rest, steady = v[t < ON - 1e-9].mean(), v[(t > OFF - 3 - 1e-9) & (t < OFF + 1e-9)].mean()
        assert got["rest"] == pytest.approx(-64.9964, abs=1e-3) and got["rest"] == pytest.approx(rest, abs=1e-6)
        assert got["steady"] == pytest.approx(steady, abs=1e-6)
        assert got["input_resistance"] == pytest.approx((steady - rest) / amplitude, abs=1e-6)
        assert got["sag"] == pytest.approx(steady - inside.min(), abs=1e-3)
        area = np.trapezoid(inside - steady, dx=0.025) / (rest - steady)
        assert got["time_constant"] == pytest.approx(area, rel=1e-5)
        spikes = spikes[(spikes > ON) & (spikes < OFF)]  # there is one on rebound
        if amplitude == 10.0:
            assert got["count"] == pytest.approx(spikes.size, abs=1e-3) and spikes.size == 2
            assert got["rate"] == pytest.approx(1e3 / np.diff(spikes).mean(), rel=1e-9)
            assert got["latency"] == pytest.approx(spikes[0] - ON, abs=1e-9)
            # The published action potential: peak 40.2688 mV, half-width 1.4718 ms half way between rest and peak, trough -75.0782 mV.
            assert got["ap_height"] + rest == pytest.approx(40.2688, abs=0.02)
            assert got["ap_half_width"] == pytest.approx(1.4718, abs=2e-3)
            assert got["ahp_depth"] == pytest.approx(rest + 75.0782, abs=0.02)
        else:
            assert spikes.size == 0
            assert 0 <= got["count"] < 1e-3 and got["rate"] == pytest.approx(got["count"] / 30e-3)
            assert got["latency"] == pytest.approx(30 * (1 + (10 - inside.max()) / 50))
            assert got["ap_height"] == pytest.approx(inside.max() - rest, abs=1e-3)


def test_features_of_a_recording_are_those_of_the_model(runs):
    recorded = trace_features(runs[0][0], 0.025, (ON, OFF), step=AMPLITUDES[0])
    np.testing.assert_allclose([recorded[name] for name in ALL], runs[2][0], rtol=1e-7, atol=1e-7)
    assert "input_resistance" not in trace_features(runs[0][0][:500], 0.025, (5.0, 10.0), ("rest", "input_resistance"))


def test_gradients_of_features(hh):
    def misfit(x):
        models = lambda x: replace_leaves(hh, {"na.g": x[0], "k.g": x[1], "leak.e": x[2], "capacitance": x[3]})
        run = lambda amplitude: objective_at(amplitude).misfit(models(x))
        return jax.vmap(run)(x[4] * jnp.asarray(AMPLITUDES)).ravel()

    x = jnp.asarray([120.0, 36.0, -54.387, 1.0, 1.0])
    jacobian = assert_derivatives_agree(misfit, x, 1e-5 * np.abs(np.asarray(x)), 2e-5)
    assert np.isfinite(jacobian).all()
    silent = dict(zip(ALL, jacobian[len(ALL) : 2 * len(ALL)], strict=True))
    # More current brings a silent neuron nearer to a spike, and each feature of spikes feels it.
    assert silent["count"][4] > 0 and silent["rate"][4] > 0 and silent["latency"][4] < 0 and silent["ap_height"][4] > 0


def test_features_of_a_passive_membrane():
    # Closed form: R = 1/g, tau = C/g.
    cell = nd.PointCell({"leak": nd.channels.Leak(g=0.1, e=-70.0)}, capacitance=1.0, initial=-70.0)
    targets = {"input_resistance": 10.0, "time_constant": 10.0, "rest": -70.0, "sag": 0.0, "steady": -80.0}
    objective = Features(nd.Step(-1.0, 20.0), targets, 170.0, window=(20.0, 170.0), dt=0.05)
    np.testing.assert_allclose(objective.misfit(cell), 0.0, atol=1e-3)


def test_features_of_a_model_that_resets():
    lif = nd.LIF()
    drive = 1.5 * float(lif.threshold - lif.rest) / float(lif.resistance)
    objective = Features(
        nd.Step(drive, 10.0), {"rate": 10.0, "latency": 5.0, "rest": -65.0}, 210.0, window=(10.0, 210.0)
    )
    run = nd.simulate(lif, nd.Step(drive, 10.0), 210.0)
    times = np.asarray(run.spikes.times)
    times = times[np.isfinite(times)]
    expected = [1e3 / np.diff(times).mean(), times[0] - 10, float(lif.rest)]
    np.testing.assert_allclose(objective.features(lif), expected, rtol=1e-9)
    with pytest.raises(ValueError, match=r"\['ap_height'\] are not allowed for LIF"):
        Features(nd.Step(drive, 10.0), {"ap_height": 100.0, "rate": 1.0}, 20.0, window=(10.0, 20.0)).misfit(lif)


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("feature 'rat' is not allowed: must be one of count, rate", lambda s: Features(s, {"rat": 1.0}, 50.0)),
        ("must be finite", lambda s: Features(s, {"rate": np.nan}, 50.0)),
        ("noise of", lambda s: Features(s, {"rate": 1.0}, 50.0, noise={"latency": 1.0})),
        (r"window = \(0, 40\) ms is not allowed", lambda s: Features(s, {"rate": 1.0}, 50.0, window=(0.0, 40.0))),
        ("the current at the end of window", lambda s: Features(s, {"input_resistance": 1.0}, 50.0)),
        ("blank = -1", lambda s: CurrentTrace(s, np.zeros(9), 0.1, blank=-1.0)),
        (
            "no sample is left",
            lambda s: CurrentTrace(nd.Step(9.0, 0.1), np.zeros(9), 0.1, blank=9.0, window=(0.1, 0.5)),
        ),
        ("trials is not allowed", lambda s: PSTH(s, [], 50.0)),
        ("sd = 0.0 is not allowed", lambda s: Prior("na.g", 1.0, 0.0)),
        ("mean = -1.0 is not allowed", lambda s: Prior("na.g", -1.0, 1.0, logarithmic=True)),
    ],
)
def test_bad_input(message, make):
    with pytest.raises(ValueError, match=message):
        make(nd.Step(10.0, 10.0, 40.0))


# --- rate over trials --------------------------------------------------------------------------------------------------------------


def poisson_trials(random, trials: int, rate: float, t1: float) -> list[np.ndarray]:
    return [np.sort(random.uniform(0, t1, random.poisson(rate * t1 / 1e3))) for _ in range(trials)]


def test_smoothed_rate_of_trials_and_its_deviation():
    trials = [np.asarray([3.0, 11.2]), np.asarray([]), np.asarray([5.5])]
    objective = PSTH(nd.Step(10.0), trials, 20.0, tau=(8.0, 4.0), dt=0.1, window=(2.0, 20.0))
    ends = 0.5 * np.arange(1, 41)
    for i, tau in enumerate((8.0, 4.0)):
        since = ends[:, None] - np.concatenate(trials)[None]
        kernel = np.where(since >= 0, np.exp(-np.maximum(since, 0) / tau), 0)
        np.testing.assert_allclose(objective.target[i], kernel.sum(1) / 3, atol=1e-12)
        np.testing.assert_allclose(objective.deviation[i], np.sqrt((kernel**2).sum(1) + 0.5) / 3, atol=1e-12)
    assert ((np.asarray(objective.scale) > 0) == (ends >= 2)).all()


def test_deviation_is_that_of_poisson_trials():
    # For the true rate the misfits have the variance of as many independent numbers as `share` takes the mean over.
    random, total, tau, t1 = np.random.default_rng(0), [], 5.0, 1500.0
    for _ in range(6):
        trials = poisson_trials(random, 15, 80.0, t1)
        objective = PSTH(nd.Step(0.0), trials, t1, tau=tau, dt=0.5, window=(50.0, t1))
        z = objective.scale * (0.08 * tau - objective.target[0]) / objective.deviation[0]
        independent = np.tanh(objective.width / (2 * tau))
        total.append(float(objective.share() * independent * jnp.sum(z**2)))
    assert np.mean(total) == pytest.approx(1.0, abs=0.1)


def test_psth_of_the_models_own_spikes(hh):
    stimulus = nd.Step(10.0, 5.0)
    sol = nd.simulate(hh, stimulus, 60.0, record=[])
    times = np.asarray(sol.spikes.times)
    trials = [times[np.isfinite(times)]] * 4
    objective = PSTH(stimulus, trials, 60.0, tau=(10.0, 5.0))
    moved = PSTH(stimulus, [x + 3.0 for x in trials], 60.0, tau=(10.0, 5.0))
    paths = ("na.g", "leak.e", "capacitance")

    def residuals(x):
        run = lambda o: jnp.concatenate(
            [o.residuals(replace_leaves(hh, dict(zip(paths, x, strict=True))), x[0] * 0), o.misfit(hh)]
        )
        return jax.vmap(run)(stacked(objective, moved))

    x = jnp.asarray([120.0, -54.387, 1.0])
    own, other = jax.jit(residuals)(x)
    bins = own.size // 2
    assert jnp.sum(other[:bins] ** 2) > 5 * jnp.sum(own[:bins] ** 2)
    rate, target = objective.rate(hh)
    np.testing.assert_allclose(
        rate[40:], target[40:], atol=25.0
    )  # 200 Hz just after a spike; the rise through `level` is not its time
    assert_derivatives_agree(lambda x: residuals(x)[1, :bins], x, 1e-4 * np.abs(np.asarray(x)), 1e-5)
    # The last stage is the misfit, weighted.
    np.testing.assert_allclose(objective.exact_residuals(hh), objective.residuals(hh, 1.0), atol=1e-12)
    with pytest.raises(ValueError, match="PSTH is not allowed for LIF"):
        objective.misfit(nd.LIF())


# --- prior -------------------------------------------------------------------------------------------------------------------------


def test_prior(hh):
    np.testing.assert_allclose(Prior("na.g", 100.0, 10.0).misfit(hh), [2.0])
    logarithmic = Prior("*.g", 60.0, 0.5, logarithmic=True, weight=4.0)
    np.testing.assert_allclose(logarithmic.misfit(hh), np.log(np.asarray([120.0, 36.0, 0.3]) / 60) / 0.5)
    np.testing.assert_allclose(logarithmic.loss(hh, 0.3), 4 * np.sum(np.asarray(logarithmic.misfit(hh)) ** 2))
    with pytest.raises(ValueError, match="did you mean"):
        Prior("na.gg", 1.0, 1.0).misfit(hh)


def test_prior_beside_a_trace_gives_the_posterior(hh):
    trace = CurrentTrace(COMMAND, exact_current() + 3.0, CLAMP_DT, noise=2.0, weight=0.7)
    prior = Prior("na.g", 100.0, 10.0, beside=trace)
    loss = trace.loss(hh, 0.0) + prior.loss(hh, 0.0)
    posterior = jnp.sum(trace.misfit(hh) ** 2) + jnp.sum(prior.misfit(hh) ** 2)  # minus twice the logarithm
    assert loss == pytest.approx(float(trace.share() * posterior), rel=1e-12)


@pytest.mark.slow
def test_fit_of_currents_with_an_offset_in_each_sweep(hh):
    truth = nd.replace(hh, {"na.g": 110.0, "k.g": 40.0})
    sweeps = []
    for level, offset in ((-40.0, 2.0), (-10.0, -1.0), (20.0, 0.5)):
        command = nd.Step(-100.0) + nd.Step(level + 100.0, 1.0, 8.0)
        current = nd.simulate(nd.Clamped(truth, -100.0), command, 10.0, dt=0.05, record="i_ionic").ys["i_ionic"]
        sweeps.append(CurrentTrace(command, current + offset, 0.05, noise=10.0))
    prior = Prior("na.g", 120.0, 1e3, beside=sweeps[0])
    out = nd.fit(
        hh,
        [*sweeps, prior],
        trainable=["na.g", "k.g"],
        nuisance="*.offset",
        key=jax.random.key(0),
        steps=5,
        starts=4,
        polish=20,
        polish_starts=2,
    )
    assert out.model.na.g == pytest.approx(110.0, rel=1e-6) and out.model.k.g == pytest.approx(40.0, rel=1e-6)
