"""What the data determine: ranks, bounds, profiles and posteriors, against closed forms."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_problems import (
    DRIVE,
    NAMES,
    PASSIVE,
    Line,
    linear_problem,
    passive_cell,
    passive_covariance,
    passive_trace,
    passive_voltage,
)
from matplotlib.figure import Figure

import neurodyn as nd
from neurodyn._parameter import parameters
from neurodyn.fitting import Prior, SpikeLikelihood, SpikeTrain, StepResponse, Task, VoltageTrace, rank_report
from neurodyn.fitting.identifiability import (
    curvature,
    profile,
    sample_posterior,
    uncertainty,
)
from neurodyn.fitting.identifiability.fisher import describe_noise
from neurodyn.plot import determined as plots


CHI2 = 3.841458820694124


@pytest.fixture(scope="module")
def line():
    return linear_problem()


@pytest.fixture(scope="module")
def cell():
    return passive_cell()


@pytest.fixture(scope="module")
def passive(cell):
    """At the truth, with data that fit exactly."""
    exact = VoltageTrace(DRIVE, passive_voltage(1.0, -65.0, 0.1), 0.1, y0=None, noise=0.2)
    return Task.of(cell, exact, PASSIVE)


@pytest.fixture(scope="module")
def at_rest(cell):
    """Nothing flows: neither capacitance nor conductance can be known."""
    return Task.of(cell, VoltageTrace(nd.Step(0.0), np.full(501, -65.0), 0.1, y0=None, noise=0.2), PASSIVE)


# Rank ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rank(hh):
    rates = [p for p in parameters(hh) if p.split(".")[-1] in ("rate", "midpoint", "scale")]
    paths = ["capacitance", "na.g", "k.g", "leak.g", "na.e", "k.e", "leak.e", *rates, "temperature"]
    assert len(paths) == 26
    v = np.zeros(1601)
    return {
        name: rank_report(Task.of(hh, VoltageTrace(nd.Step(10.0, start), v, 0.025, y0=None), paths))
        for name, start in (("varying", 2.0), ("constant", 0.0))
    }


def test_degenerate_constants_of_hodgkin_huxley_are_named(rank):
    """Three exponential rates whose midpoint only rescales them, and a temperature that rescales all: 22 of 26 make a difference.

    The drive has to vary: under a constant one the leak's reversal stands in for it, and conductances scale with the capacitance.
    """
    report = rank["varying"]
    assert report.rank == 22
    assert rank["constant"].rank == 21
    named = {path for direction in report.null_directions for path in direction}
    assert {"na.m.beta.midpoint", "na.m.beta.rate", "temperature"} <= named
    assert not named & {"na.g", "capacitance", "leak.e"}  # these four directions are combinations of rates


def test_fit_warns_of_a_null_direction(cell):
    higher = VoltageTrace(nd.Step(0.0), np.full(501, -64.0), 0.1, y0=None)
    with pytest.warns(UserWarning, match="only 1 of 2 .* capacitance"):
        nd.fit(cell, higher, trainable=PASSIVE[:2], key=jax.random.key(0), steps=1, starts=1)


# The Cramer-Rao bound -----------------------------------------------------------------------------------------------------------


def test_uncertainty_of_a_linear_model(line):
    task, best, covariance = line
    u = uncertainty(task)
    assert u.names == NAMES and u.units == ("mV", "ms", "mV")
    np.testing.assert_allclose(u.values, best)
    np.testing.assert_allclose(u.covariance, covariance, rtol=1e-9)
    np.testing.assert_allclose(u.sd, np.sqrt(np.diag(covariance)), rtol=1e-9)
    np.testing.assert_allclose(u.correlation, covariance / np.outer(u.sd, u.sd), rtol=1e-9)
    # Scales: the value of a time constant, the declared spread of potentials.
    np.testing.assert_allclose(u.scale, [5.0, best[1], 5.0])
    scaled = np.linalg.inv(covariance / np.outer(u.scale, u.scale))
    np.testing.assert_allclose(u.eigenvalues, np.linalg.eigvalsh(scaled)[::-1], rtol=1e-9)
    assert u.condition == pytest.approx(np.linalg.cond(scaled)) and u.rank == 3 and u.undetermined == ()
    assert u.sloppy(1)[0].sd == pytest.approx(1 / np.sqrt(u.eigenvalues[-1]))
    assert 0.5 < u.misfit < 1.5 and u.data == 60 and "Line noise 0.5" in u.noise
    assert "tau" in repr(u) and "<table>" in u._repr_html_()
    again = u.rescaled()
    np.testing.assert_allclose(again.covariance, u.covariance * u.misfit)
    assert again.misfit == 1.0


def test_a_prior_is_information(line):
    task, _, covariance = line
    with_prior = Task.of(task.model, [*task.objectives, Prior("tau", 20.0, 0.05)], list(NAMES))
    expected = np.linalg.inv(np.linalg.inv(covariance) + np.diag([0.0, 1 / 0.05**2, 0.0]))
    np.testing.assert_allclose(uncertainty(with_prior).covariance, expected, rtol=1e-9)


def test_uncertainty_of_a_passive_membrane(passive):
    u = uncertainty(passive)
    np.testing.assert_allclose(u.covariance, passive_covariance(0.2), rtol=1e-6)
    assert u.names == tuple(PASSIVE) and u.misfit < 1e-20


def test_what_is_not_determined_is_infinite(at_rest):
    u = uncertainty(at_rest)
    assert u.undetermined == ("capacitance", "channels.leak.g") and u.rank == 1 and u.condition == np.inf
    assert np.isfinite(u.sd[1]) and np.isnan(u.correlation[0, 1]) and u.covariance[0, 0] == np.inf
    assert u.sloppy()[0].sd == np.inf and "inf" in repr(u)


def test_fewer_data_than_parameters():
    one = Line(jnp.ones((1, 2)), jnp.zeros(1), jnp.asarray(1.0), ("rest", "reset"))
    u = uncertainty(Task.of(nd.LIF(), one, ["rest", "reset"]))
    assert u.rank == 1 and u.undetermined == ("reset", "rest")
    shares = u.sloppy(1)[0].shares
    assert abs(shares["rest"]) == pytest.approx(np.sqrt(0.5)) and shares["rest"] == pytest.approx(-shares["reset"])


# The curvature of a loss that is no likelihood -------------------------------------------------------------------------------------


def test_curvature_of_a_linear_model(line):
    """Closed form: the loss rises by h^2 / variance, times 1 when all others follow."""
    task, best, covariance = line
    boxed = Task.of(task.model, task.objectives, list(NAMES), bounds={"threshold": (-55.0, -40.0)}, box_prior=3.0)
    c = curvature(boxed)  # of the data, without the prior
    loss = float(np.sum(np.asarray(task.objectives[0].misfit(task.model)) ** 2))
    assert c.loss == pytest.approx(loss) and c.rank == 3
    np.testing.assert_allclose(c.together, np.sqrt(0.1 * loss * np.diag(covariance)), rtol=1e-9)
    np.testing.assert_allclose(c.alone, np.sqrt(0.1 * loss / np.diag(np.linalg.inv(covariance))), rtol=1e-9)
    for i, name in enumerate(NAMES):
        moved = Task.of(nd.replace(task.model, {name: best[i] + c.alone[i]}), task.objectives, list(NAMES))
        assert float(moved.exact_loss(moved.encode())) == pytest.approx(1.1 * loss, rel=1e-6)
    reach, shares = c.sloppy(1)[0]
    along = reach * c.scale * np.array([shares.get(name, 0.0) for name in NAMES])
    assert along @ np.linalg.inv(covariance) @ along == pytest.approx(0.1 * loss, rel=0.05)  # small shares are left out
    assert "with the others" in repr(c) and "<table>" in c._repr_html_()


def test_curvature_of_what_changes_nothing(at_rest):
    c = curvature(at_rest)
    assert c.rank == 1 and np.isinf(c.together[[0, 2]]).all() and np.isfinite(c.together[1])
    assert c.sloppy(1)[0][0] == np.inf


def test_what_is_no_likelihood_has_no_standard_deviations():
    step = StepResponse(2.0, np.full(400, -65.0), 0.2, start=20.0, stop=60.0, spikes=[30.0])
    task = Task.of(nd.LIF(), step, ["tau"])
    for ask in (uncertainty, lambda t: profile(t, "tau"), lambda t: sample_posterior(t, key=jax.random.key(0))):
        with pytest.raises(ValueError, match=r"objectives\[0\] \(StepResponse\) is no likelihood"):
            ask(task)
    on_grid = SpikeTrain(nd.Step(2.0), [30.0], 50.0, method=nd.FixedStep(0.1, reset=nd.GridReset()))
    for ask in (uncertainty, curvature):
        with pytest.raises(
            ValueError, match=r"was fitted with GridReset\(\), under which spike times have no true derivative"
        ):
            ask(Task.of(nd.LIF(), on_grid, ["tau"]))


def test_the_noise_of_a_point_process_has_no_scale():
    spikes = SpikeLikelihood(nd.Step(2.0), [30.0], 50.0)
    said = describe_noise([spikes, spikes, Prior("tau", 20.0, 1.0)])
    assert said == (
        "spikes at random with the model's own hazard, without a scale of noise (2 SpikeLikelihood) and independent normal errors (Prior)"
    )


# Profiles -----------------------------------------------------------------------------------------------------------------------


def test_profile_of_a_linear_model(line):
    task, best, covariance = line
    for i, path in enumerate(("rest", "tau")):
        sd = np.sqrt(covariance[i, i])
        p = profile(task, path, points=7)
        np.testing.assert_allclose(p.chi2, ((p.values - best[i]) / sd) ** 2, atol=1e-3)
        assert p.estimate == pytest.approx(best[i], abs=1e-4 * sd)
        assert p.lower == pytest.approx(best[i] - np.sqrt(CHI2) * sd, abs=1e-2 * sd)
        assert p.upper == pytest.approx(best[i] + np.sqrt(CHI2) * sd, abs=1e-2 * sd)
        assert p.open == (False, False) and not p.flat and p.settled.all()
        expected = best[2] + covariance[2, i] / covariance[i, i] * (p.values - best[i])
        np.testing.assert_allclose(p.others["threshold"], expected, atol=1e-3)


def test_profile_of_a_fit(cell):
    """From noisy data: the interval holds the truth's neighbourhood and is nearly that of the linear model."""
    out = nd.fit(cell, passive_trace(0), trainable=PASSIVE, key=jax.random.key(0), steps=0, starts=1, polish=12)
    p, u = profile(out, "channels.leak.g", points=5), uncertainty(out)
    sd = u.sd[2]
    assert p.upper - p.lower == pytest.approx(2 * np.sqrt(CHI2) * sd, rel=0.02)
    assert p.lower < 0.1 < p.upper and p.estimate == pytest.approx(float(out.model.channels["leak"].g), abs=0.01 * sd)
    q = profile(out, "capacitance", values=[1.0, 1.005, 1.012])
    assert q.open == (True, True) and "open on both sides" in repr(q)
    assert u.misfit == pytest.approx(1.0, abs=0.2)


