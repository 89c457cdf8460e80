"""The main job on an example the project makes itself: a hidden Hodgkin-Huxley neuron recovered from its spike times."""

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn import _files
from neurodyn._parameter import parameters
from neurodyn.plot.axes import DATA, MODEL


DURATION = 1000.0  # ms
DETECTION = -20.0  # mV; under a strong drive the membrane's action potentials peak around 0 mV, its usual level

#: What is hidden: conductances, capacitance, and the kinetics of every gate.
CONDUCTANCES = ("na.g", "k.g", "leak.g", "capacitance")
FACTORS = ("na.m.factor", "na.h.factor", "k.n.factor")
SHIFTS = ("na.m.shift", "na.h.shift", "k.n.shift")
TRAINABLE = (*CONDUCTANCES, *SHIFTS, *FACTORS)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A hidden neuron, its spikes under a known current, and its spikes under one a fit never sees."""

    hidden: nd.HodgkinHuxley
    truth: dict[str, float]
    stimulus: nd.AbstractStimulus
    spikes: np.ndarray
    unseen_stimulus: nd.AbstractStimulus
    unseen_spikes: np.ndarray
    fit_key: jax.Array


def textbook() -> nd.HodgkinHuxley:
    """The neuron of 1952, where every fit starts."""
    return nd.HodgkinHuxley(detection=DETECTION)


def bounds() -> dict[str, tuple[float, float]]:
    """Where the search looks: a factor of two either way, and shifts of up to 8 mV."""
    start = parameters(textbook())
    limits = {path: (float(start[path].value) / 2, float(start[path].value) * 2) for path in (*CONDUCTANCES, *FACTORS)}
    return limits | dict.fromkeys(SHIFTS, (-8.0, 8.0))


def spike_times(model: nd.AbstractNeuron, stimulus: nd.AbstractStimulus) -> np.ndarray:
    times = np.asarray(nd.simulate(model, stimulus, DURATION).spikes.times)
    return times[np.isfinite(times)]


def experiment(seed: int) -> Experiment:
    """Hidden neuron number `seed`: conductances and rates within about +-40 %, shifts within about +-6 mV of the textbook's; an
    Ornstein-Uhlenbeck current of 12 +- 16 uA/cm2 with a correlation time of 5 ms."""
    hide, seen, unseen, search = jax.random.split(jax.random.key(seed), 4)
    model = textbook()
    start = parameters(model)
    spread = jnp.tanh(0.5 * jax.random.normal(hide, (len(TRAINABLE),)))
    truth = {
        path: float(8 * x if path in SHIFTS else start[path].value * jnp.exp(0.7 * x))
        for path, x in zip(TRAINABLE, spread, strict=True)
    }
    hidden = nd.replace(model, truth)
    stimulus, other = (nd.OrnsteinUhlenbeck(12.0, 16.0, 5.0, DURATION, key=key) for key in (seen, unseen))
    return Experiment(hidden, truth, stimulus, spike_times(hidden, stimulus), other, spike_times(hidden, other), search)


def recover(case: Experiment, progress: bool = False) -> nd.FitResult:
    """Fit the textbook neuron to the hidden one's spike times, which is all the fit gets to know of it."""
    objective = nd.fitting.SpikeTrain(case.stimulus, case.spikes, DURATION, level=DETECTION)
    return nd.fit(
        textbook(),
        objective,
        trainable=TRAINABLE,
        bounds=bounds(),
        key=case.fit_key,
        candidates=512,
        halvings=1,
        polish=60,
        polish_starts=16,
        attempts=3,
        stop_below=2e-6,  # spikes off by 7 us
        progress=progress,
    )


def score(case: Experiment, model: nd.AbstractNeuron) -> float:
    """Coincidence factor (2 ms) with the hidden neuron on the stimulus the fit never saw."""
    return nd.analysis.coincidence_factor(case.unseen_spikes, spike_times(model, case.unseen_stimulus), DURATION)


def figure(case: Experiment, result: nd.FitResult) -> Any:
    """Voltage and spikes on the unseen stimulus, the loss, and the parameters."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(10, 7.5), layout="constrained")
    parts = sheet.subplot_mosaic(
        [["v", "v"], ["raster", "raster"], ["loss", "parameters"]], height_ratios=[3, 1.3, 3.2]
    )
    shown = np.arange(200.0, 500.0, 0.1)
    for name, model, colour in (("hidden", case.hidden, DATA), ("fitted", result.model, MODEL)):
        run = nd.simulate(model, case.unseen_stimulus, 500.0, ts=shown)
        nd.plot.trace(run, parts["v"], label=name, color=colour, linewidth=1.6 if name == "hidden" else 0.9)
    parts["v"].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    parts["v"].set_title("a stimulus the fit never saw", loc="left", fontsize="medium")
    trains = {
        "hidden": case.unseen_spikes,
        "fitted": spike_times(result.model, case.unseen_stimulus),
        "unfitted": spike_times(textbook(), case.unseen_stimulus),
    }
    nd.plot.raster(trains, parts["raster"])
    nd.plot.loss(result, parts["loss"])
    nd.plot.parameters(result, parts["parameters"], truth=case.truth)
    return sheet


def report(case: Experiment, result: nd.FitResult, seed: int, seconds: float) -> dict[str, Any]:
    return {
        "neurodyn": nd.__version__,
        "jax": jax.__version__,
        "seed": seed,
        "seconds": round(seconds, 1),
        "reason": result.reason,
        "loss": result.loss,
        "target_spikes": len(case.spikes),
        "coincidence_factor_on_unseen_stimulus": {
            "fitted": score(case, result.model),
            "unfitted": score(case, textbook()),
        },
        "rank": str(result.rank),
        "parameters": {
            p.path: {"unit": p.unit, "before": float(p.before), "hidden": case.truth[p.path], "fitted": float(p.after)}
            for p in result.parameters
        },
    }


def run(output: Path, seed: int = 4, force: bool = False) -> int:
    """Make the example, recover it, and write `report.json`, `parameters.json` and `figure.png` into a folder. Returns an exit code."""
    if output.exists() and not force:
        print(f"error: output {output} exists; choose another folder or pass --force", file=sys.stderr)
        return 2
    began = time.monotonic()
    case = experiment(seed)
    print(f"A hidden neuron fired {len(case.spikes)} times in {DURATION:g} ms of noisy current.")
    print(
        f"Looking for its {len(TRAINABLE)} conductances and gate constants from those spike times alone ...", flush=True
    )
    result = recover(case, progress=sys.stderr.isatty())
    seconds = time.monotonic() - began
    summary = report(case, result, seed, seconds)
    _files.write_text(output / "report.json", json.dumps(summary, indent=2) + "\n")
    nd.save(output / "parameters.json", result.model)
    figure(case, result).savefig(output / "figure.png", dpi=120)
    scores = summary["coincidence_factor_on_unseen_stimulus"]
    for path, p in summary["parameters"].items():
        print(f"  {path:12} {p['before']:8.3g} -> {p['fitted']:8.4g}   hidden {p['hidden']:8.4g} {p['unit']}")
    print(f"Coincidence with the hidden neuron on a stimulus the fit never saw: {scores['fitted']:.3f}")
    print(f"(the unfitted model scores {scores['unfitted']:.3f}); {seconds:.0f} s. Written to {output}/")
    return 0
