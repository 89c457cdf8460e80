"""Reducers inside the time loop give what the recorded run gives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn import reducers


STIMULUS = nd.Step(10.0, 0.6)
T1 = 21.3  # 852 steps: whole chunks and a rest

ALL = {
    "count": reducers.SpikeCount(),
    "late": reducers.SpikeCount(start=5.0),
    "mean": reducers.Mean(),
    "low": reducers.Minimum("na.h"),
    "high": reducers.Maximum("i_na"),
    "times": reducers.SpikeTimes(4),
    "intervals": reducers.InterspikeIntervals(),
    "rate": reducers.MeanRate(),
    "deviation": reducers.StandardDeviation(),
    "above": reducers.TimeAbove(threshold=-40.0),
    "last": reducers.Last("i_na"),
    "sum": reducers.Running(jnp.zeros(()), lambda total, samples: total + jnp.sum(samples.values["v"] ** 2)),
}


@pytest.fixture(scope="module")
def runs(hh):
    recorded = nd.simulate(hh, STIMULUS, T1, record=["v", "na.h", "i_na"])
    return recorded, nd.simulate(hh, STIMULUS, T1, reduce=ALL)


def _above(v, threshold):
    """The fraction of the time above a threshold, on straight lines drawn very finely."""
    fine = np.linspace(v[:-1], v[1:], 2001)
    return np.trapezoid(1.0 * (fine > threshold), axis=0).mean() / 2000


def test_they_are_those_of_the_recorded_run(runs):
    recorded, reduced = runs
    v = np.asarray(recorded.v)
    times = np.asarray(recorded.spikes.times)
    got = reduced.reduced
    assert int(got["count"]) == int(recorded.spikes.count) == 2
    assert int(got["late"]) == int(np.sum((times > 5.0) & np.isfinite(times))) == 1
    np.testing.assert_allclose(got["mean"], np.trapezoid(v) / (v.size - 1), rtol=1e-12)
    np.testing.assert_allclose(got["low"], recorded.ys["na.h"].min(), rtol=1e-13)
    np.testing.assert_allclose(got["high"], recorded.ys["i_na"].max(), rtol=1e-13)
    np.testing.assert_allclose(got["sum"], np.sum(v[1:] ** 2), rtol=1e-12)
    np.testing.assert_allclose(got["deviation"], v.std(), rtol=1e-12)
    np.testing.assert_allclose(got["last"], recorded.ys["i_na"][-1], rtol=1e-12)
    np.testing.assert_allclose(got["rate"], 2 / 21.3e-3, rtol=1e-12)
    np.testing.assert_allclose(got["times"].times, times[:4], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got["intervals"]["mean"], times[1] - times[0], rtol=1e-12)
    assert float(got["intervals"]["cv"]) < 1e-12
    np.testing.assert_allclose(got["above"], _above(v, -40.0), rtol=1e-4)
    assert bool(reduced.ok) and reduced.ts.size == 0 and not reduced.ys
    np.testing.assert_allclose(reduced.final["v"], recorded.final["v"], rtol=1e-12)


def test_nothing_as_long_as_the_run_is_stored(hh):
    @eqx.filter_jit
    def run(model, duration):
        return nd.simulate(model, STIMULUS, duration, reduce=ALL).reduced

    # One recorded number would take 8 bytes a step; what grows is the index of the chunks.
    steps = 16000
    compiled = run.lower(hh, 0.025 * steps).compile().compiled
    assert compiled.memory_analysis().temp_size_in_bytes < 2 * steps


def test_gradient_of_a_mean(hh):
    def mean(g, reduce):
        model = nd.replace(hh, {"na.g": g})
        if reduce:
            return nd.simulate(model, STIMULUS, T1, reduce={"mean": reducers.Mean()}).reduced["mean"]
        v = nd.simulate(model, STIMULUS, T1, max_spikes=0).v
        return jnp.mean((v[1:] + v[:-1]) / 2)

    expected = jax.jit(jax.grad(lambda g: mean(g, False)))(120.0)
    np.testing.assert_allclose(jax.jit(jax.grad(lambda g: mean(g, True)))(120.0), expected, rtol=1e-10)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(lambda g: mean(g, True)))(120.0), expected, rtol=1e-10)


def test_a_failed_run_says_so(hh):
    model = eqx.tree_at(lambda m: m.na.g, hh, jnp.asarray(jnp.nan))
    sol = eqx.filter_jit(lambda m: nd.simulate(m, STIMULUS, 2.0, reduce={"mean": reducers.Mean()}))(model)
    assert int(sol.status) == nd.Status.non_finite and np.isnan(sol.reduced["mean"])


# Spike times --------------------------------------------------------------------------------------------------------------------


def _both(model, stimulus, t1, reducer=reducers.SpikeTimes(4), **options):
    """Spikes of a run that is recorded, and of one that is not."""
    recorded = nd.simulate(model, stimulus, t1, max_spikes=reducer.max_spikes, **options).spikes
    return recorded, nd.simulate(model, stimulus, t1, reduce={"x": reducer}, **options).reduced["x"]


def _same(recorded, reduced):
    np.testing.assert_array_equal(reduced.count, recorded.count)
    np.testing.assert_allclose(reduced.times, recorded.times, rtol=0, atol=1e-12)


def test_spikes_at_every_place_of_a_chunk(hh):
    both = jax.jit(lambda start: _both(hh, nd.Step(10.0, start), T1))
    places = set()
    for k in range(16):
        recorded, reduced = both(0.6 + 0.025 * k)
        _same(recorded, reduced)
        assert int(recorded.count) == 2
        places |= {int(t / 0.025) % 16 for t in recorded.times[:2]}
    assert places == set(range(16))


def test_spikes_in_the_first_and_the_last_step(hh):
    """Where the cubic lies to one side, or there are too few samples for one."""
    y0 = {**hh.init(), "v": jnp.asarray(-1.0)}

    @jax.jit
    def runs():
        # 1 to 5 steps, the last step of a chunk, and the first of the next; the drive comes late enough to cross in the end, or at once
        late = [
            _both(hh, nd.Step(500.0, 0.025 * (n - 1)), 0.025 * n, y0={**y0, "v": y0["v"] - 2})
            for n in (2, 3, 5, 16, 17)
        ]
        return [_both(hh, nd.Step(500.0), 0.025 * n, y0=y0) for n in (1, 2, 3, 17)], late

    for recorded, reduced in [pair for pairs in runs() for pair in pairs]:
        assert int(recorded.count) == 1
        _same(recorded, reduced)


@pytest.fixture(scope="module")
def of_g(hh):
    def times(g, which):
        return _both(nd.replace(hh, {"na.g": g}), STIMULUS, T1)[which].times[:2]

    return times


@pytest.mark.parametrize(
    "transform", [jax.jacfwd, pytest.param(jax.jacrev, marks=pytest.mark.slow)], ids=["forward", "reverse"]
)
def test_gradient_of_spike_times(of_g, transform):
    expected, got = (jax.jit(transform(lambda g, i=i: of_g(g, i)))(120.0) for i in (0, 1))
    assert np.all(np.abs(expected) > 1e-3)
    np.testing.assert_allclose(got, expected, rtol=1e-10)


class _Integrator(nd.AbstractSpikingNeuron):
    """Two units that add up their drive; each fires when it rises through its level."""

    level: jax.Array
    resets = False

    def init(self):
        return {"v": jnp.zeros(2)}

    def dynamics(self, t, y, drive):
        return nd.Linearised({"v": jnp.full(2, drive)}, {"v": None})

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"v": 0}

    def margin(self, t, y):
        return y["v"] - self.level

    def jump(self, t, y, fired):
        return y, fired


def test_several_spikes_in_a_chunk():
    """A wave of 5.3 steps' length: three spikes of each unit in 16 steps, and a buffer that is too small."""
    stimulus = nd.Sine(40.0, 1e3 / 0.53)

    def both(level):
        return _both(_Integrator(level), stimulus, 5.0, reducers.SpikeTimes(8), dt=0.1)

    level = jnp.asarray([1.0, 1.7])
    recorded, reduced = jax.jit(both)(level)
    assert recorded.count.tolist() == [10, 10] and reduced.overflow.all() and reduced.times.shape == (2, 8)
    _same(recorded, reduced)
    gradients = [
        jax.jit(transform(lambda x: [s.times for s in both(x)]))(level) for transform in (jax.jacfwd, jax.jacrev)
    ]
    assert np.abs(gradients[0][0]).max() > 1e-3
    for expected, got in gradients:
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    many = jax.jit(jax.vmap(both))(jnp.stack([level, level / 2, level * 10]))
    _same(*many)
    assert many[1].count.min(axis=1).tolist() == [10, 9, 0]


