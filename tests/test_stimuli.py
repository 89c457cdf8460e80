"""Stimuli: values, averages over a step, edges, gradients, and what long runs in float32 do to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn._parameter import parameters, replace_leaves
from neurodyn._stimulus import Instant


_VALUES = np.random.default_rng(0).normal(size=40)
_NOISE = nd.OrnsteinUhlenbeck(1.0, 2.0, 4.0, 20.0, dt=0.25, start=1.3, key=jax.random.key(1))
STIMULI = {
    "step": nd.Step(3.0, 2.03, 11.017),
    "step without end": nd.Step(3.0, 2.03),
    "ramp": nd.Ramp(0.7, 2.03, 11.017, offset=-1.0),
    "pulses": nd.Pulses(2.0, 0.7, 3.1, count=5, start=1.03),
    "pulses that overlap": nd.Pulses(2.0, 1.7, 1.1, count=6, start=1.03),
    "pulses faster than the step": nd.Pulses(2.0, 0.013, 0.029, count=200, start=1.0307),
    "sine": nd.Sine(2.0, 130.0, 0.4, 2.03, 11.017),
    "chirp": nd.Chirp(2.0, 10.0, 400.0, 2.03, 17.017),
    "samples": nd.Samples(_VALUES, 0.37, 1.013),
    "fast samples": nd.Samples(_VALUES, 0.0137, 1.013),
    "noise": _NOISE,
    "sum": nd.Step(3.0, 2.03, 11.017) + nd.Sine(2.0, 130.0, start=0.03) - nd.Samples(_VALUES, 0.37, 0.0113),
    "scaled": -(2.5 * (nd.Ramp(0.7, 2.03, 11.017) * 3 + nd.Step(1.0, 0.07))),
}
EVERY = pytest.mark.parametrize("name", STIMULI)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def charges(stimulus, intervals) -> list[float]:
    """The integrals over intervals, by Gauss's rule between edges."""
    at, weights = [], []
    edges = np.asarray(stimulus.edges())
    for begin, end in intervals:
        knots = np.unique(np.concatenate([np.clip(edges, begin, end), np.linspace(begin, end, 9)]))
        middle, half = (knots[1:] + knots[:-1]) / 2, np.diff(knots) / 2
        at.append((middle[:, None] + half[:, None] * _NODES).ravel())
        weights.append((half[:, None] * _WEIGHTS).ravel())
    values = np.asarray(jax.jit(jax.vmap(stimulus))(jnp.asarray(np.concatenate(at))))
    parts = np.split(values, np.cumsum([x.size for x in at])[:-1])
    return [float(w @ v) for w, v in zip(weights, parts, strict=True)]


def averages(stimulus, origin, dt: float, steps: int) -> np.ndarray:
    """The averages over the steps of a run."""
    over = jax.jit(jax.vmap(lambda k: stimulus.over(Instant(origin, k, dt), dt)))
    return np.asarray(over(jnp.arange(steps)))


@EVERY
def test_average_is_the_integral(name):
    stimulus = STIMULI[name]
    intervals = [(0.0, 0.5), (1.9, 2.4), (2.03, 2.04), (10.9, 11.3), (16.9, 17.1)]
    if name != "chirp":  # whose average holds up to half a cycle of its 400 Hz
        intervals += [(3.0, 5.5), (0.0, 30.0)]
    got = jax.jit(lambda: [stimulus.average(begin, end) * (end - begin) for begin, end in intervals])()
    np.testing.assert_allclose(got, charges(stimulus, intervals), rtol=1e-12, atol=2e-12)


@EVERY
def test_charge_of_a_run_is_exact_whatever_the_step(name):
    stimulus = STIMULI[name]
    (expected,) = charges(stimulus, [(0.0, 25.0)])
    for steps in (24, 333, 2048):
        dt = 25.0 / steps
        total = averages(stimulus, jnp.asarray(0.0), dt, steps).sum() * dt
        np.testing.assert_allclose(total, expected, rtol=1e-12, atol=1e-12, err_msg=f"dt = {dt}")


@EVERY
def test_edges_are_where_the_value_or_its_slope_jumps(name):
    stimulus = STIMULI[name]
    edges = np.unique(np.asarray(stimulus.edges()))
    edges = edges[np.isfinite(edges)]
    hair = 1e-7
    outside = np.linspace(0.001, 25.0, 997)
    away = outside[np.abs(outside[:, None] - edges).min(axis=1) > 1e-3]
    value = jax.jit(jax.vmap(stimulus))
    before, middle, after = (np.asarray(value(jnp.asarray(away + x))) for x in (-hair, 0.0, hair))
    np.testing.assert_allclose(before - 2 * middle + after, 0.0, atol=1e-6)  # smooth elsewhere
    if not name.startswith("pulses"):  # whose later edges are rounded
        np.testing.assert_allclose(value(jnp.asarray(edges)), value(jnp.asarray(edges + hair)), atol=1e-5)  # just after


