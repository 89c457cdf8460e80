"""Populations of spiking neurons with a linear read-out, fitted to the logits of a multilayer perceptron that reads handwritten digits;
and rates of a gate that are networks, fitted to voltage clamps.

    python -m benchmarks.fit_ann [--only digits|rates] [--seeds N] [--validate] [--write]

Settings were chosen with `--validate`, which takes other seeds and sees none of the digits that these hold out.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import neurodyn as nd
from neurodyn._parameter import parameters, replace_leaves
from neurodyn.ann import Population, Readout
from neurodyn.kinetics.neural import NeuralRate

from .results import part


SIZE = 64  # of the teacher's hidden layer, and neurons of a student
STEPS, BATCH, RATE = 2000, 32, 0.05  # of a student's training
NOISE = 0.3  # standard deviation, of that of a pixel
FIRST, FIRST_VALIDATING = 5, 10  # seeds
HELD_OUT = 360
GATES = ("na.m.factor", "na.h.factor", "k.n.factor")
Say = Callable[[str], None]


# --- the task ----------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Data:
    """Pixels, normalised, and labels; training and held out."""

    x: np.ndarray
    labels: np.ndarray
    unseen: np.ndarray
    unseen_labels: np.ndarray


def digits(seed: int, validate: bool) -> Data:
    """The split of one seed, the same shares of each digit in both parts; of its training part once more if to validate."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    def split(x, labels):
        parts = train_test_split(x, labels, test_size=HELD_OUT, random_state=seed, stratify=labels)
        return tuple(np.asarray(p) for p in parts)

    seen, unseen, labels, unseen_labels = split(*load_digits(return_X_y=True))
    if validate:
        seen, unseen, labels, unseen_labels = split(seen, labels)
    mean, spread = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1.0)  # of 16 shades of grey
    x, unseen = (np.asarray((pixels - mean) / spread, np.float32) for pixels in (seen, unseen))
    return Data(x, labels, unseen, unseen_labels)


def minibatches(count: int, steps: int, batch: int, seed: int) -> np.ndarray:
    """Indices of shape (steps, batch), each sample as often as any other."""
    generator = np.random.default_rng(seed)
    epochs = -(-steps * batch // count)
    return np.concatenate([generator.permutation(count) for _ in range(epochs)])[: steps * batch].reshape(steps, batch)


def blurred(x: np.ndarray, seed: int) -> np.ndarray:
    """Minibatches of mixtures of two digits, at least half of one, with noise: a teacher can be asked about any input. Shape (STEPS, BATCH, pixels)."""
    generator = np.random.default_rng(1000 + seed)
    first, second = minibatches(len(x), STEPS, BATCH, seed), generator.integers(len(x), size=(STEPS, BATCH))
    share = generator.uniform(0.0, 0.5, (STEPS, BATCH, 1))
    mixed = (1 - share) * x[first] + share * x[second]
    return np.asarray(mixed + NOISE * generator.standard_normal(mixed.shape), np.float32)


def train(loss, theta, batches, rate: float):
    """Adam with a rate that falls to zero on `loss(theta, *batch)`, one step for each of the arrays' first axis. Returns where it ends."""
    batches = [jnp.asarray(a) for a in batches]
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, len(batches[0])))

    @jax.jit
    def step(theta, state, batch):
        updates, state = optimiser.update(jax.grad(loss)(theta, *batch), state)
        return optax.apply_updates(theta, updates), state

    state = optimiser.init(theta)
    for batch in zip(*batches, strict=True):
        theta, state = step(theta, state, batch)
    return jax.block_until_ready(theta)


def accuracy(logits, labels) -> float:
    """In percent."""
    return 100 * float(np.mean(np.argmax(np.asarray(logits), axis=-1) == labels))


def perceptron(data: Data, seed: int):
    """The teacher, a function from pixels to logits: one hidden layer of as many units as a student has neurons."""
    start, static = eqx.partition(eqx.nn.MLP(64, 10, SIZE, 1, key=jax.random.key(seed)), eqx.is_array)

    def logits(theta, x):
        return jax.vmap(eqx.combine(theta, static))(x)

    def loss(theta, x, labels):
        return optax.softmax_cross_entropy_with_integer_labels(logits(theta, x), labels).mean()

    rows = minibatches(len(data.x), 1000, 64, seed)
    end = train(loss, start, (data.x[rows], data.labels[rows]), 3e-3)
    return lambda x: logits(end, jnp.asarray(x))


