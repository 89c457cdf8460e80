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
    "sum": reducers.Running(jnp.zeros(()), lambda total, samples: total + jnp.sum(samples.values["v"] ** 2)),
}


@pytest.fixture(scope="module")
def runs(hh):
    recorded = nd.simulate(hh, STIMULUS, T1, record=["v", "na.h", "i_na"])
    return recorded, nd.simulate(hh, STIMULUS, T1, reduce=ALL)


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
    assert bool(reduced.ok) and reduced.ts.size == 0 and not reduced.ys
    np.testing.assert_allclose(reduced.final["v"], recorded.final["v"], rtol=1e-12)


def test_nothing_as_long_as_the_run_is_stored(hh):
    @eqx.filter_jit
    def run(model, duration):
        return nd.simulate(model, STIMULUS, duration, reduce=ALL).reduced

    # One recorded number would take 8 bytes a step; what grows is the index of the chunks.
    steps = 16000
    compiled = run.lower(hh, 0.025 * steps).compile().compiled
    assert compiled.memory_analysis().temp_size_in_bytes < steps


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


def test_a_resetting_model():
    lif = nd.LIF()
    stimulus = nd.Step(30.0)
    counted = nd.simulate(lif, stimulus, 30.0, reduce={"count": reducers.SpikeCount()}).reduced["count"]
    assert int(counted) == int(nd.simulate(lif, stimulus, 30.0).spikes.count) > 0


def test_a_failed_run_says_so(hh):
    model = eqx.tree_at(lambda m: m.na.g, hh, jnp.asarray(jnp.nan))
    sol = eqx.filter_jit(lambda m: nd.simulate(m, STIMULUS, 2.0, reduce={"mean": reducers.Mean()}))(model)
    assert int(sol.status) == nd.Status.non_finite and np.isnan(sol.reduced["mean"])


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