def test_a_resetting_model():
    """Which fires in one step out of three or so."""
    lif, stimulus = nd.LIF(refractory=0.1), nd.Step(1000.0)
    recorded, reduced = _both(lif, stimulus, 10.0, reducers.SpikeTimes(20), dt=0.1)
    _same(recorded, reduced)
    counted = nd.simulate(lif, stimulus, 10.0, dt=0.1, reduce={"count": reducers.SpikeCount()}).reduced["count"]
    assert int(counted) == int(recorded.count) > 20 and bool(reduced.overflow)


def test_intervals(hh):
    """Of an oscillation that slows down, so that they differ."""
    run = nd.simulate(hh, nd.Ramp(-0.3, offset=30.0), 60.0)
    times = np.asarray(run.spikes.times)
    intervals = np.diff(times[np.isfinite(times)])
    got = nd.simulate(hh, nd.Ramp(-0.3, offset=30.0), 60.0, reduce={"x": reducers.InterspikeIntervals()}).reduced["x"]
    assert intervals.size > 2
    np.testing.assert_allclose(
        [got["mean"], got["cv"]], [intervals.mean(), intervals.std() / intervals.mean()], rtol=1e-9
    )


# Windows ------------------------------------------------------------------------------------------------------------------------


def _windowed(start, stop):
    window = {"start": start, "stop": stop}
    return {
        "count": reducers.SpikeCount(**window),
        "times": reducers.SpikeTimes(2, **window),
        "intervals": reducers.InterspikeIntervals(**window),
        "rate": reducers.MeanRate(**window),
        "mean": reducers.Mean(**window),
        "deviation": reducers.StandardDeviation(**window),
        "low": reducers.Minimum(**window),
        "high": reducers.Maximum(**window),
        "above": reducers.TimeAbove(threshold=-40.0, **window),
    }