# --- the students ------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Student:
    """A kind of neuron: where it starts, mean and spread of its current, what each neuron has of its own, and how it is run and read."""

    neuron: nd.AbstractNeuron
    drive: float
    spread: float
    own: tuple[str, ...]
    options: Mapping

    def start(self, key) -> Population:
        return Population.random(
            self.neuron, SIZE, 64, 10, key=key, drive=self.drive, spread=self.spread, own=self.own, **self.options
        )


def students() -> dict[str, Student]:
    common = {"duration": 15.0, "tau": 12.0}
    # So soft that the voltage below threshold counts a little: a unit without spikes has a gradient.
    smooth = common | {"level": -50.0, "softness": 15.0, "keep": 0.9, "method": nd.FixedStep(0.1)}
    surrogate = common | {"method": nd.FixedStep(0.1, reset=nd.Surrogate(slope=0.25))}
    return {
        "Hodgkin-Huxley": Student(nd.HodgkinHuxley(), 8.0, 15.0, GATES, smooth),
        "Hodgkin-Huxley, gates frozen": Student(nd.HodgkinHuxley(), 8.0, 15.0, (), smooth),
        "LIF": Student(nd.LIF(tau=10.0), 2.0, 2.5, ("tau", "refractory"), surrogate),  # rheobase 1.5 nA
    }


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Held-out accuracy (percent), and that of the teacher; mean squared error of the held-out logits in units of their variance, and
    that at a quarter of the step; smallest and largest of what neurons have of their own, in units of where it started; seconds, compilation included."""

    accuracy: float
    teacher: float
    error: float
    error_finer: float
    own: tuple[float, float]
    seconds: float


def fit_student(student: Student, teacher, data: Data, seed: int) -> Outcome:
    """Read-out in closed form, then everything by Adam, then the read-out once more."""
    begun = time.perf_counter()
    inputs, unit = blurred(data.x, seed), jnp.std(teacher(data.x))
    targets = teacher(inputs.reshape(-1, 64)).reshape(STEPS, BATCH, 10) / unit
    some = slice(4096 // BATCH)
    x, y = jnp.asarray(inputs[some]).reshape(-1, 64), targets[some].reshape(-1, 10)
    ridge = jax.jit(lambda population, penalty: population.with_ridge(x, y, penalty))
    start = ridge(student.start(jax.random.key(100 + seed)), 1e-2)
    own = {path: parameters(start.neurons)[path].value for path in student.own}

    def place(theta) -> Population:
        """The population at a point whose unit in each direction is a sensible change."""
        neurons = replace_leaves(start.neurons, {path: own[path] * jnp.exp(theta["own"][path]) for path in own})
        weights = start.weights + student.spread / 8 * theta["weights"]
        bias = start.bias + student.spread * theta["bias"]
        readout = Readout(start.readout.weights + theta["readout"], start.readout.bias + theta["level"])
        parts = lambda p: (p.neurons, p.weights, p.bias, p.readout)
        return eqx.tree_at(parts, start, (neurons, weights, bias, readout))

    readout = start.readout
    theta = {"weights": start.weights, "bias": start.bias, "readout": readout.weights, "level": readout.bias}
    theta = jax.tree_util.tree_map(jnp.zeros_like, theta | {"own": own})
    theta = train(lambda theta, x, y: jnp.mean((place(theta)(x) - y) ** 2), theta, (inputs, targets), RATE)
    end = ridge(place(theta), 1e-4)
    seconds = time.perf_counter() - begun
    finer = dataclasses.replace(end, method=dataclasses.replace(end.method, dt=end.method.dt / 4))
    unseen = jnp.asarray(data.unseen)
    wanted, run = teacher(unseen) / unit, jax.jit(lambda population: population(unseen))
    outputs = run(end)
    error, error_finer = (float(jnp.mean((o - wanted) ** 2) / jnp.var(wanted)) for o in (outputs, run(finer)))
    score, best = (accuracy(logits, data.unseen_labels) for logits in (outputs, wanted))
    changes = np.exp(np.concatenate([np.zeros(1), *map(np.asarray, theta["own"].values())]))
    return Outcome(score, best, error, error_finer, (float(changes.min()), float(changes.max())), seconds)


HEAD = f"""## Handwritten digits

