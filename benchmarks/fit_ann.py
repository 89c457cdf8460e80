"""Populations of spiking neurons with a linear read-out, fitted to the logits of a multilayer perceptron that reads handwritten digits.

    python -m benchmarks.fit_ann [--seeds N] [--steps N] [--size N] [--students hh,frozen,lif,exact] [--rates]

Digits of scikit-learn (8 by 8 pixels, Alpaydin and Kaynak 1998), 1437 to train and 360 held out, another split for each seed. Pixels drive each neuron by weights of its own as a
constant current for 15 ms. The read-out is found in closed form first, then everything is trained by Adam on minibatches. Students have the same size, batches and
number of steps; `hh` trains the factors of its gates too (one of each for each neuron), `frozen` does not. Prints a table.
"""

import argparse
import dataclasses
import time

import numpy as np

import neurodyn as nd


BATCH = 64
RATE = 0.1
OWN = 0.1  # what a neuron has of its own is trained so much more slowly than its weights
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

    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))
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
    """A kind of neuron: where it starts, mean and spread of its current, what of it is trained, and how it is run and read."""

    neuron: nd.AbstractNeuron
    drive: float
    spread: float
    own: tuple[str, ...]
    options: dict


def student(kind: str) -> Student:
    common = {"duration": 15.0, "tau": 5.0}
    if kind in ("hh", "frozen"):
        own = GATES if kind == "hh" else ()
        # So soft that the voltage below threshold counts a little: a unit without spikes has a gradient.
        options = common | {"level": -50.0, "softness": 15.0, "keep": 0.9, "method": nd.FixedStep(0.1)}
        return Student(nd.HodgkinHuxley(), 8.0, 15.0, own, options)
    reset = nd.Surrogate() if kind == "lif" else nd.ExactReset()
    options = common | {"method": nd.FixedStep(0.1, reset=reset)}
    return Student(nd.LIF(tau=10.0), 2.0, 2.5, ("tau", "refractory"), options)  # rheobase 1.5 nA


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Held-out accuracies (percent) with the read-out alone fitted and in the end, mean squared error of the held-out logits in units of their variance, smallest and largest of
    what each neuron has of its own, in units of where it started, and seconds, compilation included."""

    first: float
    last: float
    error: float
    own: tuple[float, float]
    seconds: float


def fit_student(
    kind: str, data: Data, logits: np.ndarray, unseen: np.ndarray, size: int, steps: int, seed: int
) -> Outcome:
    """One student, fitted to the teacher's `logits`."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from neurodyn._parameter import parameters, replace_leaves
    from neurodyn.ann import Population, Readout

    s, begun = student(kind), time.perf_counter()
    x, targets, unit = jnp.asarray(data.x), jnp.asarray(logits / logits.std()), logits.std()
    key = jax.random.key(100 + seed)
    start = Population.random(s.neuron, size, 64, 10, key=key, drive=s.drive, spread=s.spread, own=s.own, **s.options)
    run, ridge = jax.jit(lambda p, x: p(x)), jax.jit(lambda p, penalty: p.with_ridge(x, targets, penalty))
    start = ridge(start, 1e-2)
    own = {path: parameters(start.neurons)[path].value for path in s.own}

    def place(theta):
        """The population at a point whose unit in each direction is a sensible change."""
        neurons = replace_leaves(start.neurons, {path: own[path] * jnp.exp(OWN * theta["own"][path]) for path in own})
        weights = start.weights + s.spread / 8 * theta["weights"]
        bias = start.bias + s.spread * theta["bias"]
        readout = Readout(start.readout.weights + theta["readout"], start.readout.bias + theta["level"])
        return eqx.tree_at(
            lambda p: (p.neurons, p.weights, p.bias, p.readout), start, (neurons, weights, bias, readout)
        )

    parts = {
        "weights": start.weights,
        "bias": start.bias,
        "readout": start.readout.weights,
        "level": start.readout.bias,
    }
    theta = jax.tree_util.tree_map(jnp.zeros_like, parts | {"own": own})
    theta = train(lambda theta, x, y: jnp.mean((place(theta)(x) - y) ** 2), theta, (x, targets), steps, RATE, seed)
    end = ridge(place(theta), 1e-4)
    first, last = (np.asarray(run(p, jnp.asarray(data.unseen))) for p in (start, end))
    seconds = time.perf_counter() - begun
    factors = np.exp(OWN * np.concatenate([np.zeros(1), *map(np.asarray, theta["own"].values())]))
    error = float(np.mean((last - unseen / unit) ** 2) / np.var(unseen / unit))
    scores = (accuracy(out, data.unseen_labels) for out in (first, last))
    return Outcome(*scores, error, (float(factors.min()), float(factors.max())), seconds)


