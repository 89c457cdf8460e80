"""Fits a cell to a patch recording from nothing but its passive properties, and prints how well it fires as the recorded one does.

    python -m benchmarks.fit_recording [--model conductance|integrate] [--held-out] [--seed N]

*conductance*: `templates.regular_spiking`, six currents with 22 unknowns. *integrate*: `templates.adaptive_threshold`, a `GIF` with 15.

The recording is 171116sh_0018.abf below NEURODYN_DATA: 17 sweeps from -100 to 300 pA. Fitted are the first step of each sweep and the test pulse after it; the
second step, which begins as the pulse ends, is held out. With --held-out that is scored too; without it the models never see it. As the yardstick of that
score, the same of the data's own first step, taken for a prediction of the second.
"""

import argparse
import os
import time
from pathlib import Path

import neurodyn as nd


MODELS = {"conductance": "regular_spiking", "integrate": "adaptive_threshold"}
FILE = Path("recordings") / "171116sh_0018.abf"


def read() -> nd.io.Recording:
    root = os.environ.get("NEURODYN_DATA")
    if not root or not (Path(root) / FILE).exists():
        raise SystemExit(f"set NEURODYN_DATA to the folder that holds {FILE}")
    return nd.io.read(Path(root) / FILE)


def own_prediction(recording: nd.io.Recording):
    """The scores of the data's first step as a prediction of their second."""
    from neurodyn.templates.responses import part, rises

    steps = recording.steps()
    starts = sorted({s.start for s in steps})
    first, last = ({s.sweep: s for s in steps if s.start == start} for start in (starts[0], starts[-1]))
    trains = [
        tuple(rises(*part(recording, sweep, here[sweep].start, here[sweep].stop)) - here[sweep].start for sweep in last)
        for here in (last, first)
    ]
    return nd.templates.StepScores(tuple(last.values()), *trains)


def report(name: str, seed: int, held_out: bool) -> None:
    """Fit one model and print its rows."""
    import jax

    from neurodyn._table import as_text
    from neurodyn.templates.scores import passive_rows

    began = time.monotonic()
    recording = read()
    template = getattr(nd.templates, MODELS[name])()
    found = nd.templates.fit_recording(recording, template, key=jax.random.key(seed))
    seconds = time.monotonic() - began
    print(f"\n## {name}: {template.name}, {len(template.trainable)} unknowns, {len(jax.devices())} devices")
    print(f"{seconds:.0f} s with compilation, loss {found.fit.loss:.1f} ({found.fit.reason})")
    print(f"at a bound: {', '.join(found.at_bounds) or 'none'}\n")
    print(f"fitted\n{found.training!r}\n")
    if held_out:
        print(f"held out\n{found.score(found.held_out)!r}\n")
        print(f"the data's first step for their second\n{own_prediction(recording).sentence()}\n")
    print(as_text(*passive_rows(found.passive, found.measured_passive())), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=tuple(MODELS), help="default: both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="score the second step too")
    options = parser.parse_args()
    nd.configure_cpu(devices=2 if (os.cpu_count() or 1) >= 2 else None)
    for name in [options.model] if options.model else MODELS:
        report(name, options.seed, options.held_out)


if __name__ == "__main__":
    main()
