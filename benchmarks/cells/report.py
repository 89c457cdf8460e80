"""The part of the page that a run writes."""

import numpy as np

from ..results import machine
from . import bars, work
from .bars import speed
from .engines import Run
from .work import DT, STEPS


_HEAD = """A cell with Hodgkin and Huxley's membrane everywhere, {compartments} compartments in each section, axial resistivity {resistivity:g} ohm cm, for {t1:g} ms at
steps of {dt:g} ms; N cells that know nothing of each other, with {weakest:g} to {strongest:g} nA into the compartment closest to the first point of the file and
its voltage recorded at every step. The morphology is {morphology}. Every engine cuts it into sections as its own importer does, and speeds are by the
compartments it then has. Everything on one core; the engines take turns, each in a process of its own, and the best run counts; building the cell from the file
and compilation are apart. Made by `python -m benchmarks.cells`, which `make bench` runs.

| work | |
|---|---|
| `forward` | the voltage at every step |
| `gradient` | value and gradient of a mean square of that trace, by the three conductances and the axial resistivity, shared by all compartments |

| engine | |
|---|---|
| `neurodyn` | `nd.vmap` over `nd.simulate` ([ours.py](cells/ours.py)) |
| `jaxley` | Jaxley as it comes, which is also its fastest solver here; gradients through two levels of checkpoints ([jaxley_worker.py](cells/jaxley_worker.py)) |
| `jaxley+flags` | the same with the XLA flags of `nd.configure_cpu()`, which neurodyn runs with |
| `neuron` | NEURON with its tables of rates, as it comes; always in double precision, no gradients ([neuron_worker.py](cells/neuron_worker.py)) |
| `arbor` | Arbor on one thread, each cell a group of its own, as it comes; always in double precision, no gradients ([arbor_worker.py](cells/arbor_worker.py)) |"""

_SAME = """## The same work

One cell at {traced:g} nA: upward crossings of 0 mV, the time of the first (ms), the highest voltage (mV), and the root mean square of the difference from NEURON
(mV). `build` is the seconds from the file to a cell that is ready to be run, the first time. The engines' schemes differ (neurodyn's is second order in time,
the others' are first order), and so do their ways to cut a tree into cylinders."""

_SPEEDS = "Million compartment-steps per second, and in brackets the seconds of compilation or of preparing the cells. An empty cell: the engine cannot do that."


def page(found: dict[str, Run], morphology: str, missing: list[str]) -> str:
    """The whole part: runs by precision, what the morphology is, and what is not installed."""
    known = {
        name.lower(): getattr(work, name) for name in ("COMPARTMENTS", "RESISTIVITY", "WEAKEST", "STRONGEST", "DT")
    }
    parts = [_HEAD.format(morphology=morphology, t1=STEPS * DT, **known), machine()]
    if missing:
        parts.append(f"Not installed: {', '.join(missing)}.")
    if rows := list(bars.lines(found)):
        head = ["| work | N | neurodyn's | bar | " + " | ".join(found) + " |", "|---" * (4 + len(found)) + "|"]
        parts += ["## What must hold", "\n".join([*head, *rows])]
    parts.append(_SAME.format(traced=work.TRACED))
    for precision, run in found.items():
        parts += [f"## {precision}", same_work(run), _SPEEDS, speeds(run)]
    return "\n\n".join(parts)


def same_work(run: Run) -> str:
    """What each engine makes of the cell and of one current."""
    lines = ["| engine | compartments | build, s | spikes | first | highest | from NEURON |", "|---" * 7 + "|"]
    reference = run.engines.get("neuron")
    for name, engine in run.engines.items():
        v = np.asarray(engine.trace)
        at = np.flatnonzero((v[:-1] <= 0) & (v[1:] > 0))
        first = f"{DT * (at[0] + v[at[0]] / (v[at[0]] - v[at[0] + 1])):.3f}" if at.size else ""
        apart = "" if reference is None else f"{np.sqrt(np.mean((v - reference.trace) ** 2)):.3f}"
        shown = f"{engine.compartments} | {engine.build:.3g} | {at.size} | {first} | {v.max():.2f} | {apart}"
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)


def speeds(run: Run) -> str:
    """Speed and compilation of each engine on each piece of work."""
    names = list(run.engines)
    lines = ["| work | N | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for (kind, n), row in run.cells.items():
        shown = [f"{speed(run, kind, n, x):.3g} ({row[x].preparing:.2g} s)" if x in row else "" for x in names]
        lines.append(f"| {kind} | {n} | " + " | ".join(shown) + " |")
    return "\n".join(lines)
