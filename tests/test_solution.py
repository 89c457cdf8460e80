"""What comes back: how many samples, at which times, spikes and their buffer, and how failures show."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd


DRIVE = nd.Step(10.0)


# Samples ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("t1, dt", [(5.0, 0.1), (5.0, 0.025), (5.03, 0.1), (4.99, 0.025), (0.01, 0.025)])
def test_number_of_samples(t1, dt, every):
    # As documented: steps = ceil((t1 - t0) / dt), floor(steps / every) + 1 samples, and a step that is shortened to end on time.
    steps = math.ceil(round(t1 / dt, 9))
    sol = nd.simulate(nd.LIF(), nd.Step(1.0), t1, dt=dt, every=every)
    assert sol.ts.shape == sol.v.shape == (steps // every + 1,)
    np.testing.assert_allclose(sol.ts, t1 / steps * every * np.arange(steps // every + 1), atol=1e-12)
    if every == 1:
        assert float(sol.ts[-1]) == pytest.approx(t1, abs=1e-12)


def test_a_hundred_thousand_steps_are_exactly_that_many():
    sol = nd.simulate(nd.LIF(), nd.Step(1.0), 1e4, dt=0.1, every=1000)
    assert sol.v.shape == (101,)
    assert float(sol.ts[-1]) == pytest.approx(1e4, rel=1e-14)
    # Closed form: the end of the exponential approach to -65 + 10 mV.
    assert float(sol.final["v"]) == pytest.approx(-55.0, abs=1e-9)


def test_decimation_picks_from_the_full_record(hh):
    full = nd.simulate(hh, DRIVE, 5.0, record=["v", "na.m", "i_na"])
    some = nd.simulate(hh, DRIVE, 5.0, record=["v", "na.m", "i_na"], every=7)
    for path in ("v", "na.m", "i_na"):
        np.testing.assert_allclose(some.ys[path], full.ys[path][::7], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(jax.tree_util.tree_leaves(some.final), jax.tree_util.tree_leaves(full.final), rtol=1e-12)
    np.testing.assert_allclose(some.spikes.times, full.spikes.times, rtol=1e-12)


def test_save_times(hh):
    full = nd.simulate(hh, DRIVE, 5.0)
    ts = np.asarray([0.0, 0.025, 1.0, 1.0125, 5.0])
    sol = nd.simulate(hh, DRIVE, 5.0, ts=ts)
    np.testing.assert_array_equal(sol.ts, ts)
    np.testing.assert_allclose(sol.v[jnp.asarray([0, 1, 2, 4])], full.v[jnp.asarray([0, 1, 40, 200])], rtol=1e-12)
    assert float(sol.v[3]) == pytest.approx(float(full.v[40] + full.v[41]) / 2, rel=1e-12)


def test_records_begin_with_the_initial_state_and_end_with_the_final_one(hh):
    sol = nd.simulate(hh, DRIVE, 5.0, record=["v", "na.*", "k.*"])
    start = hh.init()
    assert float(sol.v[0]) == float(start["v"])
    np.testing.assert_allclose(sol.ys["na.h"][0], start["na"]["h"], rtol=1e-14)
    assert float(sol.v[-1]) == float(sol.final["v"])
    assert float(sol.ys["k.n"][-1]) == float(sol.final["k"]["n"])


def test_both_paths_record_at_the_same_times(hh):
    fixed, adaptive = (nd.simulate(hh, DRIVE, 5.03, every=3, method=m) for m in (None, nd.Adaptive()))
    np.testing.assert_allclose(fixed.ts, adaptive.ts, atol=1e-12)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"t1": 0.0}, "t1 = 0 ms is not allowed"),
        ({"dt": -0.1}, "dt = -0.1 .*is not allowed"),
        ({"ts": [1.0, 9.0]}, r"ts\[1\] = 9 ms is not allowed: must be within"),
        ({"ts": [1.0, 0.5]}, r"ts\[1\] = 0.5 ms is not allowed: must be > ts\[0\]"),
        ({"every": 0}, "every = 0 is not allowed"),
    ],
)
def test_impossible_times_are_refused(hh, options, message):
    with pytest.raises(ValueError, match=message):
        nd.simulate(hh, DRIVE, **{"t1": 5.0, **options})


# Spikes -------------------------------------------------------------------------------------------------------------------------


def test_number_of_spikes_does_not_depend_on_the_step(hh):
    # NEST once counted spikes twice at finer steps. One count, and times that settle.
    runs = [nd.simulate(hh, DRIVE, 50.0, dt=0.025 / k, max_spikes=8) for k in (1, 2, 4)]
    assert [int(sol.spikes.count) for sol in runs] == [4, 4, 4]
    np.testing.assert_allclose(runs[0].spikes.times[:4], runs[2].spikes.times[:4], atol=0.05)


@pytest.mark.parametrize("method", [None, nd.Adaptive()], ids=["fixed", "adaptive"])
def test_overflow_of_the_spike_buffer(hh, method):
    roomy = nd.simulate(hh, DRIVE, 50.0, max_spikes=8)
    tight = nd.simulate(hh, DRIVE, 50.0, method=method, max_spikes=2)
    assert not bool(roomy.spikes.overflow) and int(roomy.status) == nd.Status.ok
    assert np.isinf(roomy.spikes.times[4:]).all()
    assert bool(tight.spikes.overflow)
    assert int(tight.status) == nd.Status.spike_overflow and not bool(tight.ok)
    assert int(tight.spikes.count) == 4
    np.testing.assert_allclose(tight.spikes.times, roomy.spikes.times[:2], atol=0.05)
    assert np.isfinite(tight.v).all()  # only spikes were lost


def test_no_spikes_on_request(hh):
    with pytest.raises(AttributeError, match="there are no spikes"):
        nd.simulate(hh, DRIVE, 5.0, max_spikes=0).spikes  # noqa: B018


def test_a_start_above_the_detection_level_is_not_a_spike(hh):
    y0 = {**hh.init(), "v": jnp.asarray(20.0)}
    assert int(nd.simulate(hh, nd.Step(0.0), 5.0, y0=y0).spikes.count) == 0


def test_a_voltage_that_was_not_recorded_has_a_clear_error(hh):
    with pytest.raises(AttributeError, match="voltage was not recorded; recorded: na.m"):
        _ = nd.simulate(hh, DRIVE, 5.0, record="na.m").v


# Failures -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_a_nan(hh):
    """A table of samples, one of which is made NaN once the run is traced (a concrete one is refused)."""

    @eqx.filter_jit
    def run(sample, method):
        values = jnp.full(10, 10.0).at[5].set(sample)
        return nd.simulate(hh, nd.Samples(values, 1.0), 10.0, method=method, record=["v", "na.m"])

    return run


@pytest.mark.parametrize("method", [None, nd.Adaptive()], ids=["fixed", "adaptive"])
def test_a_nan_in_the_drive(with_a_nan, method):
    good, bad = with_a_nan(jnp.asarray(10.0), method), with_a_nan(jnp.asarray(jnp.nan), method)
    assert int(good.status) == nd.Status.ok
    assert int(bad.status) != nd.Status.ok and not bool(bad.ok)
    if method is None:
        assert int(bad.status) == nd.Status.non_finite
    # Right up to 4 ms (an average over a step looks at the sample after its own too), NaN from the bad sample on.
    np.testing.assert_allclose(bad.v[:161], good.v[:161], atol=1e-3)
    assert np.isnan(bad.v[202:]).all() and np.isnan(bad.ys["na.m"][202:]).all()
    assert all(np.isnan(x).all() for x in jax.tree_util.tree_leaves(bad.final))


def test_a_concrete_nan_is_refused():
    with pytest.raises(ValueError, match=r"Samples.values\[5\] = nan is not allowed: must be finite"):
        nd.Samples(np.where(np.arange(10) == 5, np.nan, 1.0), 1.0)


def test_a_budget_of_steps_that_runs_out(hh):
    # Diffrax alone would return the last state it reached, finite and plausible.
    sol = nd.simulate(hh, DRIVE, 50.0, method=nd.Adaptive(max_steps=100), max_spikes=8)
    assert int(sol.status) == nd.Status.max_steps
    v = np.asarray(sol.v)
    assert np.isfinite(v[0]) and np.isnan(v[-1])
    first = np.flatnonzero(np.isnan(v))[0]
    assert np.isnan(v[first:]).all() and np.isfinite(v[:first]).all()
    assert all(np.isnan(x).all() for x in jax.tree_util.tree_leaves(sol.final))


def test_one_failed_member_leaves_the_others_alone(hh):
    def run(g):
        return nd.simulate(nd.replace(hh, {"na.g": g}), DRIVE, 5.0)

    g = jnp.asarray([120.0, jnp.nan, 110.0])
    batch, clean = jax.jit(jax.vmap(run))(g), jax.jit(jax.vmap(run))(g.at[1].set(120.0))
    assert batch.status.tolist() == [nd.Status.ok, nd.Status.non_finite, nd.Status.ok]
    np.testing.assert_array_equal(batch.v[jnp.asarray([0, 2])], clean.v[jnp.asarray([0, 2])])
    assert np.isnan(batch.v[1, 1:]).all()
