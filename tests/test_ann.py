"""Outputs of artificial networks as targets: the objective, populations with a read-out, rates that are networks, arrays from files."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences, precision

import neurodyn as nd
from neurodyn._parameter import replace_leaves
from neurodyn.ann import Population, Readout, read_outputs
from neurodyn.ann.population import _limited
from neurodyn.fitting.objectives.network_output import NetworkOutput
from neurodyn.fitting.selection import select
from neurodyn.io import DataError
from neurodyn.kinetics.neural import NeuralRate


# --- the objective -----------------------------------------------------------------------------------------------------------------


def network(x):
    """A leaky unit with two inputs and a squashed output."""

    def step(state, now):
        state = 0.8 * state + 0.2 * (now[0] - 0.5 * now[1])
        return state, jax.nn.sigmoid(state)

    return jax.lax.scan(step, jnp.zeros(()), x)[1]


INPUTS = np.random.default_rng(0).standard_normal((2, 12, 2)).cumsum(axis=1)
WEIGHTS = np.asarray([4.0, -2.0])


def test_the_drive_the_reads_and_the_runs(hh):
    one = NetworkOutput(network, INPUTS[0], 2.0, WEIGHTS, read="v", bias=10.0, gain=2.0, offset=3.0, substeps=40)
    both = NetworkOutput(network, INPUTS, 2.0, WEIGHTS, read="v", bias=10.0, gain=2.0, offset=3.0, substeps=40)
    drive = nd.Samples(jnp.asarray(10.0 + INPUTS[0] @ WEIGHTS), 2.0)
    run = nd.simulate(hh, drive, 24.0, dt=0.05)
    np.testing.assert_allclose(one.simulate(hh), 3 + 2 * run.v[40::40][None], rtol=1e-10)
    np.testing.assert_allclose(both.simulate(hh)[0], one.simulate(hh)[0], rtol=1e-10)
    np.testing.assert_allclose(both.target[1], network(INPUTS[1]), rtol=1e-12)
    # The smoothed rate is that of the spikes, which count about one each.
    rate = NetworkOutput(network, INPUTS[0], 2.0, WEIGHTS, bias=10.0, tau=5.0, substeps=40).simulate(hh)[0]
    times = np.asarray(run.spikes.times)[: int(run.spikes.count)]
    at = 2.0 * np.arange(1, 13)[:, None] - times
    expected = 1e3 / 5 * np.where(at > 0, np.exp(-np.maximum(at, 0) / 5), 0.0).sum(axis=1)
    far = np.abs(at).min(axis=1) > 0.7  # from a spike, which takes its time
    assert far.sum() > 6 and expected.max() > 100
    np.testing.assert_allclose(np.asarray(rate)[far], expected[far], rtol=0.08, atol=1.0)
    chance = NetworkOutput(network, INPUTS[0], 2.0, WEIGHTS, read="spike", bias=10.0, substeps=40).simulate(hh)[0]
    counts = np.histogram(times, np.arange(0.0, 24.1, 2.0))[0]
    np.testing.assert_allclose(-np.log1p(-np.asarray(chance)).sum(), counts.sum(), rtol=0.1)


def test_gradients_of_the_objective(hh):
    """All reads at once, the spike probability with the first stage's filter."""
    common = dict(inputs=INPUTS[0][:6], dt=2.0, weights=WEIGHTS, bias=8.0, substeps=20, skip=1)
    objectives = [NetworkOutput(network, read=read, **common) for read in ("v", "rate")]
    objectives.append(NetworkOutput(network, read="spike", smoothing=(6.0, 0.0), **common))

    def residuals(x):
        model = replace_leaves(hh, {"na.g": 120 * x[0], "k.n.factor": x[1]})
        own = {"weights": jnp.asarray(WEIGHTS) * x[2], "bias": x[3], "gain": x[4]}
        return jnp.concatenate([replace_leaves(o, own).residuals(model, 0.0) for o in objectives])

    x = jnp.asarray([1.0, 1.0, 1.0, 8.0, 1.3])
    reverse, forward = jax.jit(jax.jacrev(residuals))(x), jax.jit(jax.jacfwd(residuals))(x)
    np.testing.assert_allclose(reverse, forward, rtol=1e-8, atol=1e-9)
    differences = central_differences(residuals, x, np.full(5, 1e-4))[0].T
    scale = np.abs(differences).max(axis=1, keepdims=True)
    np.testing.assert_allclose(reverse / (scale + 1e-9), differences / (scale + 1e-9), atol=1e-5)
    assert not np.asarray(reverse)[::6].any() and (scale > 0).sum() == 15  # the first step is skipped


