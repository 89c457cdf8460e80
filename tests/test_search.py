"""What a fit looks at, and where it goes: batches of objectives, nuisance parameters, phases, attempts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neurodyn as nd
from neurodyn.fitting import Electrode, SpikeTrain, Task, VoltageTrace
from neurodyn.fitting.batches import alike, draw
from neurodyn.fitting.objectives.electrode import low_pass


T1 = 8.0
LEVELS = (9.0, 12.0, 15.0)


@pytest.fixture(scope="module")
def traces(hh):
    """Three sweeps of one neuron, each with a baseline current of its own that the experimenter does not know."""
    hidden = nd.replace(hh, {"na.g": 100.0})
    baselines = (0.5, -0.4, 0.2)
    v = [
        nd.simulate(hidden, nd.Step(level, 1.0) + nd.Step(extra, -1.0), T1).v
        for level, extra in zip(LEVELS, baselines, strict=True)
    ]
    return [VoltageTrace(nd.Step(x, 1.0), np.asarray(y), 0.025, y0=None) for x, y in zip(LEVELS, v, strict=True)]


def test_sweeps_of_one_shape_run_as_one_batch_and_add_up(hh, traces):
    spikes = [SpikeTrain(nd.Step(12.0), times, T1) for times in ([3.0], [2.0, 6.0])]
    objectives = [traces[0], spikes[0], *traces[1:], spikes[1]]
    task = Task.of(hh, objectives, ["na.g"])
    assert task.groups == ((0, 2, 3), (1, 4))  # trains of unlike numbers of spikes are padded to one length
    together, alone = jax.jit(lambda t: (t.loss(t.encode(), 0.0), [o.loss(t.model, 0.0) for o in t.objectives]))(task)
    np.testing.assert_allclose(together, sum(alone), rtol=1e-12)


def test_a_part_of_the_sweeps_has_the_right_mean():
    groups, generator = ((0, 2, 3, 5), (1, 4)), np.random.default_rng(0)
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    estimates = []
    for _ in range(4000):
        places, scales = draw(groups, 3, generator)
        assert [len(p) for p in places] == [2, 1]
        estimates.append(
            sum(s**2 * values[np.array(g)[p]].sum() for g, p, s in zip(groups, places, scales, strict=True))
        )
    assert np.mean(estimates) == pytest.approx(values.sum(), rel=0.02)
    assert alike([]) == ()


def _fit(hh, objectives, **options):
    settings = dict(trainable=["na.g"], key=jax.random.key(0), starts=4, check_rank=False)
    return nd.fit(hh, objectives, **{**settings, **options})


def test_every_sweep_has_its_own_baseline(hh, traces):
    """A nuisance per sweep is found, goes by its path, and is in the objectives that come back."""
    out = _fit(hh, traces, nuisance="*.baseline", steps=0, starts=1, polish=15)
    fitted = {p.path: float(p.after) for p in out.parameters}
    assert fitted["na.g"] == pytest.approx(100.0, rel=1e-5)
    found = [fitted[f"objectives.{i}.baseline"] for i in range(3)]
    np.testing.assert_allclose(found, (0.5, -0.4, 0.2), atol=1e-5)
    assert [float(o.baseline) for o in out.objectives] == found
    with pytest.raises(ValueError, match="no parameter of an objective matches 'objectives.*.basline'"):
        _fit(hh, traces, nuisance="*.basline")


def test_phases_attempts_and_what_they_leave(hh, traces):
    options = dict(candidates=9, steps=4, halvings=1, polish=3, polish_starts=2, batch=2)
    out = _fit(hh, traces, **options, attempts=2, stop_below=1e-30)
    assert list(out.phases) == ["screen", "descent", "polish", "screen 2", "descent 2", "polish 2"]
    assert out.phases["screen"].loss.shape == (3, 9)  # three blocks of four, the last of one
    assert out.reason == "all steps made"
    walked = np.isfinite(out.history.loss).sum(axis=1)
    assert walked.tolist() == [4, 4, 2, 2]
    best = [np.nanmin(out.phases[name].loss) for name in ("polish", "polish 2")]
    assert out.loss == min(best)
    enough = _fit(hh, traces, **options, attempts=2, stop_below=1e9)
    assert list(enough.phases) == ["screen", "descent", "polish"]  # no second attempt
    with pytest.raises(ValueError, match="attempts = 2 needs stop_below"):
        _fit(hh, traces, **options, attempts=2)
    with pytest.raises(ValueError, match="starts = 4 is not allowed with halvings = 3: must be divisible by 8"):
        _fit(hh, traces, halvings=3)


def test_a_phase_that_gets_no_better_ends(hh, traces):
    out = _fit(hh, traces, steps=40, patience=3, optimiser=optax.sgd(0.0))
    assert len(out.history.loss) == 4


def test_the_first_candidate_is_the_model_given(hh, traces):
    out = _fit(hh, traces, candidates=16, steps=1, bounds={"na.g": (60.0, 240.0)})
    start = nd.fit(hh, traces, trainable=["na.g"], key=jax.random.key(9), steps=1, starts=1, check_rank=False)
    assert out.history.loss[0, 0] == pytest.approx(start.history.loss[0, 0], rel=1e-12)


def test_a_box_prior_pulls_to_the_middle(hh, traces):
    bounds = {"na.g": (60.0, 240.0)}
    task = Task.of(nd.replace(hh, {"na.g": 239.0}), traces, ["na.g"], bounds=bounds, box_prior=2.0)
    plain = Task.of(task.model, traces, ["na.g"], bounds=bounds)
    at = plain.encode()
    place = (np.log(239.0) - np.log(120.0)) / np.log(2.0)
    assert float(task.loss(at, 1.0) - plain.loss(at, 1.0)) == pytest.approx((2 * place) ** 2, rel=1e-9)
    assert float(task.exact_loss(at) - plain.exact_loss(at)) == pytest.approx((2 * place) ** 2, rel=1e-9)


def test_an_electrode_adds_its_drop_and_its_filter():
    """Closed form: a low-pass of a ramp lags behind it by tau; a drop of 1e-3 mV per Mohm and pA."""
    dt, tau = 0.05, 0.4
    ramp = 2.0 * dt * jnp.arange(400)
    late = np.asarray(low_pass(ramp, jnp.asarray(tau), dt))
    t = dt * np.arange(400)
    np.testing.assert_allclose(late, 2 * (t - tau * (1 - np.exp(-t / tau))), atol=1e-12)
    np.testing.assert_array_equal(low_pass(ramp, jnp.asarray(0.0), dt), ramp)
    shown = Electrode(resistance=13.0, junction=-5.0).record(jnp.full(3, -70.0), jnp.array([0.0, 100.0, 100.0]), dt)
    np.testing.assert_allclose(shown, [-75.0, -73.7, -73.7])
    by_tau = jax.jacfwd(lambda tau: low_pass(ramp, tau, dt))(jnp.asarray(tau))
    assert np.isfinite(by_tau).all() and float(by_tau[-1]) == pytest.approx(-2.0, rel=1e-6)
