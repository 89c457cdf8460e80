"""Hidden Hodgkin-Huxley neurons from their spike times, against the tools people use today.

    python -m benchmarks.fit_spike_times [--neurons N] [--jitter MS] [--tables exact,jitter,others] [--write]

Twenty neurons with ten unknowns each; the targets come from the adaptive path, not from the solver that fits. Prints tables; see RESULTS.md.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn._parameter import parameters, replace_leaves
from neurodyn.cli.demo import DETECTION, SHIFTS, textbook

from .results import part


DURATION = 1000.0  # ms
FACTORS = ("na.g", "k.g", "leak.g", "capacitance", "na.m.factor", "na.h.factor", "k.n.factor")
TRAINABLE = (*FACTORS, *SHIFTS)
ENOUGH = 0.95
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
    """Screened starts, descent, least squares on matched spike times; other starts where that was not enough. Where the spike times have jitter, each parameter is as uncertain
    beforehand as its bounds say: else a neuron may end far off along a direction of which these spikes say nothing."""
    target = objective(case, jitter)
    unit = jitter / target.reach  # what jitter leaves of a residual
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
        attempts=ATTEMPTS,
        stop_below=max(2e-6, 2 * unit**2),  # 7 us, or what jitter and bounds leave
        box_prior=unit / (UNIFORM * case.spikes.size**0.5),
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


ATTEMPTS = 4
UNIFORM = 3**-0.5  # standard deviation of a uniform number between -1 and 1
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


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Of one fit: coincidence on the unseen stimulus, seconds with compilation, neurons simulated."""

    score: float
    seconds: float
    passes: float
    result: nd.FitResult

    @classmethod
    def of(cls, case: Case, fit: Callable[[], nd.FitResult]) -> "Outcome":
        began = time.monotonic()
        result = fit()
        return cls(score(case, result.model), time.monotonic() - began, simulations(result), result)


def summary(name: str, outcomes: Sequence[Outcome]) -> str:
    scores, seconds = (np.array([getattr(x, field) for x in outcomes]) for field in ("score", "seconds"))
    low, middle, high = np.percentile(scores, [10, 50, 90])
    return (
        f"{name}: {np.sum(scores >= ENOUGH)} of {scores.size} at {ENOUGH} or more; median {middle:.3f} (10 % {low:.3f}, 90 % {high:.3f}); "
        f"{np.median(seconds):.0f} s ({seconds.min():.0f} to {seconds.max():.0f})"
    )


def fit_alone(every: Sequence[Case], jitter: float, say: Callable[[str], None]) -> list[Outcome]:
    """The table of `ours` for one jitter."""
    say("| neuron | spikes | coincidence | s | neurons simulated | largest error, in Cramer-Rao sd | sd of na.g |")
    say("|--:|--:|--:|--:|--:|---|--:|")
    outcomes = []
    for case in every:
        outcomes.append(x := Outcome.of(case, lambda case=case: ours(case, jitter)))
        errors = in_standard_deviations(case, x.result, jitter or 0.1)
        spread = errors.pop("relative sd of na.g")
        largest = max(errors, key=lambda path: abs(errors[path]))
        say(
            f"| {case.seed} | {case.spikes.size} | {x.score:.3f} | {x.seconds:.0f} | {x.passes:.0f} | {errors[largest]:.2g} ({largest}) | {spread:.0%} |"
        )
    say("\n" + summary("ours", outcomes))
    return outcomes


def compare(every: Sequence[Case], own: Sequence[Outcome], say: Callable[[str], None]) -> None:
    """The table of the alternatives, each with as many simulated neurons as `own` took."""
    say("| neuron | ours | Adam | CMA-ES | s: ours | Adam | CMA-ES |")
    say("|--:|--:|--:|--:|--:|--:|--:|")
    others: dict[str, list[Outcome]] = {"Adam": [], "CMA-ES": []}
    for case, mine in zip(every, own, strict=True):
        for name, method in (("Adam", adam), ("CMA-ES", cma)):
            others[name].append(Outcome.of(case, lambda m=method, c=case, p=mine.passes: m(c, 0.0, p)))
        row = [mine, *(outcomes[-1] for outcomes in others.values())]
        say(
            f"| {case.seed} | {' | '.join(f'{x.score:.3f}' for x in row)} | {' | '.join(f'{x.seconds:.0f}' for x in row)} |"
        )
    say("")
    for name, outcomes in (("ours", own), *others.items()):
        say(summary(name, outcomes) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_spike_times", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--jitter", type=float, default=0.1, help="ms of normal noise on every target spike, in the second table"
    )
    parser.add_argument("--neurons", type=int, default=20)
    parser.add_argument("--tables", default="exact,jitter,others", help="those wanted")
    parser.add_argument("--write", action="store_true", help="the part of RESULTS.md")
    given = parser.parse_args()
    nd.configure_cpu(devices=2)
    jax.config.update("jax_enable_x64", True)
    wanted = given.tables.split(",")
    every = list(cases(given.neurons))
    with part("Fits to spike times", given.write) as say:
        say(INTRODUCTION)
        own = []
        if "exact" in wanted or "others" in wanted:
            say("\n## Exact spike times\n")
            say(
                f"Asked for: {ENOUGH} for at least 19 of 20, in 30 s. Errors are in the standard deviations that spike times known to 0.1 ms would leave.\n"
            )
            own = fit_alone(every, 0.0, say)
        if "jitter" in wanted:
            say(f"\n## Spike times with {given.jitter:g} ms of noise\n")
            say(JITTER)
            fit_alone(every, given.jitter, say)
        if "others" in wanted:
            say("\n## Against Adam alone and CMA-ES\n")
            say(OTHERS)
            compare(every, own, say)


INTRODUCTION = """Hidden Hodgkin-Huxley neurons that fire, ten unknowns each: three conductances, the capacitance, and of each gate a factor on its rates and a shift (conductances, capacitance and
factors within 50 % of the textbook's, shifts within 8 mV). The target is the spike times under 1 s of noisy current, made by the adaptive path at rtol 1e-9; the fits run on steps of 0.025 ms.
Counted is the coincidence factor (2 ms) on another second of current, which no fit sees. Two cores, float64, compilation included."""
JITTER = """The same with noise on every target, and a weak prior as wide as the bounds. The last two columns say what can be known: errors in Cramer-Rao standard deviations, and that of the sodium
conductance relative to its value.
"""
OTHERS = """Adam: the same starts and smooth distance, no screening and no least squares. CMA-ES: on the exact distances, 32 points a generation, begun at the best of 512. Each gets as many simulated
neurons as ours took, a gradient counted as five.
"""


if __name__ == "__main__":
    main()
