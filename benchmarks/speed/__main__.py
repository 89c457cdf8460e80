"""Runs every engine on the same work and writes the speed part of `benchmarks/RESULTS.md`.

A run of everything writes; a part of it (`--sizes 1,100`, `--kinds forward,gradient`, `--precisions float32`) prints. `--budget SECONDS` is for each cell,
`--output FILE` writes elsewhere.
"""

import argparse
import sys
from pathlib import Path

from ..results import PAGE, write_part
from .bars import ALL, Cells
from .engines import PEERS, Worker, commands, measure, python, traces
from .report import page


KINDS = ("forward", "recorded", "gradient")
PRECISIONS = ("float32", "float64")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    everything = {"sizes": ALL, "kinds": KINDS, "precisions": PRECISIONS}
    for option, values in everything.items():
        parser.add_argument(f"--{option}", default=",".join(map(str, values)))
    parser.add_argument("--budget", type=float, default=4.0)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    whole = all(getattr(given, option) == parser.get_default(option) for option in everything)
    found: dict[str, Cells] = {}
    names: dict[str, list[str]] = {}
    voltage: dict[str, list[float]] = {}
    for precision in given.precisions.split(","):
        workers = {name: Worker(command) for name, command in commands(precision).items()}
        names[precision], cells = list(workers), {}
        for kind in given.kinds.split(","):
            for n in map(int, given.sizes.split(",")):
                cells[kind, n] = measure(workers, kind, n, given.budget)
                times = ", ".join(f"{name} {1e3 * cell.seconds:.4g} ms" for name, cell in cells[kind, n].items())
                print(f"{precision} {kind} {n}: {times}", file=sys.stderr, flush=True)
        voltage = dict(traces(workers))  # last, since it compiles what is timed above
        for worker in workers.values():
            worker.close()
        found[precision] = cells
    text = page(found, names, voltage, [peer for peer in PEERS if python(peer) is None])
    if whole or given.output:
        write_part("Speed", text, given.output or PAGE)
    else:
        print(text)


if __name__ == "__main__":
    main()
