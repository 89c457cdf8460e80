"""Populations of spiking neurons with a linear read-out, fitted to the logits of a multilayer perceptron that reads handwritten digits.

    python -m benchmarks.fit_ann [--seeds N] [--steps N] [--size N] [--students hh,frozen,lif,exact]

Digits of scikit-learn (8 by 8 pixels, Alpaydin and Kaynak 1998), 1437 to train and 360 held out, another split for each seed. Pixels drive each neuron by weights of its own as a
constant current for 25 ms. The read-out is found in closed form first, then everything is trained by Adam on minibatches. Students have the same size, batches and
number of steps; `hh` trains the factors of its gates too (one of each for each neuron), `frozen` does not. Prints a table.
"""

import argparse
import dataclasses
import time

import numpy as np

import neurodyn as nd


BATCH = 64
CLIP = 1.0
HH = (8.0, 10.0)
OPTIONS = {}
OWN = 0.2
GATES = ("na.m.factor", "na.h.factor", "k.n.factor")


@dataclasses.dataclass(frozen=True)
class Data:
    """Pixels, normalised, and labels; training and held out."""

    x: np.ndarray
    labels: np.ndarray
    unseen: np.ndarray
    unseen_labels: np.ndarray


def digits(seed: int) -> Data:
    """The split of one seed, the same shares of each digit in both parts."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, labels = load_digits(return_X_y=True)
    seen, unseen, a, b = train_test_split(x, labels, test_size=360, random_state=seed, stratify=labels)
    mean, spread = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1.0)  # of 16 shades of grey
    return Data(
        *(np.asarray((p - mean) / spread, np.float32) for p in (seen,)),
        a,
        np.asarray((unseen - mean) / spread, np.float32),
        b,
    )


def minibatches(count: int, steps: int, seed: int) -> np.ndarray:
    """Indices of shape (steps, BATCH), each sample as often as any other."""
    generator = np.random.default_rng(seed)
    epochs = -(-steps * BATCH // count)
    return np.concatenate([generator.permutation(count) for _ in range(epochs)])[: steps * BATCH].reshape(steps, BATCH)


def train(loss, theta, arrays, steps: int, rate: float, seed: int):
    """Adam with a rate that falls to zero on `loss(theta, *minibatch)`. Returns where it ends."""
    import jax
    import jax.numpy as jnp
    import optax

    optimiser = optax.chain(optax.clip_by_global_norm(CLIP), optax.adam(optax.cosine_decay_schedule(rate, steps)))
    arrays = [jnp.asarray(a) for a in arrays]

    @jax.jit
    def step(theta, state, rows):
        gradient = jax.grad(loss)(theta, *(a[rows] for a in arrays))
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(theta, updates), state

    state = optimiser.init(theta)
    for rows in minibatches(arrays[0].shape[0], steps, seed):
        theta, state = step(theta, state, rows)
    return jax.block_until_ready(theta)


def accuracy(logits, labels) -> float:
    """In percent."""
    return 100 * float(np.mean(np.argmax(np.asarray(logits), axis=1) == labels))


def perceptron(data: Data, size: int, seed: int):
    """The teacher: one hidden layer of as many units as a student has neurons."""
    import equinox as eqx
    import jax
    import optax

    parameters, static = eqx.partition(eqx.nn.MLP(64, 10, size, 1, key=jax.random.key(seed)), eqx.is_array)

    def logits(theta, x):
        return jax.vmap(eqx.combine(theta, static))(x)

    def loss(theta, x, labels):
        return optax.softmax_cross_entropy_with_integer_labels(logits(theta, x), labels).mean()

    theta = train(loss, parameters, (data.x, data.labels), 1000, 3e-3, seed)
    return np.asarray(logits(theta, data.x)), np.asarray(logits(theta, data.unseen))


@dataclasses.dataclass(frozen=True)
class Student:
    """A kind of neuron: where it starts, what of it is trained, and by which factor a unit of its current differs."""

    neuron: nd.AbstractNeuron
    drive: float
    spread: float
    own: tuple[str, ...]
    method: nd.FixedStep


def student(kind: str) -> Student:
    import jax.numpy as jnp  # noqa: F401

    if kind in ("hh", "frozen"):
        return Student(nd.HodgkinHuxley(), *HH, GATES if kind == "hh" else (), nd.FixedStep(0.1))
    reset = nd.Surrogate() if kind == "lif" else nd.ExactReset()
    lif = nd.LIF(tau=10.0)  # rheobase 1.5 nA
    return Student(lif, 2.0, 2.5, ("tau", "refractory"), nd.FixedStep(0.1, reset=reset))


def fit_student(kind: str, data: Data, logits: np.ndarray, size: int, steps: int, rate: float, seed: int):
    """Held-out logits by ridge alone and in the end, the held-out error, and seconds (first step, compilation, included)."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from neurodyn._parameter import parameters, replace_leaves
    from neurodyn.ann import Population, Readout

    s = student(kind)
    unit = float(logits.std())
    targets = logits / unit
    start = Population.random(
        s.neuron,
        size,
        64,
        10,
        key=jax.random.key(100 + seed),
        drive=s.drive,
        spread=s.spread,
        own=s.own,
        method=s.method, **OPTIONS,
    )
    run = jax.jit(lambda p, x: p(x))
    begun = time.perf_counter()
    start = jax.jit(lambda p, x, y: p.with_ridge(x, y, 1e-2))(start, jnp.asarray(data.x), jnp.asarray(targets))
    first = run(start, jnp.asarray(data.unseen))
    own = {path: parameters(start.neurons)[path].value for path in s.own}

    def place(theta):
        neurons = replace_leaves(start.neurons, {path: own[path] * jnp.exp(OWN * theta["own"][path]) for path in own})
        weights = start.weights + s.spread / 8 * theta["weights"]
        bias = start.bias + s.spread * theta["bias"]
        readout = Readout(start.readout.weights + theta["readout"], start.readout.bias + theta["level"])
        return eqx.tree_at(
            lambda p: (p.neurons, p.weights, p.bias, p.readout), start, (neurons, weights, bias, readout)
        )

    zero = {
        "weights": start.weights,
        "bias": start.bias,
        "readout": start.readout.weights,
        "level": start.readout.bias,
        "own": own,
    }
    theta = jax.tree_util.tree_map(jnp.zeros_like, zero)

    def loss(theta, x, y):
        return jnp.mean((place(theta)(x) - y) ** 2)

    global LAST
    LAST = lambda th: float(np.mean((np.asarray(run(place(th), jnp.asarray(data.x))) - targets) ** 2))
    theta = train(loss, theta, (data.x, targets), steps, rate, seed)
    seconds = time.perf_counter() - begun
    out = np.asarray(run(place(theta), jnp.asarray(data.unseen)))
    return np.asarray(first), out, theta, seconds
