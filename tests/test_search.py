"""What a fit looks at, and where it goes: batches of objectives, nuisance parameters, phases, attempts; what it shows; and what it does without memory."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from known_problems import PASSIVE, passive_cell, passive_trace

import neurodyn as nd
from neurodyn.fitting import Electrode, FittedParameter, SpikeTrain, StepResponse, Task, VoltageTrace
from neurodyn.fitting.batches import alike, draw
from neurodyn.fitting.objectives.electrode import low_pass
from neurodyn.fitting.search import Descent, Evolution, Polish, Screen, descent, falling_rate, parts
from neurodyn.fitting.search.display import count_spikes
from neurodyn.fitting.search.phase import exact_losses, smooth_losses


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
    out = _fit(hh, traces, **options, attempts=2)
    assert list(out.phases) == ["screen", "descent", "polish", "screen 2", "descent 2", "polish 2"]
    assert out.phases["screen"].loss.shape == (3, 9)  # three blocks of four, the last of one
    assert out.reason == "all steps made"
    walked = np.isfinite(out.history.loss).sum(axis=1)
    assert walked.tolist() == [4, 4, 2, 2]
    best = [np.nanmin(out.phases[name].loss) for name in ("polish", "polish 2")]
    assert out.loss == min(best)
    enough = _fit(hh, traces, **options, attempts=2, stop_below=1e9)
    assert list(enough.phases) == ["screen", "descent", "polish"]  # no second attempt
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


# What is shown -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def passive():
    bounds = {path: limits for path, limits in zip(PASSIVE, [(0.5, 2.0), (-70.0, -60.0), (0.05, 0.2)], strict=True)}
    return Task.of(passive_cell(), passive_trace(0), PASSIVE, bounds=bounds)


def test_every_phase_knows_its_leader(passive):
    """The point whose loss is the lowest of the step."""
    screen = Screen(12, 4, jax.random.key_data(jax.random.key(0)))
    ends, fraction = None, jnp.asarray(0.0)
    phases = [
        (screen, lambda t, x: smooth_losses(t, x, fraction)),
        (Descent(8, 4, 1, None, 0, optax.adam(falling_rate(0.05, 8))), lambda t, x: smooth_losses(t, x, fraction)),
        (Polish(4, 3, False), exact_losses),
    ]
    for phase, loss_of in phases:
        state = phase.begin(passive, ends)
        for index in range(min(phase.steps(), 5)):  # past a halving
            state, record = phase.step(passive, state, index)
        leader = phase.leader(passive, state, index)
        lowest = record.lowest() if phase is not screen else state["loss"].min()
        found = loss_of(passive, {path: jnp.asarray(x)[None] for path, x in leader.items()})
        assert float(found[0]) == pytest.approx(lowest, rel=1e-9), phase.name
        ends = phase.end(passive, state)


def test_evolution_knows_its_leader(passive):
    pytest.importorskip("cma")
    screen = Screen(4, 4, jax.random.key_data(jax.random.key(0)))
    phase = Evolution(2, 4, 0, 1.0, True)
    state = phase.begin(passive, screen.end(passive, screen.begin(passive, None)))
    state, record = phase.step(passive, state, 0)
    found = exact_losses(passive, {path: jnp.asarray(x)[None] for path, x in phase.leader(passive, state, 0).items()})
    assert float(found[0]) == pytest.approx(record.lowest(), rel=1e-9)


def test_stages_of_a_fit_have_numbers(passive):
    """Of losses that compare: three stages of a descent, and the polish's own."""
    task = dataclasses.replace(passive, objectives=(SpikeTrain(nd.Step(2.0), [30.0], 50.0),))  # three time constants
    phase = Descent(9, 4, 0, None, 0, optax.sgd(0.1))
    assert [phase.stage(task, i) for i in range(9)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [Polish(9, 4, True).stage(task, i) for i in range(9)] == [0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert {Polish(9, 4, False).stage(task, i) for i in range(9)} == {3}


def _lif_spikes(amplitude, t1, **options):
    times = np.asarray(nd.simulate(nd.LIF(), nd.Step(amplitude, **options), t1, dt=0.1).spikes.times)
    return times[np.isfinite(times)]


def test_matched_spikes_are_counted():
    own = _lif_spikes(2.0, 100.0)
    assert own.size >= 3
    data = np.sort(
        [*own[1:], own[-1] + 8.0, own[1] + 7.0]
    )  # the first of the model's is one too many; two have no partner
    train = SpikeTrain(nd.Step(2.0), np.clip(data, 0.0, 100.0), 100.0, dt=0.1, reach=3.0)
    stepped = _lif_spikes(2.0, 100.0, start=20.0, stop=80.0)
    step = StepResponse(
        2.0,
        np.full(501, -65.0),
        0.2,
        start=20.0,
        stop=80.0,
        spikes=[*stepped[:-1], 79.9],
        y0=None,
        method=nd.FixedStep(0.1),
    )
    task = Task.of(nd.LIF(), [train, step, VoltageTrace(nd.Step(2.0), np.zeros(11), 0.1, y0=None)], ["tau"])
    count = lambda i: tuple(int(x) for x in count_spikes(task, task.encode(), ((i,),)))
    assert count(0) == (own.size - 1, data.size, 1)
    matched, wanted, extra = count(1)
    assert wanted == stepped.size and matched + extra == stepped.size and matched >= stepped.size - 1


def test_progress_shows_loss_best_and_spikes(capsys):
    times = _lif_spikes(2.0, 60.0)
    target = SpikeTrain(nd.Step(2.0), times, 60.0, dt=0.1, tau=10.0)
    options = dict(trainable=["tau"], key=jax.random.key(0), steps=3, starts=2, check_rank=False)
    nd.fit(nd.LIF(), target, **options)
    assert capsys.readouterr().err == ""
    nd.fit(nd.LIF(), target, **options, progress=True)
    said = capsys.readouterr().err
    assert f"spikes={times.size}/{times.size}" in said and "best=" in said and "loss=" in said and "3/3" in said


def test_arrays_are_shown_in_the_result(hh, traces):
    out = _fit(hh, traces[0], steps=1, starts=1)
    few = FittedParameter("w", "nA", np.array([1.0, 2.0]), np.array([1.5, -2.0]), True)
    many = FittedParameter("gains", "", np.arange(6.0), np.arange(6.0) + 0.5, False)
    lines = repr(dataclasses.replace(out, parameters=(few, many))).splitlines()
    assert lines[1:] == [
        "  w      [1, 2] -> [1.5, -2] nA  (at a bound)",
        "  gains  6 from 0 to 5 -> 6 from 0.5 to 5.5",
    ]


# Without enough memory -----------------------------------------------------------------------------------------------------------


class _Small:
    """A program that takes so many points at most, as a device with little memory does."""

    def __init__(self, function, most: int):
        self.function, self.most, self.sizes, self.__name__ = function, most, [], f"small{id(self)}"

    def __call__(self, points, *shared):
        size = jax.tree.leaves(points)[0].shape[0]
        self.sizes.append(size)
        if size > self.most:
            raise RuntimeError(f"RESOURCE_EXHAUSTED: Out of memory allocating {1000 * size} bytes.")
        return self.function(points, *shared)


def test_a_batch_that_does_not_fit_goes_in_parts():
    points = {"x": jnp.arange(14.0).reshape(7, 2)}
    small = _Small(lambda p, c: {"sum": p["x"].sum(axis=1) * c, "x": p["x"]}, 2)
    with pytest.warns(
        UserWarning, match=r"7 points together do not fit into memory \(7000 bytes were wanted at once\)"
    ):
        out = parts.in_parts(small, points, jnp.asarray(2.0))
    assert small.sizes == [7, 4, 2, 2, 2, 2]
    np.testing.assert_array_equal(out["sum"], 2 * np.arange(14.0).reshape(7, 2).sum(axis=1))
    np.testing.assert_array_equal(out["x"], points["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # known by now
        parts.in_parts(small, points, jnp.asarray(3.0))
    assert small.sizes[6:] == [2, 2, 2, 2]
    with (
        pytest.raises(MemoryError, match=r"not even one point of the fit fits into memory \(1000 bytes"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        parts.in_parts(_Small(None, 0), points)
    with pytest.raises(RuntimeError, match="something else"):
        parts.in_parts(lambda points: (_ for _ in ()).throw(RuntimeError("something else")), points)


def test_a_fit_without_memory_comes_to_the_same_end(monkeypatch):
    options = dict(trainable=PASSIVE, key=jax.random.key(0), steps=4, starts=4, check_rank=False)
    whole = nd.fit(passive_cell(), passive_trace(0), **options)
    small = _Small(descent._update, 2)
    monkeypatch.setattr(descent, "_update", small)
    with pytest.warns(UserWarning, match="4 points together do not fit into memory"):
        parted = nd.fit(passive_cell(), passive_trace(0), **options)
    assert set(small.sizes[1:]) == {2} and len(small.sizes) == 1 + 2 * 5
    for path, values in whole.values.items():
        np.testing.assert_allclose(parted.values[path], values, rtol=1e-10)
    assert parted.loss == pytest.approx(whole.loss, rel=1e-10)
