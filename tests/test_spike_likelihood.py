"""The likelihood of spike times under a neuron that fires at random near its threshold."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn._parameter import replace_leaves
from neurodyn.fitting.objectives.replay import EARLY, Replayed, ReplayReset


T1, CURRENT = 60.0, 1.8
TIMES = np.asarray(
    [10.03, 21.4, 22.17, 40.0]
)  # off the grid, then one in the refractory period of the one before, and one on the grid
NAMES = ("tau", "resistance", "rest", "threshold", "reset", "refractory")


def cell(**changes) -> nd.LIF:
    return nd.LIF(**{"tau": 10.0, "refractory": 2.0, "reset": -60.0, **changes})


def objective(times=TIMES, **options) -> nd.fitting.SpikeLikelihood:
    return nd.fitting.SpikeLikelihood(nd.Step(CURRENT), times, T1, **{"dt": 0.1, "width": 2.0, **options})


def voltage(model: nd.LIF, at: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The voltage in closed form at `at`, just before a spike that is there, and whether the neuron is ready."""
    v, ready = np.empty(at.shape), np.empty(at.shape, bool)
    aim = float(model.rest + model.resistance * CURRENT)
    for i, t in enumerate(at):
        past = times[times < t]
        begin, start = (past[-1], float(model.reset)) if past.size else (-np.inf, float(model.rest))
        since = t - begin - float(model.refractory) if past.size else t
        ready[i] = since > 0 or not past.size
        v[i] = aim + (start - aim) * np.exp(-max(since, 0.0) / float(model.tau))
    return v, ready


def by_hand(model: nd.LIF, times: np.ndarray, width: float, rate: float, stray: float = -10.0) -> float:
    """The logarithm of the likelihood, by a sum over 6 us."""
    fine = (np.arange(round(T1 / 0.006)) + 0.5) * 0.006
    v, ready = voltage(model, fine, times)
    hazard = np.where(ready, rate * np.exp((v - float(model.threshold)) / width), 0.0)
    at, possible = voltage(model, times, times)
    logs = np.where(possible, np.log(rate) + (at - float(model.threshold)) / width, stray)
    return float(np.sum(logs) - np.sum(hazard) * 0.006)


def test_the_model_is_reset_where_the_data_has_a_spike():
    replayed = Replayed(cell(), jnp.asarray([*TIMES, 200.0, 200.0]))
    method = nd.FixedStep(0.1, reset=ReplayReset())
    names = ["model.v", "ready", "count", "met"]
    run = nd.simulate(replayed, nd.Step(CURRENT), T1, method=method, record=names, max_spikes=10)
    assert run.status == nd.Status.ok
    ts = np.asarray(run.ts)
    plain = (
        np.abs(ts[:, None] - np.append(TIMES, TIMES + 2.0)).min(axis=1) > 1e-6
    )  # at the others it is before or after
    expected, ready = voltage(cell(), ts, TIMES)
    np.testing.assert_allclose(run.ys["model.v"][plain], expected[plain], atol=1e-6)
    np.testing.assert_array_equal((run.ys["ready"] > 0)[plain], ready[plain])
    np.testing.assert_allclose(run.spikes.times[: TIMES.size], TIMES, atol=1e-9)
    assert run.spikes.count == TIMES.size
    np.testing.assert_array_equal(run.ys["count"][plain], np.sum(ts[:, None] > TIMES, axis=1)[plain])
    met = [float(run.ys["met"][np.searchsorted(ts, t + 0.15)]) for t in TIMES]
    before, possible = voltage(cell(), TIMES, TIMES)
    np.testing.assert_allclose(met, np.where(possible, before + 50.0, EARLY), atol=1e-6)


@pytest.mark.parametrize("times", [TIMES, TIMES[:0], np.asarray([0.05, 20.0, 30.0, 40.0, 59.97])])
def test_the_likelihood_is_that_of_a_point_process_and_its_deviance_differs_by_a_constant(times):
    models = [
        cell(),
        cell(tau=14.0, threshold=-49.0, reset=-63.0),
        cell(resistance=7.0, rest=-62.0, refractory=0.0, reset=-53.0),
    ]
    target = objective(times, rate=0.2)

    @jax.jit
    def both(model):
        return target.log_likelihood(model), jnp.sum(target.misfit(model) ** 2), target.loss(model, jnp.asarray(1.0))

    got = np.asarray([both(model) for model in models])
    expected = [by_hand(model, times, 2.0, 0.2) for model in models]
    np.testing.assert_allclose(got[:, 0], expected, atol=0.01)
    np.testing.assert_allclose(np.diff(got[:, 1]), -2 * np.diff(got[:, 0]), rtol=1e-9)
    np.testing.assert_allclose(got[:, 2], got[:, 1] / max(times.size, 1), rtol=1e-12)


