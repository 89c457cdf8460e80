"""Fits two cells to a patch recording from nothing but its passive properties, and prints how well they fire as the recorded one does.

    python -m benchmarks.fit_recording [--models conductance,integrate] [--held-out] [--seed N] [--write]

*conductance*: `templates.regular_spiking`, five currents with 22 unknowns. *integrate*: `templates.adaptive_threshold`, a `GIF` with 16.

The recording is 171116sh_0018.abf below NEURODYN_DATA: 17 sweeps from -100 to 300 pA. Fitted are the first step of each sweep and the test pulse after it; the
second step, which begins as the pulse ends, is held out. With --held-out that is scored too, as --write does; without it the models never see it. As the yardstick of that
score, the same of the data's own first step, taken for a prediction of the second.
"""

import argparse
import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import neurodyn as nd

from .results import PAGE, part


MODELS = {"conductance": "regular_spiking", "integrate": "adaptive_threshold"}
FILE = Path("recordings") / "171116sh_0018.abf"
FIGURE = PAGE.parent / "figures" / "recording.png"
STRONG = 100.0  # pA, from which latencies count
NEAR = 0.15  # of the recorded latency
OTHERS = """
The held-out step was looked at for six rows: these two, and before them four whose fits saw of the spikes only when they are, not where each begins and how high it gets; whose threshold followed the
voltage fast; and which took the test pulse from the sweeps without spikes alone. Two of them had a passive dendrite, which the two exponentials of the recorded charging curve suggest.
What was changed for the two above was seen in the fitted steps: peaks that fell to 5 mV along trains where the recorded ones stay above 40, and recorded spikes that begin 4 to 8 mV higher when the cell has been
depolarised for long. The term of the spike times in the loss then fell by 40 to 50 % (466 to 238, 393 to 244).

| held out, before | spike counts | first spike | within +-5 ms | within +-10 ms |
|---|---|---|---|---|
| conductance, 22 unknowns | 11 of 11 | 7 of 9 | 0.21 | 0.45 |
| integrate, 17 unknowns | 11 of 11 | 7 of 9 | 0.25 | 0.31 |
| conductance with a dendrite, 24 unknowns | 11 of 11 | 5 of 9 | 0.07 | 0.23 |
| integrate with a dendrite, 19 unknowns | 11 of 11 | 7 of 9 | 0.16 | 0.15 |

What both miss is the coincidence within 5 ms. From 200 pA on the recorded cell fires its first spike only 2 to 5 ms later after the pulse than from rest, although it begins 11 mV lower; the models are 1 to 7 ms later still, and a
shift of the first spike moves those that follow. In the fitted steps too they are late at 300 pA, by 1 and 3 ms, and early by 6 ms and more from 75 to 125 pA, perhaps because one compartment charges by one
exponential only.
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A fitted model, and how long it took, seconds with compilation."""

    found: nd.templates.RecordingFit
    seconds: float


def read() -> nd.io.Recording:
    root = os.environ.get("NEURODYN_DATA")
    if not root or not (Path(root) / FILE).exists():
        raise SystemExit(f"set NEURODYN_DATA to the folder that holds {FILE}")
    return nd.io.read(Path(root) / FILE)


def own_prediction(recording: nd.io.Recording) -> nd.templates.StepScores:
    """The scores of the data's first step as a prediction of their second."""
    from neurodyn.templates.responses import part as voltage, rises

    steps = recording.steps()
    starts = sorted({s.start for s in steps})
    first, last = ({s.sweep: s for s in steps if s.start == start} for start in (starts[0], starts[-1]))
    trains = [
        tuple(
            rises(*voltage(recording, sweep, here[sweep].start, here[sweep].stop)) - here[sweep].start for sweep in last
        )
        for here in (last, first)
    ]
    return nd.templates.StepScores(tuple(last.values()), *trains)


def fitted(recording: nd.io.Recording, name: str, seed: int) -> Outcome:
    import jax

    began = time.monotonic()
    found = nd.templates.fit_recording(recording, getattr(nd.templates, MODELS[name])(), key=jax.random.key(seed))
    return Outcome(found, time.monotonic() - began)


def near_latencies(scores: nd.templates.StepScores) -> tuple[int, int]:
    """At how many of the strong levels the first spike is near the recorded one, and how many of them there are."""
    strong = np.array([s.amplitude >= STRONG for s in scores.steps])
    data, model = scores.latencies[strong].T
    return int((np.abs(model - data) <= NEAR * data).sum()), int(strong.sum())