def test_a_flat_profile_is_open(at_rest):
    p = profile(at_rest, "capacitance", points=3, extend=1)
    assert p.flat and p.open == (True, True) and p.lower == -np.inf and p.upper == np.inf
    assert p.settled.all() and "flat" in repr(p)


@pytest.mark.parametrize(
    "path, options, words",
    [
        ("reset", {}, "must be a trained scalar: rest, tau, threshold"),
        ("tau", {"values": [-1.0, 1.0, 2.0]}, "between 0 and inf"),
        ("tau", {"values": [1.0, 2.0]}, "three numbers at least"),
        ("tau", {"points": 2}, "points = 2"),
        ("tau", {"width": -1.0}, "width = -1.0"),
    ],
)
def test_profiles_of_nothing_are_refused(line, path, options, words):
    with pytest.raises(ValueError, match=words):
        profile(line[0], path, **options)


# Posteriors ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def posterior(line):
    """Two constants known from a line, one from a log-normal prior only, and one of which nothing is known but its bounds."""
    pytest.importorskip("numpyro")
    design = np.asarray(line[0].objectives[0].design)[:, [0, 2]]
    data = design @ np.array([-63.0, -48.0])
    objective = Line(jnp.asarray(design), jnp.asarray(data), jnp.asarray(0.5), ("rest", "threshold"))
    model = nd.replace(nd.LIF(), {"rest": -63.0, "threshold": -48.0})
    task = Task.of(
        model,
        [objective, Prior("tau", 20.0, 0.3, logarithmic=True)],
        ["rest", "threshold", "tau", "refractory"],
        bounds={"refractory": (0.5, 4.0), "threshold": (-60.0, -40.0)},
    )
    return sample_posterior(task, key=jax.random.key(0), draws=400, warmup=150, chains=4), design


