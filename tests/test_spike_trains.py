"""Rates and intervals of spike trains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd


analysis = nd.analysis
CLOCK = jnp.arange(1, 11) * 10.0
TRAIN = jnp.asarray([5.0, 8.0, 20.0, 21.0, 50.0, jnp.inf, jnp.inf])
PADDED = jnp.stack([TRAIN, jnp.full(7, jnp.inf), jnp.asarray([3.0] + [jnp.inf] * 6)])


def test_firing_rate():
    assert analysis.firing_rate(CLOCK, 0.0, 100.0) == pytest.approx(100.0)
    np.testing.assert_allclose(analysis.firing_rate(PADDED, 8.0, 28.0), [150.0, 0.0, 0.0])


def test_intervals():
    got = analysis.interspike_intervals(PADDED)
    np.testing.assert_array_equal(got[0], [3.0, 12.0, 1.0, 29.0, np.inf, np.inf])
    assert np.isinf(got[1:]).all()
    np.testing.assert_array_equal(analysis.interspike_intervals([21.0, 5.0]), [16.0])  # sorted first


def test_coefficient_of_variation_and_local_variation():
    intervals = np.diff(np.asarray(TRAIN)[:5])
    cv, lv = analysis.coefficient_of_variation(PADDED), analysis.local_variation(PADDED)
    assert cv[0] == pytest.approx(intervals.std() / intervals.mean(), rel=1e-14)
    # Shinomoto et al. (2003), equation 2.2
    terms = [((a - b) / (a + b)) ** 2 for a, b in zip(intervals[:-1], intervals[1:], strict=True)]
    assert lv[0] == pytest.approx(3 * np.mean(terms), rel=1e-14)
    assert np.isnan(cv[1:]).all() and np.isnan(lv[1:]).all()
    assert analysis.coefficient_of_variation(CLOCK) == 0.0 and analysis.local_variation(CLOCK) == 0.0


def test_a_poisson_process_has_both_at_one_and_slow_modulation_moves_only_one():
    # Gamma intervals of shape k: CV = 1/sqrt(k), LV = 3/(2 k + 1) (Shinomoto et al. 2003)
    rng = np.random.default_rng(0)
    for shape in (1.0, 4.0):
        times = np.cumsum(rng.gamma(shape, size=20_000))
        assert analysis.coefficient_of_variation(times) == pytest.approx(shape**-0.5, abs=0.03)
        assert analysis.local_variation(times) == pytest.approx(3 / (2 * shape + 1), abs=0.03)
    intervals = rng.gamma(4.0, size=20_000) * np.repeat([1.0, 5.0], 10_000)
    assert analysis.coefficient_of_variation(np.cumsum(intervals)) > 0.8
    assert analysis.local_variation(np.cumsum(intervals)) == pytest.approx(1 / 3, abs=0.03)


def test_gradients_pass_padding_and_clocks():
    for times in (PADDED, CLOCK):
        for statistic in (analysis.coefficient_of_variation, analysis.local_variation):
            assert np.isfinite(jax.grad(lambda t, f=statistic: jnp.nansum(f(t)))(times)).all()
        at = jnp.linspace(0.0, 60.0, 13)
        gradient = jax.grad(lambda t, at=at: jnp.sum(analysis.instantaneous_rate(t, at, 4.0) ** 2))(times)
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_instantaneous_rate_has_an_area_of_one_spike_each(kernel):
    at = jnp.arange(-50.0, 200.0, 0.05)
    rate = analysis.instantaneous_rate(PADDED, at, 5.0, kernel)
    assert rate.shape == (3, at.size)
    np.testing.assert_allclose(jnp.sum(rate, axis=-1) * 0.05e-3, [5.0, 0.0, 1.0], atol=0.03)
    before = rate[2, at < 3.0]
    assert (before.max() == 0.0) == (kernel == "exponential")
    peak = {"gaussian": 1e3 / (5 * np.sqrt(2 * np.pi)), "exponential": 200.0}[kernel]
    assert rate[2].max() == pytest.approx(peak, rel=0.01)


def test_psth():
    trials = jnp.stack([TRAIN, TRAIN + 1.0])
    edges = [0.0, 6.0, 10.0, 60.0]
    counts = sum(np.histogram(np.asarray(t)[:5], edges)[0] for t in trials)
    expected = 1e3 * counts / 2 / np.diff(edges)
    np.testing.assert_allclose(analysis.psth(trials, edges), expected)
    np.testing.assert_allclose(analysis.psth(jnp.stack([trials, trials]), edges), np.stack([expected] * 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.firing_rate(CLOCK, 5.0, 5.0), "stop = 5 ms is not allowed: must be > start = 5 ms"),
        (lambda: analysis.instantaneous_rate(CLOCK, CLOCK, 0.0), "width = 0 ms is not allowed: must be finite and > 0"),
        (lambda: analysis.instantaneous_rate(CLOCK, CLOCK, 1.0, "box"), "kernel = 'box' is not allowed"),
        (lambda: analysis.instantaneous_rate(CLOCK, 3.0, 1.0), r"at of shape \(\) is not allowed"),
        (lambda: analysis.psth(CLOCK, [0.0, 1.0]), "must have an axis of trials"),
        (lambda: analysis.psth(CLOCK[None], [0.0, 0.0]), "edges is not allowed: must ascend"),
        (lambda: analysis.psth(CLOCK[None], [0.0]), r"edges of shape \(1,\) is not allowed"),
        (lambda: analysis.interspike_intervals(3.0), "times = 3.0 ms is not allowed: must be an array"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
