"""Distances between spike trains: published and independently computed values, metric axioms, padding, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import neurodyn as nd


# PySpike's own unit-test trains, on [0, 1]
A = jnp.asarray([0.2, 0.4, 0.6, 0.7, jnp.inf, jnp.inf])
B = jnp.asarray([0.3, 0.45, 0.8, 0.9, 0.95, jnp.inf])
SILENT = jnp.full(6, jnp.inf)
EDGES = jnp.asarray([0.0, 0.5, 1.0, jnp.inf, jnp.inf, jnp.inf])
ONE = SILENT.at[0].set(0.3)

vp, rossum = nd.analysis.victor_purpura, nd.analysis.van_rossum
PAIRWISE = {
    "victor_purpura": lambda a, b: vp(a, b, 3.0),
    "van_rossum": lambda a, b: rossum(a, b, 0.1),
    "isi": lambda a, b: nd.analysis.isi_distance(a, b, 0.0, 1.0),
    "spike": lambda a, b: nd.analysis.spike_distance(a, b, 0.0, 1.0),
}


# Computed independently by dynamic programming over whole matrices.
@pytest.mark.parametrize(
    ("cost", "expected"), [(0.0, 1.0), (1.0, 1.55), (5.0, 3.75), (10.0, 5.5), (20.0, 8.0), (100.0, 9.0)]
)
def test_victor_purpura(cost, expected):
    assert vp(A, B, cost) == pytest.approx(expected, abs=1e-12)
    assert vp(B, A, cost) == pytest.approx(expected, abs=1e-12)


def test_victor_purpura_of_two_single_spikes():
    # Victor and Purpura (1996): the cheaper of moving, and of removing and adding
    for gap in (0.0, 0.1, 0.5, 0.9):
        assert vp(ONE, ONE + gap, 3.0) == pytest.approx(min(3 * gap, 2.0), abs=1e-12)
    assert vp(ONE, SILENT, 3.0) == 1.0 and vp(SILENT, SILENT, 3.0) == 0.0


# Computed independently by quadrature of (1/tau) int (f - g)^2.
@pytest.mark.parametrize(
    ("tau", "expected"), [(0.01, 4.499955), (0.05, 4.391622), (0.1, 4.061430), (0.5, 2.216617), (1e12, 0.5)]
)
def test_van_rossum(tau, expected):
    assert rossum(A, B, tau) == pytest.approx(expected, abs=6e-7)  # printed with six decimals
    a, b = np.asarray(A)[:4], np.asarray(B)[:5]
    signed = np.r_[np.ones(4), -np.ones(5)]
    lag = np.abs(np.subtract.outer(np.r_[a, b], np.r_[a, b]))
    assert rossum(A, B, tau) == pytest.approx(0.5 * signed @ np.exp(-lag / tau) @ signed, abs=1e-12)  # the double sum


def test_van_rossum_of_single_spikes():
    # van Rossum (2001), equations 2-4
    assert rossum(ONE, SILENT, 0.1) == pytest.approx(0.5, abs=1e-15)
    assert rossum(ONE, ONE + 0.2, 0.1) == pytest.approx(1 - np.exp(-2), abs=1e-15)
    assert rossum(A, A, 0.1) == 0.0


def test_isi_and_spike_distance():
    # PySpike 0.8 with the same trains. By hand: ISI-profile .1/.3 .1/.3 .05/.2 .05/.2 .15/.35 .25/.35 .05/.35 .2/.3 .25/.3 .25/.3 over the pieces
    # between 0 .2 .3 .4 .45 .6 .7 .8 .9 .95 1.
    expected = {
        ("ab", "isi"): 0.4375,
        ("ab", "spike"): 0.397286355644331,
        ("a-", "isi"): 0.78,
        ("a-", "spike"): 0.4143601154090665,
        ("1a", "isi"): 0.5714285714285714,
        ("1a", "spike"): 0.4339845679012345,
        ("1-", "isi"): 0.42,
        ("1-", "spike"): 0.25183759546282836,
        ("ea", "isi"): 0.56,
        ("ea", "spike"): 0.35917162698412697,
        ("eb", "isi"): 0.5,
        ("eb", "spike"): 0.2826956590069801,
        ("1e", "isi"): 0.32,
        ("1e", "spike"): 0.28756944444444443,
    }
    trains = {"a": A, "b": B, "-": SILENT, "1": ONE, "e": EDGES}
    for ((x, y), name), value in expected.items():
        assert PAIRWISE[name](trains[x], trains[y]) == pytest.approx(value, abs=1e-12), (x, y, name)
        assert PAIRWISE[name](trains[y], trains[x]) == pytest.approx(value, abs=1e-12), (y, x, name)


def test_isi_distance_of_regular_trains():
    # 100 Hz against 50 Hz: |10 - 20| / 20
    fast, slow = np.arange(10.0, 1000.0, 10.0), np.arange(20.0, 1000.0, 20.0)
    assert nd.analysis.isi_distance(fast, slow, 0.0, 1000.0) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("name", PAIRWISE)
def test_padding_order_batches_and_spikes_outside(name):
    distance = PAIRWISE[name]
    assert distance(list(np.asarray(A)[[2, 0, 3, 1]]), B[:5]) == pytest.approx(float(distance(A, B)), abs=1e-14)
    batch = distance(jnp.stack([A, SILENT, ONE]), B)
    one_by_one = [float(distance(x, B)) for x in (A, SILENT, ONE)]
    np.testing.assert_allclose(batch, one_by_one, atol=1e-14)
    if name == "van_rossum":
        mapped = jax.vmap(distance, (0, None))(jnp.stack([A, SILENT, ONE]), B)
        np.testing.assert_allclose(mapped, one_by_one, atol=1e-14)
    assert distance([], []) == 0.0
    if name in ("isi", "spike"):
        assert distance(A.at[4].set(1.5), B) == distance(A, B)


times = st.lists(st.integers(0, 40), max_size=6, unique=True).map(
    lambda found: jnp.asarray(sorted(found) + [np.inf] * (6 - len(found))) / 40
)


@settings(derandomize=True, max_examples=40, deadline=None, database=None)
@given(times, times, times)
def test_metric_axioms(a, b, c):
    for name, distance in PAIRWISE.items():
        size = (lambda x: float(x) ** 0.5) if name == "van_rossum" else float
        ab, ba, bc, ac, aa = (size(abs(distance(*pair))) for pair in ((a, b), (b, a), (b, c), (a, c), (a, a)))
        assert ab >= 0 and ab == pytest.approx(ba, abs=1e-7)
        assert aa == pytest.approx(0.0, abs=1e-7)
        same = bool(jnp.all((a == b) | (jnp.isinf(a) & jnp.isinf(b))))
        if name in ("victor_purpura", "van_rossum"):
            assert ac <= ab + bc + 1e-7
            assert same == (ab < 1e-6)
        else:
            assert ab < 1


@pytest.mark.parametrize("name", ["victor_purpura", "van_rossum", pytest.param("isi", marks=pytest.mark.slow), "spike"])
def test_gradients(name):
    def distance(vector):
        return PAIRWISE[name](SILENT.at[:4].set(vector), B + 0.013)  # away from ties

    at = A[:4] + jnp.asarray([0.007, 0.0, 0.0, 0.0])  # two equal intervals at the edge make a kink
    got = jax.jit(jax.grad(distance))(at)
    for i, step in enumerate(1e-4 * np.eye(4)):
        far, near, near_, far_ = (float(distance(at + k * step)) for k in (2, 1, -1, -2))
        assert got[i] == pytest.approx((8 * (near - near_) - (far - far_)) / 12e-4, abs=1e-7, rel=1e-6)
    assert np.abs(got).max() > 0.1


def test_gradients_of_van_rossum():
    gradient = jax.jit(jax.grad(lambda a, b, tau: rossum(a, b, tau), (0, 1, 2)))
    assert all(np.isfinite(x).all() for x in gradient(A, SILENT, 0.1))
    perfect = gradient(A, A, 0.1)
    assert all((x == 0).all() for x in perfect)  # a perfect fit stays where it is
    step = 1e-4
    slope = float(rossum(A, B, 0.1 + step) - rossum(A, B, 0.1 - step)) / (2 * step)
    assert gradient(A, B, 0.1)[2] == pytest.approx(slope, rel=1e-5)
    curvature = jax.jit(jax.hessian(lambda a: rossum(a, B[:2], 0.1)))(A[:2])
    lag = np.subtract.outer(np.asarray(A[:2]), np.asarray(B[:2]))
    diagonal = -np.exp(-np.abs(lag) / 0.1).sum(1) / 0.1**2 + np.exp(-2) / 0.1**2
    np.testing.assert_allclose(np.diag(curvature), diagonal, rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vp(A, B, -1.0), "cost = -1 1/ms is not allowed: must be finite and >= 0"),
        (lambda: rossum(A, B, 0.0), "tau = 0 ms is not allowed: must be finite and > 0"),
        (lambda: rossum(A, 0.5, 1.0), "second = 0.5 ms is not allowed: must be an array of spike times"),
        (lambda: nd.analysis.isi_distance(A, B, 1.0, 1.0), "stop = 1 ms is not allowed: must be > start = 1 ms"),
        (lambda: nd.analysis.spike_distance(A, B, jnp.zeros(2), 1.0), r"start of shape \(2,\) is not allowed"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