def test_posterior_of_a_linear_model(posterior):
    s, design = posterior
    covariance = 0.25 * np.linalg.inv(design.T @ design)
    for i, (path, mean) in enumerate((("rest", -63.0), ("threshold", -48.0))):
        draws, sd, n = s.flat(path), np.sqrt(covariance[i, i]), float(s.n_eff[path])
        assert s.samples[path].shape == (4, 400) and n > 300 and s.r_hat[path] < 1.02
        assert abs(draws.mean() - mean) < 4 * sd / np.sqrt(n)
        assert draws.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * n) + 0.01)
    found = np.corrcoef(s.flat("rest"), s.flat("threshold"))[0, 1]
    assert found == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), abs=0.08)
    assert s.divergences == 0 and "2 Prior" not in s.prior and "1 Prior" in s.prior
    assert "r_hat" in repr(s) and "<table>" in s._repr_html_()


def test_priors_come_out_where_there_are_no_data(posterior):
    s, _ = posterior
    logs = np.log(s.flat("tau"))
    assert logs.mean() == pytest.approx(np.log(20.0), abs=0.05) and logs.std() == pytest.approx(0.3, rel=0.12)
    # Uniform from 0.5 to 4.
    quartiles = np.quantile(s.flat("refractory"), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [1.375, 2.25, 3.125], atol=0.3)
    assert s.flat("refractory").min() > 0.5 and s.flat("refractory").max() < 4.0


