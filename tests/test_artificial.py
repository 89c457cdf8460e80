"""Threshold units, the perceptron and the spike response model."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences

from neurodyn.points import McCullochPitts, Perceptron, SpikeResponse


INPUTS = jnp.asarray(list(itertools.product([0.0, 1.0], repeat=2)))


def _outputs(weights, threshold):
    return jax.vmap(McCullochPitts(weights, threshold))(INPUTS)


def test_fourteen_of_sixteen_boolean_functions():
    # Of two inputs 14 functions are linearly separable (OEIS A000609: 4, 14, 104, 1882 of 4, 16, 256, 65536); not the exclusive or and its negation.
    weights = jnp.asarray(list(itertools.product([-1.0, 0.0, 1.0], repeat=2)))
    thresholds = jnp.arange(-2.5, 3.0)
    outputs = jax.vmap(lambda w: jax.vmap(lambda t: _outputs(w, t))(thresholds))(weights)
    found = {tuple(row) for row in np.asarray(outputs).reshape(-1, 4).astype(int)}
    assert set(itertools.product([0, 1], repeat=4)) - found == {(0, 1, 1, 0), (1, 0, 0, 1)}
    # Nor with any other weights: an exclusive or would need w1, w2 >= t > 0 > w1 + w2 - t.
    rng = np.random.default_rng(0)
    many = jax.vmap(_outputs)(jnp.asarray(rng.normal(size=(20000, 2))), jnp.asarray(rng.normal(size=20000)))
    assert not (np.asarray(many) == [0, 1, 1, 0]).all(axis=1).any()


def test_exclusive_or_takes_a_hidden_layer():
    hidden = [McCullochPitts(jnp.asarray([1.0, -1.0])), McCullochPitts(jnp.asarray([-1.0, 1.0]))]
    output = McCullochPitts(jnp.asarray([1.0, 1.0]))
    values = jax.vmap(lambda x: output(jnp.stack([unit(x) for unit in hidden])))(INPUTS)
    np.testing.assert_array_equal(values, [0.0, 1.0, 1.0, 0.0])


def test_the_perceptron_makes_no_more_mistakes_than_the_bound():
    # Novikoff (1962): (R / gamma)^2, for patterns extended by a 1 and any separating unit vector.
    rng = np.random.default_rng(1)
    separator = np.asarray([0.6, -0.7, 0.2])
    separator /= np.linalg.norm(separator)
    xs = rng.normal(size=(400, 2))
    heights = np.column_stack([xs, np.ones(400)]) @ separator
    xs, heights = xs[np.abs(heights) > 0.1], heights[np.abs(heights) > 0.1]
    labels = np.sign(heights)
    bound = (np.linalg.norm(np.column_stack([xs, np.ones(len(xs))]), axis=1).max() / np.abs(heights).min()) ** 2
    unit, mistakes = Perceptron(jnp.zeros(2)).learn(jnp.asarray(xs), jnp.asarray(labels), epochs=50)
    assert 0 < int(mistakes.sum()) <= bound
    assert int(mistakes[-1]) == 0
    np.testing.assert_array_equal(jax.vmap(unit)(jnp.asarray(xs)), labels)


def test_perceptron_update():
    unit, wrong = Perceptron(jnp.zeros(2)).update(jnp.asarray([2.0, -1.0]), jnp.asarray(-1.0), rate=0.5)
    np.testing.assert_array_equal(unit.weights, [-1.0, 0.5])
    assert float(unit.bias) == -0.5 and int(wrong) == 1
    same, wrong = unit.update(jnp.asarray([2.0, -1.0]), jnp.asarray(-1.0))
    np.testing.assert_array_equal(same.weights, unit.weights)
    assert int(wrong) == 0


def test_the_smooth_perceptron_has_gradients():
    # The logistic function's derivative, p (1 - p) x.
    x, unit = jnp.asarray([0.3, -0.8]), Perceptron(jnp.asarray([1.0, 2.0]), 0.1)
    p = unit.probability(x)
    gradient = jax.grad(lambda unit: unit.probability(x))(unit)
    np.testing.assert_allclose(gradient.weights, p * (1 - p) * x, rtol=1e-12)
    np.testing.assert_allclose(gradient.bias, p * (1 - p), rtol=1e-12)


def _first_spike(weight, tau, tau_synapse):
    unit = SpikeResponse(weight[None], tau, tau_synapse, rest=0.0, threshold=1.0, depth=1.0)
    return unit.spikes(jnp.zeros((1, 1)), 30.0, 1)[0]


@pytest.mark.parametrize(
    "weight, factor, taus, time, slope",
    [
        # V = 6 (exp(-t/20) - exp(-t/10)) reaches 1; epsilon is half of the weight's unit. And V = 6 t/10 exp(-t/10), by Lambert's function.
        (3.0, 0.5, (20.0, 10.0), 4.748015723, -1.220084679),
        (6.0, 1.0, (10.0, 10.0), 2.044814493, -0.4284028516),
    ],
)
def test_time_to_the_first_spike(weight, factor, taus, time, slope):
    found, gradient = jax.value_and_grad(_first_spike)(jnp.asarray(weight), *taus)
    assert float(found) == pytest.approx(time, abs=1e-8)
    assert factor * float(gradient) == pytest.approx(slope, abs=1e-7)


def test_no_spike_below_the_critical_weight():
    # 2 for tau 20 and 10 (the peak of epsilon is 1/2); e where they are equal.
    for weight, taus in ((1.99, (20.0, 10.0)), (2.71, (10.0, 10.0))):
        found, gradient = jax.value_and_grad(_first_spike)(jnp.asarray(weight), *taus)
        assert np.isinf(found) and float(gradient) == 0.0


@pytest.fixture(scope="module")
def train():
    """A unit, the spikes it gets (shape (5, 6), one missing) and those it sends."""
    rng = np.random.default_rng(2)
    inputs = np.sort(rng.uniform(0.0, 80.0, (5, 6)), axis=1)
    inputs[2, 5] = np.inf
    unit = SpikeResponse(jnp.full(5, 4.0), depth=30.0, delay=1.0)
    return unit, jnp.asarray(inputs), unit.spikes(jnp.asarray(inputs), 100.0, 8)


def test_spikes_are_crossings_from_below(train):
    unit, inputs, times = train
    found = np.asarray(times)[np.isfinite(times)]
    assert 2 <= len(found) < 8
    assert (np.diff(found) > 0).all()
    last = np.concatenate([[np.inf], found[:-1]])
    at = jax.vmap(lambda t, last: unit.voltage(t, inputs, last))
    np.testing.assert_allclose(at(jnp.asarray(found), jnp.asarray(last)), -50.0, atol=1e-9)
    assert (at(jnp.asarray(found) - 1e-3, jnp.asarray(last)) < -50.0).all()
    # After a spike the kernel takes `depth` off.
    np.testing.assert_allclose(
        at(jnp.asarray(found), jnp.asarray(found)) - at(jnp.asarray(found), jnp.full(len(found), jnp.inf)), -30.0
    )


def test_gradients_of_output_spikes(train):
    unit, inputs, times = train
    count = int(np.isfinite(times).sum())

    def last(x):
        changed = SpikeResponse(x[:5], *x[5:9], depth=x[9], tau_refractory=x[10], delay=x[11])
        return changed.spikes(inputs.at[0, 0].add(x[12]), 100.0, 8)[count - 1]

    x = jnp.asarray([*unit.weights, 20.0, 5.0, -65.0, -50.0, 30.0, 20.0, 1.0, 0.0])
    got, expected = jax.jit(jax.grad(last))(x), central_differences(last, x, np.full(13, 1e-4))[0]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="SpikeResponse.tau = 0 ms is not allowed"):
        SpikeResponse(jnp.ones(1), tau=0.0)
    with pytest.raises(ValueError, match="dt = 0 ms is not allowed"):
        SpikeResponse(jnp.ones(1)).spikes(jnp.zeros((1, 1)), 10.0, 1, dt=0)
    with pytest.raises(ValueError, match="epochs = 0 is not allowed"):
        Perceptron(jnp.zeros(1)).learn(jnp.ones((1, 1)), jnp.ones(1), epochs=0)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: McCullochPitts(jnp.ones(2))(jnp.ones((2, 2))),
            r"x of shape \(2, 2\) is not allowed: must be \(2,\), one input",
        ),
        (lambda: Perceptron(jnp.ones(2))(jnp.ones(3)), r"x of shape \(3,\) is not allowed: must be \(2,\)"),
        (lambda: Perceptron(jnp.ones(2)).learn(jnp.ones((2, 5)), jnp.ones(5)), r"xs of shape \(2, 5\) is not allowed"),
        (
            lambda: Perceptron(jnp.ones(2)).learn(jnp.ones((5, 2)), jnp.arange(5) % 2),
            r"labels = \[0 1\] is not allowed: must be",
        ),
        (lambda: SpikeResponse(jnp.ones(2)).spikes(jnp.ones(2), 10.0, 1), r"inputs of shape \(2,\) is not allowed"),
    ],
)
def test_bad_inputs_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