def spike_rows(scores: nd.templates.StepScores) -> list[str]:
    """What the page says of the spikes in some steps."""
    x, (near, strong) = scores.summary(), near_latencies(scores)
    return [
        f"{x['counts_within_1']} of {x['levels']}",
        f"{near} of {strong}",
        f"{x['coincidence_5_ms']:.2f}",
        f"{x['coincidence_10_ms']:.2f}",
    ]


def compare(
    outcomes: dict[str, Outcome], recording: nd.io.Recording, held_out: bool, say: Callable[[str], None]
) -> None:
    """The table of all models."""
    measures = [
        "spike counts off by one at most (10 of 11)",
        "first spike within 15 %, from 100 pA (6 of 9)",
        "coincidence within +-5 ms, chance subtracted (0.38)",
        "the same within +-10 ms",
    ]
    columns: dict[str, list[str]] = {"": [], "recording": []}
    parts = {"held out: ": lambda f: f.score(f.held_out)} if held_out else {}
    parts |= {"fitted: ": lambda f: f.training}
    own = {"held out: ": spike_rows(own_prediction(recording)), "fitted: ": [""] * len(measures)}
    for title in parts:
        columns[""] += [title + measure for measure in measures]
        columns["recording"] += own[title]
    passive = recording.passive()
    columns[""] += ["sag ratio (0.76 +- 0.05)", "input resistance, Mohm (within 10 %)", "parameters at a bound (none)"]
    columns["recording"] += [f"{passive.sag_ratio:.2f}", f"{passive.input_resistance:.1f}", ""]
    columns[""] += ["unknowns", "time with compilation, s (240)"]
    columns["recording"] += ["", ""]
    for name, outcome in outcomes.items():
        found = outcome.found
        measured = found.measured_passive()
        rows = [cell for of in parts.values() for cell in spike_rows(of(found))]
        rows += [f"{measured.sag_ratio:.2f}", f"{measured.input_resistance:.1f}", ", ".join(found.at_bounds) or "none"]
        columns[name] = [*rows, str(len(found.template.trainable)), f"{outcome.seconds:.0f}"]
    say("| " + " | ".join(columns) + " |")
    say("|---" * len(columns) + "|")
    for row in zip(*columns.values(), strict=True):
        say("| " + " | ".join(row) + " |")


def draw(outcomes: dict[str, Outcome], path: Path) -> None:
    """Four sweeps of each model, beside each other."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(6.5 * len(outcomes), 7.5), layout="constrained")
    panels = sheet.subplots(4, len(outcomes), sharex=True, sharey="row", squeeze=False)
    for column, (name, outcome) in zip(panels.T, outcomes.items(), strict=True):
        nd.plot.recording_fit(outcome.found, axes=column)
        column[0].set_title(f"{name}\n{column[0].get_title(loc='left')}", loc="left", fontsize="small")
    sheet.savefig(path, dpi=110)


def page(outcomes: dict[str, Outcome], recording: nd.io.Recording, held_out: bool, say: Callable[[str], Any]) -> None:
    say(
        "A pyramidal cell (171116sh_0018.abf, 17 sweeps of -100 to 300 pA). Two templates are fitted to the first step of each sweep and to the test pulse of "
        "-100 pA after it. The second step follows directly on that pulse, so it begins from a hyperpolarised state that no fitted step begins from: it is held out."
        + (" It was scored once for each column." if held_out else "")
    )
    say("")
    say("In brackets what is asked for; `recording` takes the data's first step for a prediction of their second.\n")
    compare(outcomes, recording, held_out, say)
    if not held_out:
        return
    say(OTHERS)
    say("\n![Recorded and fitted voltage](figures/recording.png)")
    for name, outcome in outcomes.items():
        say(f"\n## {name}: `templates.{MODELS[name]}`\n")
        say(f"Loss {outcome.found.fit.loss:.1f}. Held out, and below it what was fitted:\n")
        say(f"```\n{outcome.found.score(outcome.found.held_out)!r}\n\n{outcome.found.fit!r}\n```")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit_recording", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--models", default=",".join(MODELS), help="default: both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="score the second step too")
    parser.add_argument("--write", action="store_true", help="the part of RESULTS.md and its figure")
    given = parser.parse_args()
    nd.configure_cpu(devices=2 if (os.cpu_count() or 1) >= 2 else None)
    names = given.models.split(",")
    if unknown := sorted(set(names) - MODELS.keys()):
        parser.error(f"--models {unknown[0]} is not allowed: must be of {', '.join(MODELS)}")
    recording, held_out = read(), given.held_out or given.write
    outcomes = {name: fitted(recording, name, given.seed) for name in names}
    with part("Fits to a patch recording", given.write) as say:
        page(outcomes, recording, held_out, say)
    if given.write:
        draw(outcomes, FIGURE)


if __name__ == "__main__":
    main()