def test_gradients_are_differences():
    target = objective()

    def loss(x):
        return target.loss(replace_leaves(cell(), dict(zip(NAMES, x, strict=True))), jnp.asarray(0.0))

    x = jnp.asarray(
        [getattr(cell(refractory=1.95), name) for name in NAMES]
    )  # no end of it on the grid, where the second derivative jumps
    reverse, forward = jax.jit(jax.grad(loss))(x), jax.jit(jax.jacfwd(loss))(x)
    np.testing.assert_allclose(reverse, forward, rtol=1e-9)
    steps = 1e-4 * np.abs(x)
    points = np.asarray(x) + np.asarray([1.0, -1.0])[:, None, None] * np.diag(steps)
    values = np.asarray(jax.jit(jax.vmap(loss))(points.reshape(-1, x.size))).reshape(2, -1)
    np.testing.assert_allclose(reverse, (values[0] - values[1]) / (2 * steps), rtol=1e-5)
    assert (np.abs(reverse) > 1e-3).all()


def test_padding_and_what_is_outside_the_window_do_not_matter():
    plain = objective()
    padded = eqx.tree_at(lambda x: x.times, plain, jnp.concatenate([plain.times, jnp.full(9, jnp.inf)]))
    assert padded.log_likelihood(cell()) == pytest.approx(float(plain.log_likelihood(cell())), rel=1e-12)
    parts = [objective(window=window) for window in ((0.0, 30.0), (30.0, T1))]
    total = sum(float(part.log_likelihood(cell())) for part in parts)
    assert total == pytest.approx(float(plain.log_likelihood(cell())), rel=1e-9)


def test_a_longer_refractory_period_does_not_get_rid_of_spikes():
    target = objective()
    loss = jax.jit(jax.vmap(jax.value_and_grad(lambda x: target.loss(cell(refractory=x), jnp.asarray(1.0)))))
    losses, slopes = loss(jnp.asarray([0.5, 2.0, 15.0]))
    assert losses[0] < losses[1] < losses[2]
    assert np.isfinite(slopes).all()


def test_refusals():
    with pytest.raises(
        ValueError,
        match="model = HodgkinHuxley is not allowed: SpikeLikelihood needs one that resets; use SpikeTrain",
    ):
        objective().loss(nd.HodgkinHuxley(), jnp.asarray(0.0))
    with pytest.raises(ValueError, match="times = 5 and 5.05 ms are not allowed: must be at least a step of 0.1 ms"):
        objective([5.0, 5.05])


def _sampled(model: nd.LIF, current: np.ndarray, dt: float, width: float, rate: float, seed: int) -> np.ndarray:
    """Spike times of the neuron that fires at random, by small steps."""
    rng, v, left, times = np.random.default_rng(seed), float(model.rest), 0.0, []
    rest, threshold, reset = (float(getattr(model, name)) for name in ("rest", "threshold", "reset"))
    decay, period = np.exp(-dt / float(model.tau)), float(model.refractory)
    chances, drives = rng.random(current.size), rest + float(model.resistance) * current
    for k in range(current.size):
        if left > dt / 2:
            left -= dt
            continue
        next_v = drives[k] + (v - drives[k]) * decay
        if chances[k] < -np.expm1(-rate * dt * np.exp((0.5 * (v + next_v) - threshold) / width)):
            times.append((k + 0.5) * dt)
            next_v, left = reset, period
        v = next_v
    return np.asarray(times)


def test_a_neuron_is_found_again_from_spikes_it_made_itself():
    truth, dt, t1 = nd.LIF(tau=8.0, resistance=12.0), 0.02, 2000.0
    drive = nd.OrnsteinUhlenbeck(1.2, 0.6, 5.0, t1, dt=1.0, key=jax.random.key(3))
    current = np.asarray(jax.jit(jax.vmap(drive))(jnp.arange(t1) + 0.5)).repeat(round(1 / dt))
    times = _sampled(truth, current, dt, 1.0, 0.1, seed=4)
    assert 50 < times.size < 200
    held = nd.Samples(jnp.asarray(current[:: round(1 / dt)]), 1.0)
    target = nd.fitting.SpikeLikelihood(held, times, t1, dt=0.25, width=1.0)
    start = nd.LIF(tau=14.0, resistance=9.0, reset=-58.0)
    free = ["tau", "resistance", "reset"]
    out = nd.fit(start, target, trainable=free, key=jax.random.key(0), starts=1, steps=0, polish=8, check_rank=False)
    known = nd.fitting.uncertainty(out)
    sds = dict(zip(known.names, known.sd, strict=True))
    for p in out.parameters:
        assert sds[p.path] < 0.2 * abs(float(p.before))
        assert abs(float(p.after) - float(getattr(truth, p.path))) < 2.5 * sds[p.path], p
