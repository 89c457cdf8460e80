"""Batches, compilation, precision and time: what must not change the result."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from catalogue import entries
from helpers import precision

import neurodyn as nd


ENTRIES = entries()


@pytest.mark.parametrize("name", [name for name in ENTRIES if name not in ("relative_to_rest", "absolute")])
def test_vmap_is_a_loop_and_a_permutation_is_exact(name):
    model, stimulus = ENTRIES[name]

    @eqx.filter_jit
    def batch(model, factors):
        return jax.vmap(lambda factor: nd.simulate(model, factor * stimulus, 4.0, every=8))(factors)

    factors = jnp.asarray([0.4, 1.3, 0.9, 1.0])
    order = jnp.asarray([2, 0, 3, 1])
    together, permuted = batch(model, factors), batch(model, factors[order])
    for one, other in zip(jtu.tree_leaves(together), jtu.tree_leaves(permuted), strict=True):
        np.testing.assert_array_equal(one[order], other)
    for i, factor in enumerate(factors):
        alone = nd.simulate(model, factor * stimulus, 4.0, every=8)
        for one, other in zip(jtu.tree_leaves(together), jtu.tree_leaves(alone), strict=True):
            np.testing.assert_allclose(one[i], other, rtol=1e-10, atol=1e-10)


def test_jit_is_eager(hh):
    compiled = nd.simulate(hh, nd.Step(10.0, 0.03), 0.05, record=["v", "na.m"])
    with jax.disable_jit():
        eager = nd.simulate(hh, nd.Step(10.0, 0.03), 0.05, record=["v", "na.m"])
    for one, other in zip(jtu.tree_leaves(compiled), jtu.tree_leaves(eager), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


class Counting(nd.AbstractNeuron):
    """`dx/dt = drive - rate x`, and a note of every time Python runs through it."""

    rate: jax.Array = nd.parameter(0.5)
    calls: list = eqx.field(static=True, default_factory=list)

    def init(self):
        return {"x": jnp.zeros_like(self.rate)}

    def dynamics(self, t, y, drive):
        self.calls.append(1)
        return nd.Linearised({"x": drive - self.rate * y["x"]}, {"x": self.rate})

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"x": 0}


class _Log(list):
    """A list that can be a static field: equal to itself only."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


@pytest.mark.parametrize("method", [nd.FixedStep(0.1), nd.Adaptive()], ids=["fixed", "adaptive"])
def test_one_trace_for_two_parameter_values(method):
    model = Counting(calls=_Log())
    nd.simulate(model, nd.Step(1.0), 2.0, method=method)
    traced = len(model.calls)
    assert traced > 0
    other = nd.replace(model, {"rate": 0.7})
    sol = nd.simulate(other, nd.Step(2.0, 0.5), 2.0, method=method)
    assert len(model.calls) == traced
    # Closed form, so that what was reused is the program and not the result.
    assert float(sol.final["x"]) == pytest.approx(2 / 0.7 * (1 - np.exp(-0.7 * 1.5)), rel=1e-4)


def test_float32_is_nearly_float64(hh):
    double = nd.simulate(hh, nd.Step(10.0), 50.0, max_spikes=8)
    with precision(jnp.float32):
        single = nd.simulate(nd.HodgkinHuxley(), nd.Step(10.0), 50.0, max_spikes=8)
    assert single.v.dtype == single.spikes.times.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jtu.tree_leaves(single.final))
    assert int(single.spikes.count) == int(double.spikes.count)
    # NEURON and Brian agree to about as much between precisions: a hundredth of a millisecond.
    np.testing.assert_allclose(single.spikes.times, double.spikes.times, atol=0.01)


# Time ---------------------------------------------------------------------------------------------------------------------------


def _all_stimuli(shift):
    """Every stimulus, `shift` ms later."""
    return (
        nd.Step(5.0, shift + 1.01, shift + 18.0)
        + nd.Ramp(0.1, shift + 2.0, shift + 17.013)
        + nd.Pulses(4.0, 0.6, 2.1, 4, shift + 3.007)
        + nd.Sine(2.0, 90.0, 0.2, shift + 0.5, shift + 15.0)
        + nd.Chirp(1.0, 10.0, 150.0, shift + 1.25, shift + 16.0)
        + nd.Samples(jnp.asarray([1.0, 3.0, -2.0], dtype=float), 2.5, shift + 5.0)
        + nd.OrnsteinUhlenbeck(1.0, 2.0, 3.0, 15.0, dt=0.5, start=shift + 0.3, key=jax.random.key(0))
    )


SLOW = pytest.param(nd.Adaptive(), 0.1, marks=pytest.mark.slow)


@pytest.mark.parametrize("method, tolerance", [(None, 0.02), SLOW], ids=["fixed", "adaptive"])
def test_a_float32_run_that_starts_at_ten_seconds_is_the_one_that_starts_at_zero(method, tolerance):
    # At 10 s a float32 clock has a resolution of 1e-3 ms. Edges that it cannot hold move by up to half of that; with edges it can hold (the
    # second run) the fixed path is the same to rounding.
    with precision(jnp.float32):
        model = nd.HodgkinHuxley()
        one = nd.simulate(model, _all_stimuli(0.0), 20.0, method=method, max_spikes=4)
        other = nd.simulate(model, _all_stimuli(1e4), 10020.0, t0=1e4, method=method, max_spikes=4)
    assert int(one.spikes.count) == int(other.spikes.count) > 0
    kept = np.isfinite(one.spikes.times)
    np.testing.assert_allclose(other.spikes.times[kept] - 1e4, one.spikes.times[kept], atol=3e-3)
    np.testing.assert_allclose(other.v, one.v, atol=200 * tolerance)