SINGLE = nd.FixedStep(0.1, reset=nd.ExactReset(events=1))  # half the compilation of the default


def test_models_that_reset():
    lif = nd.LIF()
    exact = NetworkOutput(network, INPUTS[0], 2.0, 0.2 * WEIGHTS, bias=3.0, method=SINGLE)
    surrogate = NetworkOutput(
        network, INPUTS[0], 2.0, 0.2 * WEIGHTS, read="spike", bias=3.0, method=nd.FixedStep(0.1, reset=nd.Surrogate())
    )
    for objective in (exact, surrogate):

        def loss(bias, objective=objective):
            return replace_leaves(objective, {"bias": bias}).loss(lif, 1.0)

        gradient = jax.jit(jax.grad(loss))(jnp.asarray(3.0))
        assert np.isfinite(gradient) and gradient != 0
    with pytest.raises(ValueError, match="read = 'spike' is not allowed for LIF"):
        NetworkOutput(network, INPUTS[0], 2.0, WEIGHTS, read="spike").simulate(lif)


def test_a_short_fit_comes_closer(hh):
    smooth = eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0))
    layer = jax.vmap(eqx.tree_at(lambda m: m.layers[1].bias, smooth, jnp.asarray([-60.0])))
    objective = NetworkOutput(layer, INPUTS[0], 2.0, [0.5, 0.5], read="v", substeps=20, y0="rest")
    out = nd.fit(
        hh,
        objective,
        trainable=["leak.g", "k.g"],
        nuisance=["*.weights", "*.bias"],
        key=jax.random.key(1),
        steps=15,
        starts=1,
        check_rank=False,
    )
    assert out.loss < 0.8 * float(objective.loss(hh, 1.0))
    assert {p.path for p in out.parameters} >= {"objectives.0.weights", "objectives.0.bias"}


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(inputs=INPUTS[0, 0]), r"inputs of shape \(2,\)"),
        (dict(inputs=np.full((3, 2), np.nan)), r"inputs\[0, 0\] = nan"),
        (dict(network=np.zeros(5)), r"network of outputs of shape \(5,\)"),
        (dict(weights=[1.0]), r"weights of shape \(1,\)"),
        (dict(read="volts"), "read = 'volts'"),
        (dict(skip=12), "more than the 12"),
        (dict(method=nd.FixedStep(0.3)), "must divide dt"),
        (dict(method=nd.FixedStep(0.1), substeps=2), "not allowed together"),
    ],
)
def test_what_the_objective_refuses(change, message):
    given = dict(network=network, inputs=INPUTS[0], dt=2.0, weights=WEIGHTS) | change
    with pytest.raises(ValueError, match=message):
        NetworkOutput(**given)


# --- arrays from files -------------------------------------------------------------------------------------------------------------


