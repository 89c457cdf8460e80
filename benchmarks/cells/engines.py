"""The engines that are compared, each in a process of its own, all reading the same file."""

import sys
from pathlib import Path
from typing import NamedTuple

from ..speed.engines import Cell, Worker, measure, python


#: Peers with an environment of their own.
PEERS = ("jaxley", "neuron", "arbor")
#: Those that only work in double precision: shown and compared at either precision.
DOUBLE = ("neuron", "arbor")


class Engine(NamedTuple):
    """What was measured of one engine apart from the work, which may be its own."""

    build: float  # seconds, the first time
    compartments: int
    trace: list[float]  # mV at the start and after every step but the last, at 0.75 nA


class Run(NamedTuple):
    """What was measured at one precision."""

    engines: dict[str, Engine]
    cells: dict[tuple[str, int], dict[str, Cell]]  # by kind of work and number of cells


def commands(precision: str, path: Path, ours: bool = True) -> dict[str, list[str]]:
    """Commands of the engines at hand."""
    found = {}
    if ours:
        found["neurodyn"] = [sys.executable, "-m", f"{__package__}.jax_worker", str(path), precision]
    if (jaxley := python("jaxley")) is not None:
        for flags in ("plain", "flags"):
            name = "jaxley" if flags == "plain" else "jaxley+flags"
            found[name] = [jaxley, "-m", f"{__package__}.jaxley_worker", str(path), flags, precision]
    for peer in DOUBLE:
        if (interpreter := python(peer)) is not None:
            found[peer] = [interpreter, "-m", f"{__package__}.{peer}_worker", str(path)]
    return found


def run(commands: dict[str, list[str]], works: list[tuple[str, int]], budget: float, say=lambda line: None) -> Run:
    """Every engine on every piece of work, taking turns for `budget` seconds on each."""
    workers = {name: Worker(command) for name, command in commands.items()}
    for worker in workers.values():
        worker.ask()  # until it is up: the others must not load their modules beside one that is timed
    builds = {name: worker.ask(kind="build", n=1)["seconds"] for name, worker in workers.items()}
    say("build: " + ", ".join(f"{name} {seconds:.3g} s" for name, seconds in builds.items()))
    cells = {}
    for kind, n in works:
        cells[kind, n] = measure(workers, kind, n, budget)
        say(f"{kind} {n}: " + ", ".join(f"{name} {1e3 * cell.seconds:.4g} ms" for name, cell in cells[kind, n].items()))
    engines = {}
    for name, worker in workers.items():  # last, since it compiles what is timed above
        compartments, *trace = worker.ask(trace=True)
        engines[name] = Engine(builds[name], round(compartments), trace)
        worker.close()
    return Run(engines, cells)