@EVERY
def test_float32_ten_seconds_on_equals_the_start(name, dt=0.025):
    with jax.enable_x64(False):
        stimulus = jax.tree_util.tree_map(lambda x: jnp.asarray(np.asarray(x), jnp.float32), STIMULI[name])
        # Edges on multiples of 1/32 ms, which float32 can tell at 10 s too.
        times = {p: i.value for p, i in parameters(stimulus).items() if p.split(".")[-1] in ("start", "stop")}
        early = replace_leaves(stimulus, {p: jnp.round(x * 32) / 32 for p, x in times.items()})
        late = replace_leaves(early, {p: i.value + 10_000.0 for p, i in parameters(early).items() if p in times})
        steps = int(20 / dt)
        start, end = averages(early, jnp.float32(0.0), dt, steps), averages(late, jnp.float32(10_000.0), dt, steps)
        assert start.dtype == np.float32
        np.testing.assert_array_equal(end, start)


@pytest.mark.parametrize("dt, sample_dt", [(0.025, 0.025), (0.025, 1 / 30), (0.0247, 0.1)])
def test_float32_keeps_the_sample_after_a_minute(sample_dt, dt):
    """The clock is a whole number of steps: 50 s in float32 give the averages of float64."""
    first, count = int(50e3 / dt), 64
    offset = int(first * dt / sample_dt) - 8
    values = np.concatenate([np.zeros(offset), np.random.default_rng(0).normal(size=300)])
    got = {}
    for x64 in (True, False):
        with jax.enable_x64(x64):
            stimulus = nd.Samples(values, sample_dt)
            over = jax.jit(jax.vmap(lambda k, s=stimulus: s.over(Instant(jnp.asarray(0.0), k, dt), dt)))
            got[x64] = np.asarray(over(first + jnp.arange(count)))
    np.testing.assert_allclose(got[False], got[True], atol=5e-6)


@EVERY
def test_gradients_of_every_field_are_right(name):
    """Gradient of averages over steps with respect to every finite field, against central differences."""
    stimulus = STIMULI[name]
    fields = {path: item.value for path, item in parameters(stimulus).items()}
    weights = jnp.asarray(np.random.default_rng(1).normal(size=100))

    def loss(values):
        changed = replace_leaves(stimulus, values)
        over = jax.vmap(lambda k: changed.over(Instant(jnp.asarray(0.0), k, 0.25), 0.25))
        return jnp.sum(weights * over(jnp.arange(100)))

    gradients = jax.jit(jax.grad(loss))(fields)
    value = jax.jit(loss)
    for path, field in fields.items():
        assert np.isfinite(gradients[path]).all(), path
        for i in np.ndindex(*np.shape(field)):
            if i and i[0] % 17:
                continue
            h = 1e-6 * max(1.0, abs(float(field[i])))
            if not np.isfinite(h):
                assert float(gradients[path][i]) == 0.0
                continue
            up, down = (value(fields | {path: field.at[i].add(s * h)}) for s in (1, -1))
            np.testing.assert_allclose(gradients[path][i], (up - down) / (2 * h), rtol=2e-6, atol=2e-7, err_msg=path)


@EVERY
def test_gradients_of_values_are_finite(name):
    t = jnp.asarray([0.0, 1.03, 2.03, 5.0, 11.017, 30.0])
    gradients = jax.jit(jax.jacrev(lambda s: jax.vmap(s)(t)))(STIMULI[name])
    assert all(np.isfinite(x).all() for x in jax.tree_util.tree_leaves(gradients))


def test_step_values():
    step = nd.Step(3.0, 1.0, 2.0)
    assert [float(step(t)) for t in (0.0, 0.999, 1.0, 1.999, 2.0, 9.0)] == [0.0, 0.0, 3.0, 3.0, 0.0, 0.0]
    np.testing.assert_allclose(step.average(0.75, 1.25), 1.5, rtol=1e-15)  # half of the step is on


def test_pulses_that_touch_or_overlap_add():
    np.testing.assert_allclose(nd.Pulses(2.0, 5.0, 5.0, count=3)(5.0), 2.0)
    np.testing.assert_allclose(nd.Pulses(2.0, 6.0, 5.0, count=3)(5.5), 4.0)


def test_samples_are_held_and_end():
    samples = nd.Samples(np.array([1.0, 2.0, 3.0]), 0.1, start=5.0)
    at = [4.99, 5.0, 5.05, 5.1, 5.2, 5.29, 5.3, 99.0, 1e9, -1e9]
    assert [float(samples(t)) for t in at] == [0.0, 1.0, 1.0, 2.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]
    assert samples.duration == pytest.approx(0.3)
    np.testing.assert_allclose(samples.edges(), [5.0, 5.1, 5.2, 5.3])


@pytest.mark.parametrize("x64", [True, False])
def test_samples_on_the_grid_of_the_run_come_out_as_they_are(x64):
    with jax.enable_x64(x64):
        samples = nd.Samples(np.random.default_rng(0).normal(size=5000), 0.1)
        np.testing.assert_allclose(averages(samples, jnp.asarray(0.0), 0.1, 5000), samples.values, atol=2e-6)
        at = jax.vmap(lambda k: samples.at(Instant(jnp.asarray(0.0), k, 0.1)))(jnp.arange(5000))
        np.testing.assert_array_equal(at, samples.values)


