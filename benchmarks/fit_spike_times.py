"""Hidden Hodgkin-Huxley neurons from their spike times, against the tools people use today.

    python -m benchmarks.fit_spike_times [--jitter MS] [--neurons N] [--alone]

Twenty neurons with ten unknowns each; the targets come from the adaptive path, not from the solver that fits. Prints a table; see RESULTS.md.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn._parameter import parameters, replace_leaves
from neurodyn.cli.demo import DETECTION, SHIFTS, textbook


DURATION = 1000.0  # ms
FACTORS = ("na.g", "k.g", "leak.g", "capacitance", "na.m.factor", "na.h.factor", "k.n.factor")
TRAINABLE = (*FACTORS, *SHIFTS)
FEWEST = 5  # spikes that a neuron has to have to count as firing


@dataclasses.dataclass(frozen=True)
class Case:
    """A hidden neuron, its spikes under a known current, and those under one no fit sees."""

    seed: int
    truth: dict[str, float]
    stimulus: nd.AbstractStimulus
    spikes: np.ndarray
    unseen_stimulus: nd.AbstractStimulus
    unseen_spikes: np.ndarray


def bounds() -> dict[str, tuple[float, float]]:
    """Where the search looks: a little beyond where the truth may be."""
    start = parameters(textbook())
    return {p: (0.4 * float(start[p].value), 1.8 * float(start[p].value)) for p in FACTORS} | dict.fromkeys(
        SHIFTS, (-10.0, 10.0)
    )


@jax.jit
def _accurate(model, stimulus):
    run = nd.simulate(model, stimulus, DURATION, method=nd.Adaptive(1e-9, 1e-9, max_steps=4_000_000))
    return run.spikes.times, run.status


def finite(times) -> np.ndarray:
    times = np.asarray(times)
    return times[np.isfinite(times)]


def cases(count: int):
    """The first `count` neurons that fire: factors within 50 %, shifts within 8 mV of the textbook's, uniform."""
    seed = 0
    start = parameters(textbook())
    while count:
        hide, seen, unseen = jax.random.split(jax.random.key(seed), 3)
        u = np.asarray(jax.random.uniform(hide, (len(TRAINABLE),), minval=-1.0, maxval=1.0))
        truth = {
            p: float(8 * x if p in SHIFTS else start[p].value * (1 + 0.5 * x))
            for p, x in zip(TRAINABLE, u, strict=True)
        }
        hidden = nd.replace(textbook(), truth)
        drives = [nd.OrnsteinUhlenbeck(12.0, 16.0, 5.0, DURATION, dt=0.1, key=k) for k in (seen, unseen)]
        runs = [_accurate(hidden, drive) for drive in drives]
        assert all(int(status) == nd.Status.ok for _, status in runs), f"the reference run of neuron {seed} failed"
        trains = [finite(times) for times, _ in runs]
        seed += 1
        if min(len(train) for train in trains) >= FEWEST:
            count -= 1
            yield Case(seed - 1, truth, drives[0], trains[0], drives[1], trains[1])


@jax.jit
def _quick(model, stimulus):
    return nd.simulate(model, stimulus, DURATION).spikes.times


def score(case: Case, model) -> float:
    """Coincidence factor (2 ms) on the unseen stimulus."""
    return nd.analysis.coincidence_factor(case.unseen_spikes, finite(_quick(model, case.unseen_stimulus)), DURATION)


def objective(case: Case, jitter: float, **options) -> nd.fitting.SpikeTrain:
    spikes = case.spikes
    if jitter:
        spikes = spikes + jitter * np.random.default_rng(case.seed).standard_normal(spikes.size)
    return nd.fitting.SpikeTrain(case.stimulus, np.clip(spikes, 0, DURATION), DURATION, level=DETECTION, **options)


def common() -> dict:
    return dict(trainable=TRAINABLE, bounds=bounds(), check_rank=False)


def ours(case: Case, jitter: float) -> nd.FitResult:
    """Screened starts, descent, least squares on matched spike times; other starts where that was not enough."""
    target = objective(case, jitter)
    good = max(2e-6, 2 * (jitter / target.reach) ** 2)  # 7 us, or what jitter leaves
    return nd.fit(
        textbook(),
        target,
        key=jax.random.key(1000 + case.seed),
        steps=150,
        starts=32,
        candidates=512,
        halvings=1,
        polish=60,
        polish_starts=16,
        attempts=4,
        stop_below=good,
        **common(),
    )


