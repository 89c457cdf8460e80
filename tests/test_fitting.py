"""Fitting: what is selected, how it is transformed, what is minimised, and how the loop behaves."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import neurodyn as nd
from neurodyn._parameter import parameters, replace_leaves
from neurodyn.fitting import AbstractObjective, SpikeTrain, VoltageTrace
from neurodyn.fitting.objectives.spike_signal import filtered_impulses, filtered_spikes
from neurodyn.fitting.selection import select
from neurodyn.fitting.space import Space


DRIVE = nd.Step(12.0, 1.0)
T1 = 20.0


@pytest.fixture(scope="module")
def target(hh):
    """Voltage (mV, every 0.025 ms for 20 ms) and spike times of a neuron with less sodium and a shifted n gate."""
    run = nd.simulate(nd.replace(hh, {"na.g": 100.0, "k.n.shift": 2.0}), DRIVE, T1)
    times = np.asarray(run.spikes.times)
    return np.asarray(run.v), times[np.isfinite(times)]


@pytest.fixture(scope="module")
def trace(target):
    return VoltageTrace(DRIVE, target[0], 0.025, y0=None)


@pytest.fixture(scope="module")
def result(hh, trace):
    """A short fit that several tests look at."""
    seen = []
    out = nd.fit(
        hh,
        trace,
        trainable=["na.g", "k.n.shift"],
        key=jax.random.key(0),
        steps=12,
        starts=4,
        polish=12,
        polish_starts=2,
        callback=seen.append,
    )
    return out, seen


# Selection ----------------------------------------------------------------------------------------------------------------------


def test_a_wildcard_selects_what_is_trained_by_default(hh):
    assert select(hh, "*.g") == ["na.g", "k.g", "leak.g"]
    assert "na.m.beta.midpoint" not in select(hh, "na.m.**")  # degenerate with the rate
    assert select(hh, ["na.m.beta.midpoint"]) == ["na.m.beta.midpoint"]


def test_a_function_selects_leaves_and_parts(hh):
    assert select(hh, lambda m: [m.na.g, m.k.n.shift]) == ["na.g", "k.n.shift"]
    assert select(hh, lambda m: m.leak) == ["leak.g", "leak.e"]


@pytest.mark.parametrize(
    "trainable, words",
    [
        ("na.gg", "did you mean 'na.g'"),
        ("*.temperature*", "no parameter matches"),
        ("temp*", "named in full"),
        (lambda m: None, "returned no parameter"),
    ],
)
def test_a_selection_of_nothing_is_refused(hh, trainable, words):
    with pytest.raises(ValueError, match=words):
        select(hh, trainable)


# Transformation -----------------------------------------------------------------------------------------------------------------


PATHS = ["capacitance", "na.g", "na.e", "na.m.shift", "na.m.alpha.rate"]
BOUNDS = {"na.g": (50.0, 300.0), "na.m.shift": (-8.0, 8.0)}


def test_a_point_of_the_space_stands_for_the_model(hh):
    space = Space.of(parameters(hh), PATHS, BOUNDS)
    values = space.values(space.encode(parameters(hh)))
    for path, value in values.items():
        np.testing.assert_allclose(value, parameters(hh)[path].value, rtol=1e-12, err_msg=path)


def test_no_step_leaves_the_allowed_range(hh):
    space = Space.of(parameters(hh), PATHS, BOUNDS)
    walk = 3 * jax.random.normal(jax.random.key(0), (10_000,))
    for path, bijection in space.bijections.items():
        value = np.asarray(bijection.value(walk))
        assert parameters(hh)[path].info.allows(value).all(), path
        if path in BOUNDS:
            assert (value >= BOUNDS[path][0]).all() and (value <= BOUNDS[path][1]).all()


def test_starts_fill_the_bounds_and_begin_with_the_model(hh):
    space = Space.of(parameters(hh), PATHS, BOUNDS)
    starts = space.starts(space.encode(parameters(hh)), 500, jax.random.key(1))
    shift = np.asarray(space.bijections["na.m.shift"].value(starts["na.m.shift"]))
    assert shift[0] == 0.0 and shift.min() < -7.5 and shift.max() > 7.5
    capacitance = np.asarray(space.bijections["capacitance"].value(starts["capacitance"]))
    assert capacitance[0] == 1.0 and 0.5 <= capacitance.min() < 0.55 and 1.9 < capacitance.max() <= 2.0


@pytest.mark.parametrize(
    "bounds, words",
    [
        ({"na.g": (200.0, 300.0)}, "the present value 120.0 is outside"),
        ({"na.g": (300.0, 50.0)}, "the lower first"),
        ({"na.g": (-10.0, 300.0)}, "na.g = -10 mS/cm2 is not allowed"),
        ({"k.g": (10.0, 50.0)}, "no trained parameter matches 'k.g'"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(hh, bounds, words):
    with pytest.raises(ValueError, match=words):
        Space.of(parameters(hh), PATHS, bounds)


def test_a_parameter_on_its_bound_cannot_be_trained(hh):
    with pytest.raises(ValueError, match="leak.g = 0.0 starts on its lower bound"):
        Space.of(parameters(nd.replace(hh, {"leak.g": 0.0})), ["leak.g"])


# Objectives ---------------------------------------------------------------------------------------------------------------------


def _distance(data, model, tau):
    """The squared van Rossum distance of two trains of impulses, as the objective computes it."""
    ts = np.arange(0.0005, 200.0, 0.001)
    f, g = (filtered_impulses(jnp.asarray(x), jnp.asarray(ts), tau) for x in (data, model))
    return float(np.sum((np.asarray(f) - np.asarray(g)) ** 2) * 0.001 / tau)


def test_van_rossum_distance():
    # van Rossum (2001): one spike against none 1/2, a pair 1 - exp(-|dt|/tau).
    none = jnp.zeros((0,))
    assert _distance([10.0], none, 5.0) == pytest.approx(0.5, rel=1e-3)
    assert _distance([10.0], [13.0], 5.0) == pytest.approx(1 - np.exp(-3 / 5), rel=1e-3)


def test_filtered_spikes_are_filtered_impulses():
    spikes = jnp.zeros(1000).at[jnp.array([100, 477])].set(1.0)
    ts, signal, _ = filtered_spikes(spikes, 0.025, jnp.asarray(4.0))
    expected = filtered_impulses(jnp.array([100.5, 477.5]) * 0.025, ts, jnp.asarray(4.0))
    np.testing.assert_allclose(signal, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["voltage", "coupled", "spikes", "exact"])
def test_gradient_of_each_objective(hh, target, trace, kind):
    """Reverse = forward = central differences."""
    spikes = SpikeTrain(DRIVE, target[1] + 0.3, T1)
    coupled = VoltageTrace(DRIVE, target[0], 0.025, y0="held", coupling=(1.0, 0.3, 0.0))

    def loss(x):
        model = replace_leaves(hh, {"na.g": x[0], "k.n.shift": x[1]})
        if kind == "exact":
            return jnp.sum(spikes.exact_residuals(model) ** 2)
        objective = {"voltage": trace, "coupled": coupled, "spikes": spikes}[kind]
        return objective.loss(model, 0.4)

    x = jnp.asarray([110.0, 1.0])
    reverse, forward = jax.jit(jax.grad(loss))(x), jax.jit(jax.jacfwd(loss))(x)
    step = np.diag([1e-3, 1e-4])
    points = jnp.asarray(np.concatenate([np.asarray(x) + step, np.asarray(x) - step]))
    values = np.asarray(jax.jit(jax.vmap(loss))(points))
    differences = (values[:2] - values[2:]) / (2 * np.diag(step))
    np.testing.assert_allclose(reverse, forward, rtol=1e-9)
    # The smooth spike signal has kinks where the voltage turns, so its differences are only first order there.
    np.testing.assert_allclose(reverse, differences, rtol=1e-4 if kind == "spikes" else 2e-6)


def test_the_loss_is_zero_at_the_truth(hh, target, trace):
    truth = nd.replace(hh, {"na.g": 100.0, "k.n.shift": 2.0})
    assert float(trace.loss(truth, 0.0)) < 1e-20
    assert float(jnp.sum(SpikeTrain(DRIVE, target[1], T1).exact_residuals(truth) ** 2)) < 1e-20


def test_a_lost_and_an_extra_spike_count_one_each_and_the_lost_one_more(hh):
    """A missing spike costs more the farther the voltage stays below the level around it."""
    run = nd.simulate(hh, DRIVE, T1)
    times = np.asarray(run.spikes.times)[: int(run.spikes.count)]
    assert len(times) == 2
    target = SpikeTrain(DRIVE, [times[0], times[0] + 9.0], T1, reach=3.0)
    residuals = np.asarray(target.exact_residuals(hh)) * np.sqrt(2)
    peak = np.asarray(run.v)[round((times[0] + 6.0) / 0.025) : round((times[0] + 12.0) / 0.025)].max()
    assert np.sort(np.abs(residuals))[-3:] == pytest.approx([0.0, 1.0, 1 + np.tanh((-10 - peak) / 50)], abs=1e-9)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: VoltageTrace(DRIVE, [1.0, np.nan, 2.0], 0.1), r"values\[1\] = nan"),
        (lambda: VoltageTrace(DRIVE, [1.0, 2.0], -0.1), "dt = -0.1"),
        (lambda: VoltageTrace(DRIVE, [1.0, 2.0], 0.1, window=(5.0, 6.0)), "holds no sample"),
        (lambda: VoltageTrace(DRIVE, [1.0, 2.0], 0.1, coupling=(1.0, -1.0)), r"coupling\[1\] = -1"),
        (lambda: SpikeTrain(DRIVE, [5.0, 300.0], 20.0), "must be within"),
        (lambda: SpikeTrain(DRIVE, [5.0, np.nan], 20.0), r"times\[1\] = nan"),
        (lambda: SpikeTrain(DRIVE, [5.0], 20.0, tau=0.0), r"tau\[0\] = 0"),
    ],
)
def test_data_that_make_no_sense_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# The loop -----------------------------------------------------------------------------------------------------------------------


def test_a_fit_recovers_what_made_the_data(result, target):
    out, _ = result
    assert out.loss < 1e-12
    fitted = {p.path: float(p.after) for p in out.parameters}
    assert fitted["na.g"] == pytest.approx(100.0, rel=1e-6)
    assert fitted["k.n.shift"] == pytest.approx(2.0, abs=1e-6)
    assert out.reason in ("all steps made", "no end gets better")
    assert out.rank.rank == 2


def test_history_and_callback(result):
    out, seen = result
    assert out.history.loss.shape == out.history.gradient_norm.shape == out.history.skipped.shape == (12, 4)
    assert out.losses.shape == (4,) and out.values["na.g"].shape == (4,)
    assert [p.step for p in seen if p.phase == "descent"] == list(range(12))
    np.testing.assert_array_equal(seen[3].loss, out.history.loss[3])
    assert np.isfinite(out.polished).sum() == 2
    assert out.skipped == 0 and "na.g" in repr(out)


def test_the_model_given_is_not_changed(hh, result):
    assert float(hh.na.g) == 120.0 and float(result[0].model.na.g) != 120.0
    for path, item in parameters(result[0].model).items():
        if path not in ("na.g", "k.n.shift"):
            np.testing.assert_array_equal(item.value, parameters(hh)[path].value)


def _short(hh, objective, **options):
    settings = dict(trainable=["na.g"], key=jax.random.key(0), steps=3, starts=2, check_rank=False)
    return nd.fit(hh, objective, **{**settings, **options})


def test_the_same_key_gives_the_same_fit(hh, trace):
    one, other = _short(hh, trace), _short(hh, trace)
    np.testing.assert_array_equal(one.history.loss, other.history.loss)
    assert float(one.model.na.g) == float(other.model.na.g)


def test_a_start_alone_goes_the_same_way(hh, trace):
    np.testing.assert_allclose(_short(hh, trace, starts=1).history.loss[:, 0], _short(hh, trace).history.loss[:, 0])


def test_ties_hold(hh, trace):
    out = _short(hh, trace, ties=[nd.tie("na.g", "k.g", lambda g: 0.3 * g)])
    assert float(out.model.k.g) == pytest.approx(0.3 * float(out.model.na.g))
    assert float(out.model.na.g) != 120.0
    with pytest.raises(ValueError, match="both trained and tied"):
        _short(hh, trace, trainable=["na.g", "k.g"], ties=[nd.tie("na.g", "k.g")])


def test_any_optax_optimiser(hh, trace):
    assert np.isfinite(_short(hh, trace, optimiser=optax.chain(optax.clip(1.0), optax.sgd(0.01))).loss)


def test_stopping_early(hh, trace):
    assert "stopped by the callback after step 2 of descent" in _short(hh, trace, callback=lambda p: p.step == 1).reason
    assert "loss below" in _short(hh, trace, stop_below=1e9).reason


def test_an_interrupt_keeps_the_best(hh, trace):
    def interrupt(progress):
        if progress.step == 1:
            raise KeyboardInterrupt

    out = _short(hh, trace, callback=interrupt, polish=5)
    assert out.polished is None
    assert out.reason == "interrupted in descent" and np.isfinite(out.loss)


class _Poisoned(AbstractObjective):
    """(g - 100)^2 for the sodium conductance, with a gradient that is NaN above 125 although the value is finite."""

    def residuals(self, model, fraction):
        g = model.na.g
        poison = jnp.where(g > 125.0, 0.0 * jnp.sqrt(jnp.where(g > 125.0, 0.0, 1.0) * g), 0.0)
        return (g - 100.0 + poison)[None]

    def misfit(self, model):
        return self.residuals(model, 1.0)

    def measured(self, model):
        return self.residuals(model, 1.0)

    def share(self):
        return jnp.ones(())

    def stages(self):
        return 1

    def response(self, model):
        return model.na.g[None]


def test_gradients_that_are_not_finite_are_never_applied(hh):
    out = nd.fit(
        hh,
        _Poisoned(),
        trainable=["na.g"],
        bounds={"na.g": (90.0, 300.0)},
        key=jax.random.key(3),
        steps=30,
        starts=8,
        optimiser=optax.adam(0.05),
    )
    assert out.skipped > 0
    assert np.isfinite(out.loss) and np.isfinite(out.values["na.g"]).all()
    assert float(out.model.na.g) == pytest.approx(100.0, abs=1.0)


def test_a_fit_without_a_finite_start_is_refused(hh, target):
    broken = VoltageTrace(nd.Step(1e300), target[0], 0.025, y0=None)
    with pytest.raises(ValueError, match=r"objectives\[0\] \(VoltageTrace\)"):
        _short(hh, broken, starts=1)


def test_a_silent_model_is_pointed_out(hh, target):
    quiet = SpikeTrain(nd.Step(0.0), target[1], T1, softness=0.01)
    with pytest.warns(UserWarning, match="gradient is zero"):
        _short(hh, quiet, starts=1)


@pytest.mark.parametrize(
    "name, value", [("steps", -1), ("starts", 0), ("polish", -1), ("steps", 2.5), ("starts", True)]
)
def test_counts_are_checked(hh, trace, name, value):
    with pytest.raises(ValueError, match=f"{name} = {value}"):
        _short(hh, trace, **{name: value})


# Scores -------------------------------------------------------------------------------------------------------------------------


def test_coincidence_factor():
    # 3 matches of 5 within 2 ms over 100 ms, model rate .05/ms: (3 - 1) / 5 / .8 = .5
    data, model = [10, 30, 50, 70, 90], [11, 29, 52.5, 70, 85]
    assert nd.analysis.coincidence_factor(data, model, 100.0) == pytest.approx(0.5)
    assert nd.analysis.coincidence_factor(data, [*data, np.inf], 100.0) == pytest.approx(1.0)
    assert nd.analysis.coincidence_factor(data, [], 100.0) == 0.0
    for bad in ((data, data, 0.0), (data, data, 100.0, -2.0), (data, data, np.nan), ([data, data], data, 100.0)):
        with pytest.raises(ValueError, match="is not allowed: must be"):
            nd.analysis.coincidence_factor(*bad)
    assert nd.analysis.coincidence_factor([10.0, 11.0], [10.5], 1000.0) == pytest.approx((1 - 0.008) / 1.5 / 0.996)


def test_nothing_is_said_unasked(hh, trace, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _short(hh, trace)
    assert capsys.readouterr() == ("", "")
