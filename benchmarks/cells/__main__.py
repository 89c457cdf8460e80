"""Runs every engine on the same cells and writes the part "Cells" of `benchmarks/RESULTS.md`.

A run of everything writes; a part of it (`--sizes 1,16`, `--kinds forward`, `--precisions float32`, `--peers-only`) prints. `--budget SECONDS` is for each piece
of work, `--output FILE` writes elsewhere. The morphology is a reconstruction below NEURODYN_DATA where there is one, and a made tree otherwise or with `--made`.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from ..results import PAGE, write_part
from .bars import ALL
from .engines import PEERS, commands, python, run
from .morphology import made_morphology, recorded_morphology
from .report import page


KINDS = ("forward", "gradient")
PRECISIONS = ("float32", "float64")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cells", description=__doc__)
    everything = {"sizes": ALL, "kinds": KINDS, "precisions": PRECISIONS}
    for option, values in everything.items():
        parser.add_argument(f"--{option}", default=",".join(map(str, values)))
    parser.add_argument("--budget", type=float, default=4.0)
    parser.add_argument("--peers-only", action="store_true")
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    whole = not given.peers_only and all(getattr(given, option) == parser.get_default(option) for option in everything)
    works = [(kind, int(n)) for kind in given.kinds.split(",") for n in given.sizes.split(",")]
    recorded = None if given.made else recorded_morphology()
    with tempfile.TemporaryDirectory() as folder:
        path = recorded or Path(folder) / "made.swc"
        if recorded is None:
            path.write_text(made_morphology())
        found = {
            precision: run(
                commands(precision, path, ours=not given.peers_only),
                works,
                given.budget,
                lambda line, precision=precision: print(f"{precision} {line}", file=sys.stderr, flush=True),
            )
            for precision in given.precisions.split(",")
        }
    morphology = (
        f"`{recorded.name}`, a CA1 pyramidal cell"
        if recorded
        else "a made tree of 155 sections ([morphology.py](cells/morphology.py))"
    )
    text = page(found, morphology, [peer for peer in PEERS if python(peer) is None])
    if whole or given.output:
        write_part("Cells", text, given.output or PAGE)
    else:
        print(text)


if __name__ == "__main__":
    main()