def test_a_late_start_with_edges_a_float32_clock_can_hold_is_exact_on_the_fixed_path():
    with precision(jnp.float32):
        model = nd.HodgkinHuxley()

        def run(shift):
            stimulus = nd.Step(10.0, shift + 1.0, shift + 15.5) + nd.Samples(jnp.asarray([1.0, 3.0]), 2.5, shift + 5.0)
            return nd.simulate(model, stimulus, shift + 20.0, t0=shift, max_spikes=4)

        one, other = run(0.0), run(1e4)
    np.testing.assert_allclose(other.v, one.v, atol=1e-4)


@pytest.mark.parametrize(
    "method", [None, pytest.param(nd.Adaptive(rtol=1e-8, atol=1e-8), marks=pytest.mark.slow)], ids=["fixed", "adaptive"]
)
def test_shifting_the_stimulus_shifts_the_run(hh, method):
    y0 = hh.init()
    early = nd.simulate(hh, _all_stimuli(0.0), 20.0, method=method, y0=y0, max_spikes=4)
    late = nd.simulate(hh, _all_stimuli(7.5), 27.5, t0=7.5, method=method, y0=y0, max_spikes=4)
    np.testing.assert_allclose(late.v, early.v, atol=1e-9 if method is None else 1e-4)
    np.testing.assert_allclose(late.spikes.times, early.spikes.times + 7.5, atol=1e-9 if method is None else 1e-6)


def test_two_runs_make_one(hh):
    whole = nd.simulate(hh, _all_stimuli(0.0), 20.0, max_spikes=4)
    first = nd.simulate(hh, _all_stimuli(0.0), 10.0, max_spikes=4)
    second = nd.simulate(hh, _all_stimuli(0.0), 20.0, t0=10.0, y0=first.final, max_spikes=4)
    np.testing.assert_allclose(jnp.concatenate([first.v, second.v[1:]]), whole.v, atol=1e-9)
    np.testing.assert_allclose(jtu.tree_leaves(second.final), jtu.tree_leaves(whole.final), atol=1e-9)
    times = np.sort(np.concatenate([first.spikes.times, second.spikes.times]))[:4]
    np.testing.assert_allclose(times, whole.spikes.times, atol=1e-9)


def test_two_runs_of_a_resetting_model_make_one():
    # Cut inside a refractory period, where the state counts down.
    model, drive = nd.LIF(), nd.Step(4.0)
    whole = nd.simulate(model, drive, 30.0)
    cut = 0.025 * round(float(whole.spikes.times[0]) / 0.025 + 40)  # on a step's end
    first = nd.simulate(model, drive, cut)
    second = nd.simulate(model, drive, 30.0, t0=cut, y0=first.final)
    assert float(first.final["refractory"]) > 0
    np.testing.assert_allclose(jnp.concatenate([first.v, second.v[1:]]), whole.v, atol=1e-9)


def test_a_stimulus_of_amplitude_zero_adds_nothing(hh):
    plain = nd.simulate(hh, nd.Step(10.0), 5.0)
    more = nd.simulate(hh, nd.Step(10.0) + nd.Step(0.0, 1.01, 2.0) + 0.0 * nd.Sine(3.0, 50.0), 5.0)
    np.testing.assert_allclose(more.v, plain.v, atol=1e-12)


def test_overlapping_stimuli_add(hh):
    once = nd.simulate(hh, nd.Step(10.0, 1.01, 4.0), 5.0)
    twice = nd.simulate(hh, nd.Step(6.0, 1.01, 4.0) + nd.Step(4.0, 1.01, 4.0), 5.0)
    np.testing.assert_allclose(twice.v, once.v, atol=1e-10)


@pytest.mark.parametrize("checkpoint", ["step", "nested", "forward"])
def test_a_failed_member_leaves_the_gradient_of_the_others_alone(hh, checkpoint):
    method = nd.FixedStep(checkpoint=checkpoint)

    def loss(g_na, amplitudes):
        def one(amplitude):
            sol = nd.simulate(nd.replace(hh, {"na.g": g_na}), nd.Step(amplitude), 5.0, method=method, max_spikes=0)
            return jnp.mean(sol.v), sol.ok

        v, ok = nd.vmap(one)(amplitudes)
        return jnp.sum(jnp.where(ok, v, 0.0))

    gradient = jax.jit(jax.grad(loss))
    without = gradient(120.0, jnp.asarray([5.0, 10.0]))
    np.testing.assert_allclose(gradient(120.0, jnp.asarray([5.0, 10.0, jnp.inf])), without, rtol=1e-12)
    assert gradient(120.0, jnp.asarray([5.0, 10.0, 10.0])) != without  # a member that does not fail counts


def test_a_failed_adaptive_member_leaves_the_gradient_of_the_others_alone():
    model, method = nd.MorrisLecar.hopf(), nd.Adaptive(rtol=1e-4, atol=1e-4, max_steps=400)

    def loss(g, amplitudes):
        def one(amplitude):
            changed = nd.replace(model, {"k.g": g})
            sol = nd.simulate(changed, nd.Step(amplitude), 5.0, method=method, ts=(5.0,), max_spikes=0)
            return sol.v[-1], sol.ok

        v, ok = jax.vmap(one)(amplitudes)
        return jnp.sum(jnp.where(ok, v, 0.0))

    gradient = jax.jit(jax.grad(loss))
    without = gradient(8.0, jnp.asarray([50.0, 100.0, 70.0])) - gradient(8.0, jnp.asarray([70.0] * 3)) / 3
    np.testing.assert_allclose(gradient(8.0, jnp.asarray([50.0, 100.0, jnp.nan])), without, rtol=1e-9)