def test_samples_for_several_units():
    values = np.random.default_rng(0).normal(size=(40, 3))
    samples = nd.Samples(values, 0.37)
    singles = jnp.stack([nd.Samples(values[:, i], 0.37).average(1.0, 1.9) for i in range(3)])
    assert samples(1.0).shape == (3,)
    np.testing.assert_allclose(samples.average(1.0, 1.9), singles, rtol=1e-13)


def test_samples_need_steps_of_fixed_width():
    with pytest.raises(ValueError, match="fixed width"):
        jax.jit(lambda w: nd.Samples(np.ones(3), 0.1).average(0.0, w))(0.3)


@pytest.mark.parametrize("make", [lambda v: nd.Samples(v, 0.1), lambda v: 2.0 * nd.Samples(v, 0.1) + nd.Step(1.0)])
def test_samples_that_are_not_finite_are_refused_by_index(make):
    with pytest.raises(ValueError, match=r"Samples.values\[17\] = (nan|inf) is not allowed: must be finite"):
        make(np.where(np.arange(40) == 17, np.inf, 1.0))


def test_algebra():
    a, b = nd.Step(1.0), nd.Ramp(1.0)
    t = 2.0
    assert float((a + b)(t)) == 3.0 and float((a - b)(t)) == -1.0 and float((-a)(t)) == -1.0
    assert float((2 * a)(t)) == float((a * 2.0)(t)) == float((jnp.asarray(2.0) * a)(t)) == 2.0
    assert float((np.float64(2.0) * a)(t)) == 2.0
    assert float(sum([a, b, a])(t)) == 4.0
    assert (a + b).edges().shape == (4,)
    for wrong in (lambda: a + 1.0, lambda: 1.0 + a, lambda: a * b, lambda: a - 1.0):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(TypeError, match="Scaled.factor"):
        a * "2"


def test_noise_statistics():
    n, tau, dt, std = 200_000, 5.0, 0.5, 3.0
    noise = nd.OrnsteinUhlenbeck(1.5, std, tau, n * dt, dt=dt, key=jax.random.key(0))
    path = np.asarray(noise.prepare().values)
    independent = n * dt / (2 * tau)  # as many samples as would be as good if they were independent
    assert abs(path.mean() - 1.5) < 4 * std / np.sqrt(independent)
    assert abs(path.std() / std - 1) < 4 / np.sqrt(2 * independent)
    centred = (path - path.mean()) / path.std()
    for lag in (1, 5, 10, 20, 40):
        expected = np.exp(-lag * dt / tau)
        assert abs(np.mean(centred[lag:] * centred[:-lag]) - expected) < 4 / np.sqrt(independent), lag
    assert abs(np.mean(centred**3)) < 0.1 and abs(np.mean(centred**4) - 3) < 0.2


def test_noise_is_stationary_from_the_start():
    @jax.jit
    @jax.vmap
    def first(key):
        return nd.OrnsteinUhlenbeck(0.0, 2.0, 5.0, 1.0, dt=0.5, key=key).prepare().values

    paths = np.asarray(first(jax.random.split(jax.random.key(2), 20_000)))
    np.testing.assert_allclose(paths.std(axis=0), 2.0, rtol=4 / np.sqrt(2 * 20_000))


def test_noise_is_fixed_by_its_key():
    def make(key, **kwargs):
        return nd.OrnsteinUhlenbeck(**({"mean": 0.0, "std": 1.0, "tau": 5.0, "duration": 50.0} | kwargs), key=key)

    key, other = jax.random.split(jax.random.key(3))
    path = np.asarray(make(key).prepare().values)
    np.testing.assert_array_equal(path, make(key).prepare().values)
    assert np.abs(path - make(other).prepare().values).max() > 0.1
    # Longer noise begins like the shorter one, and a batch holds what its members would.
    np.testing.assert_allclose(make(key, duration=80.0).prepare().values[: path.size], path, atol=1e-12)
    batch = jax.vmap(lambda k: make(k).prepare().values)(jnp.stack([other, key]))
    np.testing.assert_allclose(batch[1], path, atol=1e-12)
    np.testing.assert_allclose(make(key, std=3.0, mean=1.0).prepare().values, 1.0 + 3.0 * path, atol=1e-12)


def test_noise_before_and_after_its_time_is_zero():
    assert float(_NOISE(1.29)) == float(_NOISE(21.31)) == 0.0
    assert float(_NOISE(1.3)) != 0.0 and float(_NOISE.average(30.0, 31.0)) == 0.0


def test_prepared_noise_is_the_same_noise():
    for t in (1.4, 5.0, 12.34):
        np.testing.assert_array_equal(_NOISE.prepare()(t), _NOISE(t))
    np.testing.assert_array_equal(_NOISE.prepare().edges(), _NOISE.edges())