@pytest.fixture(scope="module")
def in_window(hh):
    """The features in a window that the program does not know, and the gradient of their sum without the rate and the count."""

    def total(g, start, stop):
        got = nd.simulate(nd.replace(hh, {"na.g": g}), STIMULUS, T1, reduce=_windowed(start, stop)).reduced
        smooth = [got[name] for name in ("mean", "deviation", "low", "high", "above")]
        return sum(smooth) + jnp.where(jnp.isfinite(got["times"].times), got["times"].times, 0.0).sum(), got

    return jax.jit(jax.value_and_grad(total, has_aux=True))


def test_windows(in_window, runs):
    (_, got), gradient = in_window(120.0, 5.01, 19.99)
    v, ts, times = (np.asarray(x) for x in (runs[0].v, runs[0].ts, runs[0].spikes.times))
    inside = (ts >= 5.01) & (ts <= 19.99)
    steps = (v[1:] + v[:-1])[inside[1:]] / 2
    assert int(got["count"]) == int(got["times"].count) == 1 and float(got["times"].times[1]) == np.inf
    np.testing.assert_allclose(got["times"].times[0], times[1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got["rate"], 1e3 / (19.99 - 5.01), rtol=1e-12)
    np.testing.assert_allclose(got["mean"], steps.mean(), rtol=1e-12)
    np.testing.assert_allclose(got["deviation"], v[inside].std(), rtol=1e-12)
    np.testing.assert_allclose([got["low"], got["high"]], [v[inside].min(), v[inside].max()], rtol=1e-12)
    first = np.flatnonzero(inside)[0]
    np.testing.assert_allclose(got["above"], _above(v[first - 1 : first + inside.sum()], -40.0), rtol=1e-4)
    assert np.isnan(got["intervals"]["mean"]) and np.isfinite(gradient) and gradient != 0


def test_an_empty_window(in_window):
    (_, got), gradient = in_window(120.0, 30.0, 40.0)
    assert int(got["count"]) == 0 and np.isinf(got["times"].times).all()
    for name in ("rate", "mean", "deviation", "low", "high", "above"):
        assert np.isnan(got[name]), name
    assert gradient == 0


def test_windows_of_a_batch(hh):
    def count(start):
        return nd.simulate(hh, STIMULUS, T1, reduce={"x": reducers.SpikeCount(start=start)}).reduced["x"]

    assert jax.jit(jax.vmap(count))(jnp.asarray([0.0, 5.0, 20.0])).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    "name", [n for n in reducers.__dict__ if n[0].isupper() and hasattr(getattr(reducers, n), "start")]
)
def test_impossible_windows_are_refused(name):
    make = getattr(reducers, name)
    if make is reducers.Running:
        pytest.skip("its start is not a time")
    first = (3,) if make is reducers.SpikeTimes else ()
    with pytest.raises(ValueError, match=rf"{name}.start = 9.0 ms is not allowed: must be < stop = 5.0 ms"):
        make(*first, start=9.0, stop=5.0)
    with pytest.raises(ValueError, match=rf"{name}.stop = nan ms is not allowed"):
        make(*first, stop=float("nan"))
    with pytest.raises(TypeError, match=rf"{name}.start: expected a real number"):
        make(*first, start="early")