def test_outputs_from_files(tmp_path, hh):
    outputs = np.asarray(network(INPUTS[0]))
    np.save(tmp_path / "one.npy", outputs)
    np.savez(tmp_path / "one.npz", y=outputs)
    np.savez_compressed(tmp_path / "two.npz", y=outputs, z=2 * outputs)
    np.testing.assert_array_equal(read_outputs(tmp_path / "one.npy"), outputs)
    np.testing.assert_array_equal(read_outputs(tmp_path / "two.npz", "z"), 2 * outputs)
    given = NetworkOutput(read_outputs(tmp_path / "one.npz"), INPUTS[0], 2.0, WEIGHTS)
    np.testing.assert_allclose(given.target, NetworkOutput(network, INPUTS[0], 2.0, WEIGHTS).target)
    np.save(tmp_path / "objects.npy", np.asarray([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.asarray(["a"]))
    np.save(tmp_path / "nan.npy", np.asarray([np.nan]))
    (tmp_path / "other.npz").write_bytes(b"PK\x03\x04 not an archive")
    for name, message in {
        "objects.npy": "not a readable",
        "other.npz": "not a readable",
        "text.npy": "real numbers",
        "nan.npy": "not finite",
        "two.npz": "has no array None; has y, z",
    }.items():
        with pytest.raises(DataError, match=message):
            read_outputs(tmp_path / name)


# --- populations -------------------------------------------------------------------------------------------------------------------


def test_ridge_is_the_closed_form():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((50, 4)) * [1.0, 2.0, 0.5, 0.0], rng.standard_normal((3, 4))
    y = x @ w.T + [1.0, 2.0, 3.0]
    out = Readout.ridge(jnp.asarray(x), jnp.asarray(y), 1e-9)
    np.testing.assert_allclose(out(jnp.asarray(x)), y, atol=1e-6)
    c, penalty = x - x.mean(axis=0), 0.1
    added = penalty * np.mean(c.var(axis=0)) * 50 * np.eye(4)
    expected = np.linalg.solve(c.T @ c + added, c.T @ (y - y.mean(axis=0))).T
    np.testing.assert_allclose(Readout.ridge(jnp.asarray(x), jnp.asarray(y), penalty).weights, expected, rtol=1e-9)
    for bad in (dict(penalty=0.0), dict(targets=jnp.zeros((3, 2))), dict(features=jnp.zeros(3))):
        with pytest.raises(ValueError, match="not allowed"):
            Readout.ridge(**(dict(features=jnp.asarray(x), targets=jnp.asarray(y)) | bad))


METHODS = {"hh": nd.FixedStep(0.1), "exact": SINGLE, "surrogate": nd.FixedStep(0.1, reset=nd.Surrogate())}


@pytest.mark.parametrize("kind", METHODS)
def test_populations_and_their_gradients(kind, hh):
    smooth = kind == "hh"
    neuron, own, drive = (hh, "*.*.factor", 15.0) if smooth else (nd.LIF(tau=10.0), ["tau", "refractory"], 3.0)
    options = dict(own=own, method=METHODS[kind], duration=15.0, keep=0.9 if smooth else 1.0)
    population = Population.random(neuron, 3, 5, 2, key=jax.random.key(0), drive=drive, spread=drive / 3, **options)
    assert population.neurons.na.m.factor.shape == (3,) if smooth else population.neurons.tau.shape == (3,)
    x = jax.random.normal(jax.random.key(1), (4, 5))
    targets = jnp.asarray([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])

    @eqx.filter_jit
    def run(p):
        (loss, features), gradient = eqx.filter_value_and_grad(_error, has_aux=True)(p, x, targets)
        return loss, features, gradient

    first, features, _ = run(population)
    assert features.shape == (4, 3) and (features > 0).any() and population.readout(features).shape == (4, 2)
    fitted = eqx.tree_at(lambda p: p.readout, population, Readout.ridge(features, targets))
    loss, _, gradient = run(fitted)
    assert loss < first
    assert all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(eqx.filter(gradient, eqx.is_array)))
    assert np.asarray(gradient.weights).any() and gradient.weights.shape == (3, 5)
    times = nd.simulate(neuron, nd.Step(population.currents(x)[2, 1]), 15.0, method=METHODS[kind]).spikes.times
    expected = np.sum(1 - np.exp(-(15 - np.asarray(times)[np.isfinite(times)]) / 10))
    assert float(features[2, 1]) == pytest.approx(expected, rel=0.05, abs=0.02)
    with pytest.raises(ValueError, match=r"x of shape \(4, 4\)"):
        population.features(x[:, :4])


def _error(population, x, targets):
    features = population.features(x)
    return jnp.mean((population.readout(features) - targets) ** 2), features


def test_the_largest_derivatives_are_cut():
    slopes = jnp.asarray([1.0, -2.0, 3.0, -50.0, 4.0])
    cut = jax.grad(lambda x: jnp.sum(slopes * _limited(x, 0.75)))(jnp.zeros(5))
    np.testing.assert_allclose(cut, [1.0, -2.0, 3.0, -4.0, 4.0])


def test_the_read_out_of_a_population_in_closed_form(hh):
    population = Population.random(hh, 2, 3, 1, key=jax.random.key(0), drive=15.0, spread=9.0, duration=5.0)
    x = jax.random.normal(jax.random.key(1), (4, 3))
    fitted = population.with_ridge(x, x[:, :1], 1e-3)
    np.testing.assert_allclose(fitted.readout.weights, Readout.ridge(population.features(x), x[:, :1]).weights)
    assert fitted(x).shape == (4, 1)
    for bad in (dict(keep=0.0), dict(duration=0.0), dict(own="na.q")):
        with pytest.raises(ValueError, match="not allowed|no parameter|matches"):
            Population.random(hh, 2, 3, 1, key=jax.random.key(0), drive=15.0, spread=9.0, **bad)


# --- rates that are networks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_neural_rates_are_positive_bounded_and_differentiable(dtype):
    with precision(dtype):
        rate = NeuralRate.random(key=jax.random.key(0), start=0.2, low=1e-2, high=20.0)
        wild = eqx.tree_at(lambda r: (r.heights, r.widths), rate, (1e3 * rate.heights, 0.1 * rate.widths))
        v = jnp.asarray([-200.0, -120.0, -65.0, 0.0, 60.0, 200.0], dtype=dtype)
        assert rate(jnp.asarray(0.0)) == pytest.approx(0.2, rel=1e-4)
        for r in (rate, wild):
            values = r(v)
            assert values.dtype == dtype and (values > 0.99e-2).all() and (values < 20.01).all()
            for order in (jax.grad(r.__call__), jax.grad(jax.grad(r.__call__))):
                assert np.isfinite(jax.vmap(order)(v)).all()
            gradient = eqx.filter_grad(lambda r: jnp.sum(r(v)))(r)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree_util.tree_leaves(gradient))
        np.testing.assert_allclose(rate(v), [rate(x) for x in v], rtol=1e-6)