def test_posteriors_say_what_they_need(line, monkeypatch):
    with pytest.raises(ValueError, match="chains = 0"):
        sample_posterior(line[0], key=jax.random.key(0), chains=0)
    with pytest.raises(ValueError, match="target_accept = 1.5"):
        sample_posterior(line[0], key=jax.random.key(0), target_accept=1.5)
    monkeypatch.setitem(sys.modules, "numpyro.infer", None)
    with pytest.raises(ImportError, match=r"neurodyn\[bayes\]"):
        sample_posterior(line[0], key=jax.random.key(0))


@pytest.mark.slow
def test_posterior_of_hodgkin_huxley(hh):
    """Narrow, so that it is that of the linear model."""
    pytest.importorskip("numpyro")
    drive = nd.Step(10.0, 1.0)
    v = np.asarray(nd.simulate(hh, drive, 15.0).v)
    noisy = v + np.random.default_rng(0).normal(size=v.size)
    trace = VoltageTrace(drive, noisy, 0.025, y0=None)
    out = nd.fit(hh, trace, trainable=["na.g", "k.n.shift"], key=jax.random.key(0), steps=0, starts=1, polish=15)
    s, u = sample_posterior(out, key=jax.random.key(1), draws=300, warmup=100, chains=2), uncertainty(out)
    for name, value, sd in zip(u.names, u.values, u.sd, strict=True):
        assert s.flat(name).mean() == pytest.approx(value, abs=0.3 * sd)
        assert s.flat(name).std() == pytest.approx(sd, rel=0.2)
    assert s.divergences == 0 and max(map(float, s.r_hat.values())) < 1.05


@pytest.mark.slow
def test_refits_scatter_as_predicted(cell):
    """Monte Carlo: 100 data sets, each fitted again. The intervals of `uncertainty` cover the truth as often as they say."""
    fits = [
        nd.fit(
            cell,
            passive_trace(i),
            trainable=PASSIVE,
            key=jax.random.key(0),
            steps=0,
            starts=1,
            polish=8,
            check_rank=False,
        )
        for i in range(100)
    ]
    found = np.array([[float(p.after) for p in sorted(out.parameters, key=lambda p: p.path)] for out in fits])
    np.testing.assert_allclose(found.std(axis=0), np.sqrt(np.diag(passive_covariance(0.2))), rtol=0.25)
    u = [uncertainty(out) for out in fits]
    inside = np.array([np.abs(x.values - [1.0, -65.0, 0.1]) < 1.96 * x.sd for x in u])
    assert (inside.mean(axis=0) > 0.88).all() and inside.mean() > 0.91


# Pictures -----------------------------------------------------------------------------------------------------------------------


def test_pictures(rank, line, at_rest, posterior):
    ax = Figure().subplots()
    assert plots.rank(rank["varying"], ax) is ax and "22 of 26" in ax.get_title(loc="left")
    left, right = plots.uncertainty(uncertainty(at_rest), Figure().subplots(1, 2))
    assert [t.get_text() for t in left.get_yticklabels()] == ["capacitance", "channels.leak.e *", "channels.leak.g"]
    assert right.get_title() == "correlation"
    ax = plots.profile(profile(line[0], "rest", points=7), Figure().subplots())
    assert ax.get_xlabel() == "rest (mV)"
    axes = plots.posterior(posterior[0], names=["rest", "tau"], truth={"tau": 20.0})
    assert axes.shape == (2, 2) and axes[1, 0].get_ylabel() == "tau\n(ms)"