@pytest.mark.parametrize("value", [0, -1, 2.5, True])
def test_impossible_buffers_are_refused(value):
    with pytest.raises(
        ValueError, match=rf"SpikeTimes.max_spikes = {value} is not allowed: must be a whole number >= 1"
    ):
        reducers.SpikeTimes(value)


# Many members, few records ------------------------------------------------------------------------------------------------------


def test_in_a_sweep(hh):
    amplitude = np.linspace(2.0, 20.0, 40)
    reduce = {"times": reducers.SpikeTimes(3), "mean": reducers.Mean("na.m"), "high": reducers.Maximum(start=5.0)}
    result = nd.sweep(hh, STIMULUS, 20.0, {"stimulus.amplitude": amplitude}, reduce=reduce)
    rows = jax.jit(nd.vmap(lambda a: nd.simulate(hh, nd.Step(a, 0.6), 20.0, max_spikes=3, record=["v", "na.m"])))(
        amplitude
    )
    m = np.asarray(rows.ys["na.m"])
    assert sorted(set(rows.spikes.count.tolist())) == [0, 1, 2]
    _same(rows.spikes, nd.Spikes(result["times.times"], result["times.count"]))
    np.testing.assert_allclose(result["mean"], np.trapezoid(m, axis=1) / (m.shape[1] - 1), rtol=1e-10)
    np.testing.assert_allclose(result["high"], np.asarray(rows.v)[:, 200:].max(axis=1), rtol=1e-10)


def test_recording_less_costs_less(hh):
    def sizes(every):
        run = eqx.filter_jit(lambda m: nd.simulate(m, STIMULUS, 400.0, record=["v", "na.*"], every=every, max_spikes=0))
        memory = run.lower(hh).compile().compiled.memory_analysis()
        return np.asarray([memory.output_size_in_bytes, memory.temp_size_in_bytes])

    # Four numbers (the time too) of 8 bytes for each of 16000 steps.
    full, some = sizes(1), sizes(40)
    assert full[0] > 16000 * 4 * 8
    assert some[0] < full[0] / 39 and some[1] < full[1] / 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": {"x": 3}}, r"reduce\['x'\] = 3 is not allowed"),
        ({"reduce": ALL, "record": "v"}, "record is not allowed together with reduce"),
        ({"reduce": ALL, "method": nd.Adaptive()}, "reduce is not allowed with method = Adaptive"),
        ({"reduce": {"x": reducers.Mean("w")}}, "no state or observable matches 'w'"),
        ({"reduce": {"x": reducers.Mean("na.*")}}, "must name one state or observable"),
    ],
)
def test_refused(hh, options, message):
    with pytest.raises(ValueError, match=message):
        nd.simulate(hh, STIMULUS, 1.0, **options)


def test_no_spikes_to_count(hh):
    with pytest.raises(ValueError, match="emits no spikes"):
        nd.simulate(nd.Clamped(hh), nd.Step(-30.0), 1.0, reduce={"count": reducers.SpikeCount()})
