"""Hidden Hodgkin-Huxley neurons from their spike times, against the tools people use today.

    python -m benchmarks.fit_spike_times [--jitter MS] [--seeds N] [--methods ours,adam,cma]

Twenty neurons with ten unknowns each; the targets come from the adaptive path, not from the solver that fits. Prints a table; see RESULTS.md.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn._parameter import parameters


DURATION = 1000.0  # ms
DETECTION = -20.0  # mV; under a strong drive the membrane's action potentials peak around 0 mV, its usual level
FACTORS = ("na.g", "k.g", "leak.g", "capacitance", "na.m.factor", "na.h.factor", "k.n.factor")
SHIFTS = ("na.m.shift", "na.h.shift", "k.n.shift")
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


def textbook() -> nd.HodgkinHuxley:
    return nd.HodgkinHuxley(detection=DETECTION)


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


def ours(case: Case, jitter: float, **options):
    settings = dict(steps=150, starts=32, polish=40, polish_starts=16) | options
    return nd.fit(
        textbook(),
        objective(case, jitter),
        trainable=TRAINABLE,
        bounds=bounds(),
        key=jax.random.key(1000 + case.seed),
        check_rank=False,
        **settings,
    )
