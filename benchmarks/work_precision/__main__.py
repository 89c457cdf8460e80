"""Measures error against time and writes its part of `benchmarks/RESULTS.md` with the figure.

A run of everything writes; `--families Staggered,Heun` or `--neurons N` print. `--budget SECONDS` is for each method, `--output FILE` writes elsewhere, the
figure beside it.
"""

import argparse
import sys
from pathlib import Path

import neurodyn as nd

from ..results import PAGE, write_part
from ..speed.worker import pin


def main() -> None:
    pin()
    nd.configure_cpu()
    import jax

    jax.config.update("jax_enable_x64", True)
    from .figure import draw
    from .measure import NEURONS, point, reference
    from .methods import FAMILIES
    from .report import page

    parser = argparse.ArgumentParser(prog="python -m benchmarks.work_precision", description=__doc__)
    parser.add_argument("--families", default=",".join(family.name for family in FAMILIES))
    parser.add_argument("--neurons", type=int, default=NEURONS)
    parser.add_argument("--budget", type=float, default=3.0)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    chosen = [family for family in FAMILIES if family.name in given.families.split(",")]
    exact, found = reference(), {}
    for family in chosen:
        found[family.name] = {}
        for setting, method in family.methods.items():
            found[family.name][setting] = point(method, exact, given.neurons, given.budget)
            print(family.name, setting, found[family.name][setting], file=sys.stderr, flush=True)
    text = page(found, FAMILIES, given.neurons)
    if given.output or (len(chosen) == len(FAMILIES) and given.neurons == NEURONS):
        output = given.output or PAGE
        fixed = {family.name for family in FAMILIES if family.fixed}
        draw(found, fixed, given.neurons, output.parent / "figures" / "work_precision.png")
        write_part("Accuracy and time", text, output)
    else:
        print(text)


if __name__ == "__main__":
    main()
