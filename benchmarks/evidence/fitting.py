"""What can be fitted, and what fits recover."""

import os
import statistics
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn.cli import demo

from .. import fit_recording
from .registry import claim, precision


# Identifiability ----------------------------------------------------------------------------------------------------------------


CHANNELS = ("capacitance", "na.g", "na.e", "k.g", "k.e", "leak.g", "leak.e")
RATES = tuple(
    f"{gate}.{rate}.{constant}"
    for gate in ("na.m", "na.h", "k.n")
    for rate in ("alpha", "beta")
    for constant in ("rate", "midpoint", "scale")
)
RANK_SOURCE = "five degeneracies: rate and midpoint of each of the three exponential rates; a common factor of all rates; area, C and all g"


@claim(
    "fitting",
    "Rank of a voltage trace by HH's 27 constants (7 of the membrane, 18 of the rates, temperature factor, area)",
    "22",
    RANK_SOURCE,
)
def rank_27():
    with precision("float64"):
        model, duration = nd.HodgkinHuxley(), 200.0
        noise = nd.OrnsteinUhlenbeck(10.0, 10.0, 5.0, duration, dt=0.1, key=jax.random.key(0))
        paths = (*CHANNELS, *RATES)
        values = {path: _leaf(model, path) for path in paths}
        values |= {"temperature factor": jnp.asarray(1.0), "area": jnp.asarray(1.0)}

        def trace(values):
            changed = nd.replace(
                model, {path: values[path] for path in paths} | {"*.*.factor": values["temperature factor"]}
            )
            return nd.simulate(changed, noise * (1 / values["area"]), duration, every=4, max_spikes=0).v

        jacobian = jax.jit(jax.jacfwd(trace))(values)
        columns = np.stack(
            [np.asarray(jacobian[name]) * max(abs(float(x)), 1e-12) for name, x in values.items()], axis=1
        )
        singular = np.linalg.svd(columns, compute_uv=False)
    relative = singular / singular[0]
    rank = int((relative > 1e-9).sum())
    gap = (
        f"singular values {rank} and {rank + 1}: {relative[rank - 1]:.0e}, {relative[min(rank, 26)]:.0e} of the largest"
    )
    return f"{rank} of {len(values)} ({gap})", rank == 22


@claim(
    "fitting",
    "The rank that `nd.fit` reports before it starts, of the 25 of them that are leaves and the temperature",
    "22 of 26",
    RANK_SOURCE,
)
def rank_of_fit():
    with precision("float64"):
        duration = 200.0
        noise = nd.OrnsteinUhlenbeck(10.0, 10.0, 5.0, duration, dt=0.1, key=jax.random.key(0))
        model = nd.HodgkinHuxley()
        run = nd.simulate(model, noise, duration, every=4, max_spikes=0)
        objective = nd.fitting.VoltageTrace(noise, run.v, 0.1, substeps=4)
        trainable = (*CHANNELS, *RATES, "temperature")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of the null directions, which are the point here
            rank = nd.fit(model, objective, trainable=trainable, key=jax.random.key(0), steps=1, starts=1).rank
    named = "; ".join(" ".join(f"{path} {share:+.2f}" for path, share in d.items()) for d in rank.null_directions)
    details = f"Null directions of that report, in the fit's own units: {named}."
    return f"{rank.rank} of {rank.size}", (rank.rank, rank.size) == (22, 26), details


def _leaf(model, path):
    for name in path.split("."):
        model = getattr(model, name)
    return model


# Hidden neurons -----------------------------------------------------------------------------------------------------------------


NEURONS = 10
ENOUGH = 0.95


@claim(
    "fitting",
    "Ten hidden HH neurons from 1 s of spike times each (10 parameters, gate factors and shifts among them): coincidence factor >= 0.95 on an unseen stimulus",
    "8 of 10",
    "coincidence factor, 2 ms: Jolivet et al. (2008)",
)
def hidden_neurons():
    count = int(os.environ.get("NEURODYN_EVIDENCE_NEURONS", NEURONS))
    rows, seconds, fitted = [], [], []
    for seed in range(count):
        case = demo.experiment(seed)
        began = time.monotonic()
        result = demo.recover(case)
        seconds.append(time.monotonic() - began)
        fitted.append(demo.score(case, result.model))
        unfitted = demo.score(case, demo.textbook())
        rows.append(f"| {seed} | {len(case.spikes)} | {fitted[-1]:.3f} | {unfitted:.3f} | {seconds[-1]:.0f} |")
        print(f"  hidden neuron {seed}: {fitted[-1]:.3f} (unfitted {unfitted:.3f}), {seconds[-1]:.0f} s", flush=True)
    good = sum(score >= ENOUGH for score in fitted)
    figure = f"{good} of {count}; median {statistics.median(seconds):.0f} s per fit, compilation included"
    table = ["| neuron | spikes | fitted | unfitted | s |", "|---:|---:|---:|---:|---:|", *rows]
    return figure, good >= 8 if count == NEURONS else None, "\n".join(table)


# A recording ----------------------------------------------------------------------------------------------------------------------


@claim(
    "fitting",
    "A real recording, templates.regular_spiking fitted to the first step of each sweep; of the second one, which begins hyperpolarised and is held out: levels with spike counts within one, levels from 100 pA with "
    "a first spike within 15 %, coincidence within 5 ms",
    "10 of 11, 6 of 9, 0.38",
    "171116sh_0018.abf, found through NEURODYN_DATA; the recorded first step predicts the second with a coincidence of 0.47",
)
def recording():
    if not os.environ.get("NEURODYN_DATA"):
        return "not measured: NEURODYN_DATA is not set", None
    found = fit_recording.fitted(fit_recording.read(), "conductance", 0).found
    scores = found.score(found.held_out)
    summary, (near, strong) = scores.summary(), fit_recording.near_latencies(scores)
    figure = (
        f"{summary['counts_within_1']} of {summary['levels']}, {near} of {strong}, {summary['coincidence_5_ms']:.2f}"
    )
    good = summary["counts_within_1"] >= 10 and near >= 6 and summary["coincidence_5_ms"] >= 0.38
    return figure, good, f"```\n{scores!r}\n```"
