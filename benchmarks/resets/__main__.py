"""Measures what exact resets cost and writes its part of `benchmarks/RESULTS.md`.

A run of everything writes; a part of it (`--parts cost,population,layer`, `--precisions float32`, `--neurons N`) prints. `--budget SECONDS` is for each cell,
`--output FILE` writes elsewhere.
"""

import argparse
import sys
from pathlib import Path

from ..results import PAGE, write_part
from ..speed.engines import Worker, measure
from . import engines, population
from .bars import Cells
from .models import RESETS, SUBJECTS
from .report import page


PARTS = ("cost", "population", "layer")
PRECISIONS = ("float32", "float64")
NEURONS = 1000
FORWARD, GRADIENT = (0.1, 0.025), (0.1,)  # ms


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resets", description=__doc__)
    everything = {"parts": ",".join(PARTS), "precisions": ",".join(PRECISIONS), "neurons": NEURONS}
    for option, value in everything.items():
        parser.add_argument(f"--{option}", default=value, type=type(value))
    parser.add_argument("--budget", type=float, default=1.5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    whole = all(getattr(given, option) == value for option, value in everything.items())
    parts = given.parts.split(",")
    found: dict[str, Cells] = {}
    rates: dict[str, list[float]] = {}
    for precision in given.precisions.split(",") if "cost" in parts else ():
        found[precision], rates = cost(precision, given.neurons, given.budget)
    populations = {way: population.ask(way) for way in population.WAYS} if "population" in parts else {}
    rows = engines.rows(given.budget) if "layer" in parts else {}
    text = page(found, given.neurons, rates, populations, rows)
    if whole or given.output:
        write_part("Resets", text, given.output or PAGE)
    else:
        print(text)


def cost(precision: str, neurons: int, budget: float) -> tuple[Cells, dict[str, list[float]]]:
    """Every model with each kind of reset, which take turns, and the spikes per second of each model by kind of reset. Gradients, which take long to
    compile, in single precision."""
    workers = {name: Worker([sys.executable, "-m", f"{__package__}.worker", name, precision]) for name in RESETS}
    kinds = [(dt, "forward") for dt in FORWARD]
    if precision == "float32":
        kinds += [(dt, "gradient") for dt in GRADIENT]
    cells: Cells = {}
    for model in SUBJECTS:
        for dt, kind in kinds:
            cells[model, dt, kind] = row = measure(workers, f"{model} {dt} {kind}", neurons, budget)
            times = ", ".join(f"{name} {1e3 * cell.seconds:.4g} ms" for name, cell in row.items())
            print(f"{precision} {model} {dt} {kind}: {times}", file=sys.stderr, flush=True)
    rates = {name: worker.ask(trace=True) for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    return cells, rates


if __name__ == "__main__":
    main()
