"""Soft alignments: they tend to the hard distances, agree with enumeration of all paths, and are differentiable; padding and batches."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences

import neurodyn as nd
from neurodyn.analysis.soft_dtw import soft_dtw
from neurodyn.analysis.soft_victor_purpura import soft_victor_purpura


# PySpike's own unit-test trains, on [0, 1]
A = jnp.asarray([0.2, 0.4, 0.6, 0.7, jnp.inf, jnp.inf])
B = jnp.asarray([0.3, 0.45, 0.8, 0.9, 0.95, jnp.inf])
SILENT = jnp.full(6, jnp.inf)
X, Y = (
    jnp.asarray([[0.0, 1.0], [2.0, 0.5], [1.0, -1.0]]),
    jnp.asarray([[0.5, 0.0], [2.5, 1.0], [2.0, 0.0], [0.0, -1.5]]),
)


# Computed independently by dynamic programming over whole matrices.
@pytest.mark.parametrize(
    ("cost", "expected"), [(0.0, 1.0), (1.0, 1.55), (5.0, 3.75), (10.0, 5.5), (20.0, 8.0), (100.0, 9.0)]
)
def test_soft_victor_purpura_tends_to_the_hard_one(cost, expected):
    found = [float(soft_victor_purpura(A, B, cost, gamma)) for gamma in (0.3, 0.1, 0.01, 1e-3, 1e-6)]
    assert found == sorted(found)  # from below
    assert found[-1] == pytest.approx(expected, abs=1e-5)
    # No more than so many ways from (0, 0) to (4, 5): Delannoy's number D(4, 5).
    for gamma, value in zip((0.3, 0.1, 0.01, 1e-3, 1e-6), found, strict=True):
        assert expected - gamma * np.log(681) - 1e-12 <= value <= expected + 1e-12


def test_soft_victor_purpura_of_single_spikes():
    # Three ways: move it, or remove it and add another in either order.
    one, gamma = SILENT.at[0].set(0.3), 0.4
    for gap in (0.0, 0.3, 2.0):
        expected = -gamma * np.log(np.exp(-3 * gap / gamma) + 2 * np.exp(-2 / gamma))
        assert soft_victor_purpura(one, one + gap, 3.0, gamma) == pytest.approx(expected, abs=1e-13)
    assert soft_victor_purpura(A, SILENT, 3.0, gamma) == pytest.approx(4.0, abs=1e-13)  # one way only
    assert soft_victor_purpura(SILENT, SILENT, 3.0, gamma) == 0.0


def _all_alignments(price: np.ndarray, gamma: float) -> tuple[float, float]:
    """Soft and hard minimum over every path through a matrix of prices."""
    totals, (n, m) = [], price.shape
    for length in range(max(n, m), n + m):
        for moves in itertools.product(((1, 0), (0, 1), (1, 1)), repeat=length - 1):
            places = np.cumsum([(0, 0), *moves], axis=0)
            if tuple(places[-1]) == (n - 1, m - 1) and (places < (n, m)).all():
                totals.append(price[tuple(places.T)].sum())
    totals = np.asarray(totals)
    return -gamma * np.log(np.exp(-totals / gamma).sum()), totals.min()


@pytest.mark.parametrize("gamma", [2.0, 0.2])
def test_soft_dtw_is_the_soft_minimum_over_all_alignments(gamma):
    price = ((np.asarray(X)[:, None] - np.asarray(Y)[None]) ** 2).sum(-1)
    soft, hard = _all_alignments(price, gamma)
    assert soft_dtw(X, Y, gamma) == pytest.approx(soft, abs=1e-12)
    assert soft_dtw(Y, X, gamma) == pytest.approx(soft, abs=1e-12)
    assert soft_dtw(X, Y, 1e-6) == pytest.approx(hard, abs=1e-5)


def test_soft_dtw_of_few_entries():
    assert soft_dtw([1.0], [3.0], 0.5) == 4.0
    assert soft_dtw([1.0], [3.0, 2.0, 1.0], 0.5) == 5.0  # one way only
    # two by two: three ways
    ways = np.asarray([1.0 + 1.0, 1.0 + 0.0 + 1.0, 1.0 + 4.0 + 1.0])
    assert soft_dtw([0.0, 1.0], [1.0, 2.0], 0.5) == pytest.approx(-0.5 * np.log(np.exp(-ways / 0.5).sum()), abs=1e-13)


def test_padding_batches_and_nothing():
    assert soft_dtw(A, B, 0.1) == pytest.approx(float(soft_dtw(A[:4], B[:5], 0.1)), abs=1e-14)
    assert soft_victor_purpura(A, B, 5.0, 0.1) == pytest.approx(
        float(soft_victor_purpura(A[:4], B[:5], 5.0, 0.1)), abs=1e-14
    )
    batch = jnp.stack([A, SILENT, B])
    rows = [float(soft_victor_purpura(x, B, 5.0, 0.1)) for x in batch]
    np.testing.assert_allclose(soft_victor_purpura(batch, B, 5.0, 0.1), rows, atol=1e-14)
    mapped = jax.jit(jax.vmap(lambda x: soft_dtw(x, B, 0.1)))(batch)
    np.testing.assert_allclose(mapped, [float(soft_dtw(x, B, 0.1)) for x in batch], atol=1e-14)
    assert soft_dtw(SILENT, B, 0.1) == jnp.inf and soft_dtw(SILENT, SILENT, 0.1) == 0.0
    for distance in (lambda x: soft_dtw(x, B, 0.1), lambda x: soft_victor_purpura(x, B, 5.0, 0.1)):
        assert (jax.grad(distance)(SILENT) == 0).all()


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("name", ["vp", "dtw"])
def test_gradients(name, unbiased):
    # Forward, backward and by differences; the hard distance's cheapest way changes at this very point.
    if name == "vp":
        b, x = B, jnp.append(jnp.asarray([0.25, 0.41, 0.6, 0.7]), 0.2)
        distance = lambda x: soft_victor_purpura(SILENT.at[:4].set(x[:4]), b, 4.0, x[4], unbiased=unbiased)
    else:
        x = jnp.append(X.ravel(), 0.5)
        distance = lambda x: soft_dtw(x[:6].reshape(3, 2), Y, x[6], unbiased=unbiased)
    reverse, forward = jax.jit(jax.grad(distance))(x), jax.jit(jax.jacfwd(distance))(x)
    np.testing.assert_allclose(reverse, forward, atol=1e-12)
    np.testing.assert_allclose(reverse, central_differences(distance, x, np.full(x.size, 1e-4))[0], atol=1e-7)
    assert np.abs(reverse).max() > 0.1


def test_unbiased_ones_leave_a_perfect_match_alone():
    assert soft_victor_purpura(A, A, 5.0, 0.5, unbiased=True) == 0.0
    assert soft_dtw(X, X, 0.5, unbiased=True) == 0.0
    gradient = jax.grad(lambda x: soft_dtw(x, X, 0.5, unbiased=True))(X)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)
    # The biased one does not: it is lower where the entries are pulled together.
    assert np.abs(jax.grad(lambda x: soft_dtw(x, X, 5.0))(X)).max() > 0.1


def test_far_spikes_are_felt():
    # Beyond 2 / cost the hard distance is flat.
    far = lambda distance: jax.grad(lambda t: distance(SILENT.at[0].set(t), SILENT.at[0].set(0.0)))(jnp.asarray(30.0))
    assert far(lambda a, b: nd.analysis.victor_purpura(a, b, 0.1)) == 0.0
    assert far(lambda a, b: soft_victor_purpura(a, b, 0.1, 1.0)) > 0.01


def test_bad_input():
    with pytest.raises(ValueError, match="gamma = 0 is not allowed"):
        soft_victor_purpura(A, B, 1.0, 0.0)
    with pytest.raises(ValueError, match="cost = -1"):
        soft_victor_purpura(A, B, -1.0, 1.0)
    with pytest.raises(ValueError, match=r"second of shape \(3, 2\) is not allowed"):
        soft_dtw(A, X, 1.0)