def clamp_family(model: nd.AbstractNeuron, noise: float, seed: int) -> list:
    """Currents at levels from -100 to 50 mV with white noise (uA/cm2): after rest and before a step to 20 mV, whose onset shows where the gate was, and after 20 mV."""
    import jax.numpy as jnp

    generator, family = np.random.default_rng(seed), []
    for level in np.arange(-100.0, 51.0, 10.0):
        before = nd.Step(-65.0) + nd.Step(level + 65.0, 1.0, 21.0) + nd.Step(85.0, 21.0)
        after = nd.Step(-65.0) + nd.Step(85.0, 1.0, 9.0) + nd.Step(level + 65.0, 9.0, 29.0)
        for command in (before, after):
            clean = nd.fitting.CurrentTrace(command, np.zeros(146), 0.2).simulate(model)
            current = clean + noise * jnp.asarray(generator.standard_normal(146))
            family.append(nd.fitting.CurrentTrace(command, current, 0.2, noise=noise, blank=0.3))
    return family


def fit_rates(seed: int) -> str:
    """Both rates of the potassium gate as networks, from a voltage-clamp family: errors of steady state and time constant at the voltages that the true neuron visits under a noisy
    current."""
    import equinox as eqx
    import jax
    import optax

    from neurodyn.kinetics.neural import NeuralRate

    true, steps = nd.HodgkinHuxley(), 400
    rates = tuple(NeuralRate.random(key=k, start=0.1, high=10.0) for k in jax.random.split(jax.random.key(seed)))
    unknown = eqx.tree_at(lambda m: (m.k.n.alpha, m.k.n.beta), true, rates)
    options = dict(steps=steps, starts=1, polish=80, check_rank=False, key=jax.random.key(seed))
    out = nd.fit(
        unknown,
        clamp_family(true, 2.0, seed),
        trainable=["k.n.alpha.*", "k.n.beta.*"],
        optimiser=optax.adam(optax.cosine_decay_schedule(0.1, steps)),
        **options,
    )
    noisy = nd.OrnsteinUhlenbeck(10.0, 12.0, 3.0, 1000.0, dt=0.1, key=jax.random.key(99))
    visited = nd.simulate(true, noisy, 1000.0, every=4).v

    def curves(model):
        opening, total = jax.vmap(lambda v: model.k.n.rates(v, model.temperature))(visited)
        return np.asarray([opening / total, 1 / total])

    wrong = 100 * np.abs(curves(out.model) / curves(true) - 1)
    mean, most = wrong.mean(axis=1), np.percentile(wrong, 99, axis=1)
    return f"| {seed} | {mean[0]:.2f} | {most[0]:.2f} | {mean[1]:.2f} | {most[1]:.2f} | {out.seconds:.0f} |"


def main_rates(seeds: int) -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    print(
        "| seed | steady state: mean error % | 99th percentile | time constant: mean error % | 99th percentile | s |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for seed in range(seeds):
        print(fit_rates(seed), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--students", default="hh,frozen,lif")
    parser.add_argument("--rates", action="store_true", help="fit rates of a gate that are networks instead")
    given = parser.parse_args()
    nd.configure_cpu()
    if given.rates:
        return main_rates(given.seeds)
    kinds, table = given.students.split(","), {}
    print(
        "| student | seed | read-out alone % | trained % | teacher % | error of logits | own factors | s |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    for seed in range(given.seeds):
        data = digits(seed)
        logits, unseen = perceptron(data, given.size, seed)
        teacher = accuracy(unseen, data.unseen_labels)
        for kind in kinds:
            out = fit_student(kind, data, logits, unseen, given.size, given.steps, seed)
            table.setdefault(kind, []).append((out.last - teacher, out.last, out.error, out.seconds))
            row = f"| {kind} | {seed} | {out.first:.1f} | {out.last:.1f} | {teacher:.1f} | {out.error:.4f}"
            print(f"{row} | {out.own[0]:.2f} to {out.own[1]:.2f} | {out.seconds:.0f} |", flush=True)
    for kind, rows in table.items():
        behind, score, error, seconds = np.mean(rows, axis=0)
        print(
            f"{kind}: {score:.2f} %, {behind:+.2f} points from its teacher, error of logits {error:.4f}, {seconds:.0f} s (means of {given.seeds} seeds)"
        )
    if {"hh", "frozen"} <= set(table):
        paired = np.asarray(table["hh"])[:, 1:3] - np.asarray(table["frozen"])[:, 1:3]
        (score, error), spread = (
            paired.mean(axis=0),
            paired.std(axis=0, ddof=1) / np.sqrt(len(paired)) if len(paired) > 1 else (np.nan,) * 2,
        )
        print(
            f"gates learned against frozen: {score:+.2f} +- {spread[0]:.2f} points, error of logits {error:+.4f} +- {spread[1]:.4f}"
        )


if __name__ == "__main__":
    main()