def adam(case: Case, jitter: float, passes: float) -> nd.FitResult:
    """The same starts and objective, gradient descent alone, for as many simulated neurons as `ours` took."""
    steps = max(30, round(passes / (32 * GRADIENT)))
    return nd.fit(textbook(), objective(case, jitter), key=jax.random.key(1000 + case.seed), steps=steps, **common())


def cma(case: Case, jitter: float, passes: float) -> nd.FitResult:
    """CMA-ES on the exact loss of `ours`, begun at the best of 512 points, for as many simulated neurons."""
    generations = max(10, round((passes - 512) / 32))
    options = dict(steps=0, starts=32, candidates=512, evolution=generations)
    return nd.fit(textbook(), objective(case, jitter), key=jax.random.key(1000 + case.seed), **options, **common())


GRADIENT = 5  # simulations that one gradient counts for
JACOBIAN = (
    10  # one forward pass and ten tangents, half a pass each in one program; generous to the others if they are dearer
)


def simulations(result: nd.FitResult) -> float:
    """How many runs of one neuron a fit has made, a gradient counted as five."""
    total = 0.0
    for name, history in result.phases.items():
        points = np.isfinite(history.loss).sum()
        if name.startswith("descent"):
            total += GRADIENT * points
        elif name.startswith("polish"):
            changed = np.diff(history.loss, axis=0, prepend=np.nan) != 0  # until its last change a point was under way
            under_way = sum(int(np.flatnonzero(column).max()) + 1 for column in changed.T)
            total += (1 + JACOBIAN * 0.5 + 8) * under_way  # a Jacobian, four curvatures, four losses
        else:
            total += points
    return total


def in_standard_deviations(case: Case, result: nd.FitResult, jitter: float) -> dict[str, float]:
    """Errors of the parameters in Cramer-Rao standard deviations at the truth for spike times known to `jitter` ms."""
    truth = {path: jnp.asarray(case.truth[path]) for path in TRAINABLE}
    times = jax.jit(jax.jacfwd(lambda values: _quick(replace_leaves(textbook(), values), case.stimulus)))(truth)
    jacobian = np.stack([np.asarray(times[path]) for path in TRAINABLE], axis=1)
    jacobian = jacobian[np.isfinite(jacobian).all(axis=1)]
    deviation = np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian / jitter**2)))
    fitted = {p.path: float(p.after) for p in result.parameters}
    return {path: (fitted[path] - case.truth[path]) / sd for path, sd in zip(TRAINABLE, deviation, strict=True)} | {
        "relative sd of na.g": float(deviation[0] / case.truth["na.g"])
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jitter", type=float, default=0.0, help="ms of normal noise on every target spike")
    parser.add_argument("--neurons", type=int, default=20)
    parser.add_argument("--alone", action="store_true", help="without the comparison")
    given = parser.parse_args()
    methods = {"ours": ours} if given.alone else {"ours": ours, "adam": adam, "cma": cma}
    scores, seconds = {name: [] for name in methods}, {name: [] for name in methods}
    heads = "".join(f" {name}: coincidence | s |" for name in methods)
    print(f"| neuron | spikes |{heads} largest error in Cramer-Rao sd | sd of na.g |")
    print("|---" * (4 + 2 * len(methods)) + "|")
    for case in cases(given.neurons):
        cells, passes, errors = "", 0.0, {}
        for name, method in methods.items():
            began = time.monotonic()
            result = method(case, given.jitter) if name == "ours" else method(case, given.jitter, passes)
            seconds[name].append(time.monotonic() - began)
            scores[name].append(score(case, result.model))
            if name == "ours":
                passes = simulations(result)
                errors = in_standard_deviations(case, result, given.jitter or 0.1)
            cells += f" {scores[name][-1]:.3f} | {seconds[name][-1]:.0f} |"
        spread = errors.pop("relative sd of na.g")
        largest = max(errors, key=lambda path: abs(errors[path]))
        print(
            f"| {case.seed} | {case.spikes.size} |{cells} {errors[largest]:.2g} ({largest}) | {spread:.0%} |",
            flush=True,
        )
    print()
    for name in methods:
        s, t = np.array(scores[name]), np.array(seconds[name])
        low, middle, high = np.percentile(s, [10, 50, 90])
        print(
            f"{name}: {np.sum(s >= 0.95)} of {s.size} at 0.95 or more; median {middle:.3f} (10 % {low:.3f}, 90 % {high:.3f}); "
            f"{np.median(t):.0f} s ({t.min():.0f} to {t.max():.0f})"
        )


if __name__ == "__main__":
    nd.configure_cpu(devices=2)
    jax.config.update("jax_enable_x64", True)
    main()