A perceptron with one hidden layer of {SIZE} units learns the digits of scikit-learn (8 by 8 pixels, Alpaydin and Kaynak 1998; 1437 to train,
{HELD_OUT} held out, another split for each seed). Then {SIZE} spiking neurons with a linear read-out learn its logits, never the labels, at mixtures of two
training digits with noise. Pixels drive each neuron through weights of its own as a constant current for 15 ms; the read-out sees its spikes,
filtered over 12 ms. All students get the same inputs and {STEPS} steps of Adam at the same rate, with a read-out in closed form before and
after. All learn input weights and read-out. Hodgkin-Huxley neurons learn the factors of their three gates too, one of each for each neuron, unless
these are frozen; LIF neurons, by a surrogate gradient, learn time constant and refractory period. Settings were chosen on {HELD_OUT} digits split off the
training digits of other seeds, which other splits may hold out.

Error: mean squared error of the held-out logits in units of their variance. The same population at a quarter of its step of 0.1 ms shows what of it
is of that step. After ± stand standard errors over the seeds.
"""


def paired(differences: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error."""
    d = np.asarray(differences)
    return float(d.mean()), float(d.std(ddof=1) / np.sqrt(len(d))) if len(d) > 1 else float("nan")


def run_digits(say: Say, seeds: Sequence[int], validate: bool) -> None:
    say(HEAD)
    say(
        "| seed | teacher % | student | held out % | error | error at a quarter of the step | own parameters, relative to their start | s |"
    )
    say("|---|---|---|---|---|---|---|---|")
    table: dict[str, list[Outcome]] = {name: [] for name in students()}
    for seed in seeds:
        data = digits(seed, validate)
        teacher = perceptron(data, seed)
        for name, student in students().items():
            out = fit_student(student, teacher, data, seed)
            table[name].append(out)
            row = (
                f"| {seed} | {out.teacher:.1f} | {name} | {out.accuracy:.1f} | {out.error:.4f} | {out.error_finer:.4f}"
            )
            say(f"{row} | {out.own[0]:.2f} to {out.own[1]:.2f} | {out.seconds:.0f} |")
    say(
        "\n| student, means of the seeds | held out % | behind its teacher, points | error | s |\n|---|---|---|---|---|"
    )
    for name, rows in table.items():
        score, error, seconds = (
            np.mean([getattr(r, field) for r in rows]) for field in ("accuracy", "error", "seconds")
        )
        behind, spread = paired([r.teacher - r.accuracy for r in rows])
        say(f"| {name} | {score:.2f} | {behind:.2f} ± {spread:.2f} | {error:.4f} | {seconds:.0f} |")
    learned, frozen, _ = table.values()
    behind, spread = paired([r.teacher - r.accuracy for r in learned])
    say(
        f"\nBar: Hodgkin-Huxley neurons at most 1.5 points behind the teacher: {behind:.2f} ± {spread:.2f}, {verdict(behind <= 1.5)}.\n"
    )
    error, of_error = paired([a.error - b.error for a, b in zip(learned, frozen, strict=True)])
    points, of_points = paired([a.accuracy - b.accuracy for a, b in zip(learned, frozen, strict=True)])
    say("Bar: gates that learn beat frozen ones by more than two standard errors, paired by seed:")
    say(f"error of the logits {error:+.4f} ± {of_error:.4f}, {verdict(error < -2 * of_error)};")
    say(f"held-out accuracy {points:+.2f} ± {of_points:.2f} points, {verdict(points > 2 * of_points)}.\n")


def verdict(holds: bool) -> str:
    return "holds" if holds else "**falls short**"


# --- rates of a gate ---------------------------------------------------------------------------------------------------------------


