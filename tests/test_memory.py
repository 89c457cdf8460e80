"""What the reverse pass of a run keeps: the same gradient whatever it is, and no more bytes than planned."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd


def _loss(g_na, method, t1=10.0, every=1):
    model = nd.replace(nd.HodgkinHuxley(), {"na.g": g_na})
    # A save time on the end of a step and one between two steps.
    ts = np.asarray([2.5, 7.5125, t1]) if every == 1 else None
    v = nd.simulate(model, nd.Step(10.0, 0.513), t1, method=method, ts=ts, every=every, max_spikes=0).v
    return jnp.mean(v**2)


METHODS = {
    "none": nd.FixedStep(checkpoint="none"),
    "step": nd.FixedStep(checkpoint="step"),
    "nested": nd.FixedStep(checkpoint="nested"),
    "forward": nd.FixedStep(checkpoint="forward"),
    "budget": nd.FixedStep(memory=1000),
}


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_gradients_are_the_same(every):
    def differences(method):
        h = 1e-3
        f = eqx.filter_jit(lambda g: _loss(g, method, every=every))
        return (8 * (f(120 + h) - f(120 - h)) - (f(120 + 2 * h) - f(120 - 2 * h))) / (12 * h)

    expected = differences(METHODS["step"])
    for name, method in METHODS.items():
        reverse = eqx.filter_jit(jax.grad(lambda g, m=method: _loss(g, m, every=every)))(120.0)
        forward = eqx.filter_jit(jax.jacfwd(lambda g, m=method: _loss(g, m, every=every)))(120.0)
        np.testing.assert_allclose(reverse, forward, rtol=1e-11, err_msg=name)
        np.testing.assert_allclose(reverse, expected, rtol=1e-7, err_msg=name)


def _peak(method, t1):
    gradient = jax.jit(jax.grad(lambda g: _loss(g, method, t1)))
    return gradient.lower(120.0).compile().memory_analysis().temp_size_in_bytes


def test_peak_memory_is_as_planned():
    model = nd.HodgkinHuxley()
    for name, growth in (("step", 4.0), ("nested", 2.0)):
        method = METHODS[name]
        short, long = (_peak(method, t1) for t1 in (100.0, 400.0))
        planned = [method.gradient_plan(model, t1).kept_bytes for t1 in (100.0, 400.0)]
        assert planned[1] / planned[0] == pytest.approx(growth, rel=0.02)
        # What is recorded and its cotangent come on top: 8 bytes each per step.
        recorded = [4 * 8 * t1 / 0.025 for t1 in (100.0, 400.0)]
        assert short < planned[0] + recorded[0] + 20000
        assert long < planned[1] + recorded[1] + 20000


def test_forward_mode_keeps_nothing():
    method = nd.FixedStep(checkpoint="forward")

    def mean(g_na, t1):
        model = nd.replace(nd.HodgkinHuxley(), {"na.g": g_na})
        return nd.simulate(model, nd.Step(10.0), t1, method=method, reduce={"v": nd.reducers.Mean()}).reduced["v"]

    def peak(t1):
        return jax.jit(jax.grad(mean), static_argnums=1).lower(120.0, t1).compile().memory_analysis().temp_size_in_bytes

    # What grows is the index of the chunks of 16 steps that a reducer sees: a tenth of a state of 32 bytes per step at the most.
    assert peak(400.0) - peak(100.0) < 3.2 * 12000


def test_the_plan_follows_the_budget():
    model = nd.HodgkinHuxley()
    state = 4 * 8  # bytes in double precision
    fits = nd.FixedStep(memory=4000 * state).gradient_plan(model, 100.0)
    assert (fits.checkpoint, fits.segment, fits.kept_bytes) == ("step", 1, 4000 * state)
    small = nd.FixedStep(memory=4000 * state - 1).gradient_plan(model, 100.0)
    assert (small.checkpoint, small.segment) == ("nested", 64)
    assert small.kept_bytes == state * (64 + 63)
    # Nesting costs a forward pass, so derivatives by very few numbers are better computed along with the run.
    assert small.forward(2) and not small.forward(3) and not fits.forward(1)
    forward = nd.FixedStep(checkpoint="forward").gradient_plan(model, 100.0)
    assert forward.forward(1000) and forward.kept_bytes == 0
    assert nd.FixedStep().gradient_plan(model, 100.0).checkpoint == "step"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": "all"}, "FixedStep.checkpoint = 'all' is not allowed"),
        ({"memory": 0}, "FixedStep.memory = 0 bytes"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        nd.FixedStep(**options)