def test_neural_rates_in_a_gate_are_trained_by_name(hh):
    keys = jax.random.split(jax.random.key(0))
    rates = tuple(NeuralRate.random(key=key, size=3) for key in keys)
    unknown = eqx.tree_at(lambda m: (m.k.n.alpha, m.k.n.beta), hh, rates)
    command = nd.Step(-65.0) + nd.Step(65.0, 1.0)
    target = nd.fitting.CurrentTrace(command, np.zeros(61), 0.2).simulate(hh)
    objective = nd.fitting.CurrentTrace(command, target, 0.2, noise=5.0)
    out = nd.fit(
        unknown, objective, trainable=["k.n.alpha.*", "k.n.beta.*"], key=keys[0], steps=30, starts=1, check_rank=False
    )
    assert out.loss < 0.3 * float(objective.loss(unknown, 1.0))
    # Weights are parameters like others: patterns and functions find them.
    names = [f"k.n.alpha.{x}" for x in ("midpoints", "widths", "heights", "level")]
    assert select(unknown, lambda m: m.k.n.alpha) == select(unknown, "k.n.alpha.*") == names


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(low=0.0), "low = 0.0 1/ms"),
        (dict(low=2.0, high=1.0), "must be > low"),
        (dict(widths=jnp.ones(2) * 9), "one number for each hidden unit"),
        (dict(widths=jnp.asarray([9.0, 1.0, 9.0])), r"widths\[1\] = 1 mV"),
    ],
)
def test_what_neural_rates_refuse(change, message):
    given = dict(midpoints=jnp.zeros(3), widths=jnp.full(3, 20.0), heights=jnp.ones(3), level=0.0) | change
    with pytest.raises(ValueError, match=message):
        NeuralRate(**given)


def test_random_rates_refuse_a_start_out_of_bounds():
    with pytest.raises(ValueError, match="start = 200"):
        NeuralRate.random(key=jax.random.key(0), start=200.0)