def clamp_family(model: nd.AbstractNeuron, noise: float, seed: int) -> list:
    """Currents at levels from -100 to 50 mV with white noise (uA/cm2): after rest and before a step to 20 mV, whose onset shows where the gate
    was, and after 20 mV."""
    generator, family = np.random.default_rng(seed), []
    for level in np.arange(-100.0, 51.0, 10.0):
        before = nd.Step(-65.0) + nd.Step(level + 65.0, 1.0, 21.0) + nd.Step(85.0, 21.0)
        after = nd.Step(-65.0) + nd.Step(85.0, 1.0, 9.0) + nd.Step(level + 65.0, 9.0, 29.0)
        for command in (before, after):
            clean = nd.fitting.CurrentTrace(command, np.zeros(146), 0.2).simulate(model)
            current = clean + noise * jnp.asarray(generator.standard_normal(146))
            family.append(nd.fitting.CurrentTrace(command, current, 0.2, noise=noise, blank=0.3))
    return family


def fit_rates(seed: int) -> tuple[np.ndarray, float]:
    """Both rates of the potassium gate as networks. Returns the errors (percent) of steady state and time constant, shape (2, visited voltages), and
    seconds."""
    true, steps = nd.HodgkinHuxley(), 400
    rates = tuple(NeuralRate.random(key=k) for k in jax.random.split(jax.random.key(seed)))
    unknown = eqx.tree_at(lambda m: (m.k.n.alpha, m.k.n.beta), true, rates)
    out = nd.fit(
        unknown,
        clamp_family(true, 2.0, seed),
        trainable=["k.n.alpha.*", "k.n.beta.*"],
        optimiser=optax.adam(optax.cosine_decay_schedule(0.1, steps)),
        steps=steps,
        starts=1,
        polish=80,
        check_rank=False,
        key=jax.random.key(seed),
    )
    noisy = nd.OrnsteinUhlenbeck(10.0, 12.0, 3.0, 1000.0, dt=0.1, key=jax.random.key(99))
    visited = nd.simulate(true, noisy, 1000.0, every=4).v

    def curves(model):
        opening, total = jax.vmap(lambda v: model.k.n.rates(v, model.temperature))(visited)
        return np.asarray([opening / total, 1 / total])

    return 100 * np.abs(curves(out.model) / curves(true) - 1), out.seconds


RATES = """## Rates that are networks

Both rates of the potassium gate of a Hodgkin-Huxley neuron are unknown functions of the voltage, each a network with one hidden layer of 8 units
(`NeuralRate`), fitted to 32 voltage-clamp currents of the true neuron with white noise of 2 uA/cm2; all else is known. Steady state and time constant of
the gate are compared to the true ones at the voltages that the true neuron visits in 1000 ms of a noisy current.

| seed | steady state: mean error % | 99th percentile | time constant: mean error % | 99th percentile | s |
|---|---|---|---|---|---|"""


def run_rates(say: Say, seeds: Sequence[int]) -> None:
    jax.config.update("jax_enable_x64", True)
    say(RATES)
    worst = 0.0
    for seed in seeds:
        errors, seconds = fit_rates(seed)
        mean, most = errors.mean(axis=1), np.percentile(errors, 99, axis=1)
        worst = max(worst, mean.max())
        say(f"| {seed} | {mean[0]:.2f} | {most[0]:.2f} | {mean[1]:.2f} | {most[1]:.2f} | {seconds:.0f} |")
    say(f"\nBar: both mean errors at most 5 % for each seed: the largest is {worst:.2f} %, {verdict(worst <= 5)}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["digits", "rates"], help="one of the two")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--validate", action="store_true", help="digits: other seeds, and held out are 360 of the training digits"
    )
    parser.add_argument("--write", action="store_true", help="put the part into RESULTS.md")
    given = parser.parse_args()
    nd.configure_cpu()
    first = FIRST_VALIDATING if given.validate else FIRST
    seeds = range(first, first + given.seeds)
    with part("Fits to networks", given.write) as say:
        if given.only != "rates":
            run_digits(say, seeds, given.validate)
        if given.only != "digits":
            run_rates(say, seeds)


if __name__ == "__main__":
    main()
