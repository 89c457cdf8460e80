"""The part of the page that a speed run writes."""

import numpy as np

from ..results import machine
from . import bars
from .bars import Cells
from .plain_scan import DT, STEPS


_HEAD = """Hodgkin and Huxley's neuron, steps of 0.025 ms for 100 ms, a constant drive between 5 and 20 uA/cm2, N neurons. Everything on one core; the
engines take turns, each in a process of its own, and the best run counts; compilation is apart. `make bench` runs it.

| work | |
|---|---|
| `forward` | only the voltage at the end is wanted |
| `recorded` | the voltage at every step |
| `gradient` | value and gradient of a mean square of that trace, by nine parameters |

| engine | |
|---|---|
| `neurodyn` | `nd.vmap` over `nd.simulate` ([ours.py](speed/ours.py)) |
| `scan` | a bare `lax.scan` written for this neuron and nothing else ([plain_scan.py](speed/plain_scan.py)), first order |
| `diffeqsolve` | neurodyn's model and solver in `diffrax.diffeqsolve` with `StepTo` and `RecursiveCheckpointAdjoint` ([through_diffrax.py](speed/through_diffrax.py)) |
| `jaxley` | one compartment with Jaxley's HH, as it comes ([jaxley_worker.py](speed/jaxley_worker.py)) |
| `jaxley+flags` | the same with the XLA flags of `nd.configure_cpu()`, which the three above run with |
| `neuron` | single compartments with `hh` ([neuron_worker.py](speed/neuron_worker.py)); always in double precision, no gradients |

An empty cell: the engine cannot do that, or takes minutes (Jaxley always records). The first cell of an engine also starts JAX and
builds the first model."""

_SAME = """## The same work

One neuron at 10 uA/cm2: steps taken, upward crossings of 0 mV, and the time of the last (ms). The schemes differ (the scan's gates and NEURON's step are
first order), and so do the states they start from: Jaxley begins at -70 mV."""

_MEMORY = """Memory in MB. For the engines on JAX that of the results and of what the compiled program keeps meanwhile, as the compiler states it; for
NEURON the growth of the process."""


def page(
    found: dict[str, Cells], names: dict[str, list[str]], traces: dict[str, list[float]], missing: list[str]
) -> str:
    """The whole part: cells, engines of each precision, the voltage of one neuron by each engine, and what is not installed."""
    parts = [_HEAD, machine()]
    if missing:
        parts.append(f"Not installed: {', '.join(missing)}.")
    parts += ["## What must hold", summary(found), _SAME, same_work(traces)]
    for precision, cells in found.items():
        parts += [
            f"## {precision}",
            "Million neuron-steps per second, and in brackets the seconds of compilation.",
            speeds(cells, names[precision]),
            _MEMORY,
            memory(cells, names[precision]),
        ]
    return "\n\n".join(parts)


def summary(found: dict[str, Cells]) -> str:
    """Every bar with the ratio that was found."""
    head = ["| work | N | neurodyn's | bar | " + " | ".join(found) + " |", "|---" * (4 + len(found)) + "|"]
    return "\n".join([*head, *bars.lines(found)])


def same_work(traces: dict[str, list[float]]) -> str:
    """How many steps each engine takes and how many spikes it finds."""
    lines = ["| engine | steps | spikes | last |", "|---|---|---|---|"]
    for name, trace in traces.items():
        v = np.asarray(trace[-STEPS:])
        at = np.flatnonzero((v[:-1] <= 0) & (v[1:] > 0))
        last = DT * (at[-1] + 1 - v[at[-1]] / (v[at[-1] + 1] - v[at[-1]])) if at.size else float("nan")
        steps = len(trace) - 1 if len(trace) > STEPS else len(trace)  # some record the start too
        lines.append(f"| {name} | {steps} | {at.size} | {last:.2f} |")
    return "\n".join(lines)


def speeds(cells: Cells, names: list[str]) -> str:
    """Speed and compilation of each cell, and neurodyn's speed over the scan's."""
    lines = ["| work | N | " + " | ".join(names) + " | neurodyn : scan |", "|---" * (len(names) + 3) + "|"]
    for (kind, n), row in cells.items():
        shown = [
            f"{n * STEPS / row[x].seconds / 1e6:.3g} ({row[x].preparing:.1f} s)" if x in row else "" for x in names
        ]
        ratio = row["scan"].seconds / row["neurodyn"].seconds
        lines.append(f"| {kind} | {n} | " + " | ".join(shown) + f" | {ratio:.2f} |")
    return "\n".join(lines)


def memory(cells: Cells, names: list[str]) -> str:
    """Memory of each cell in MB."""
    lines = ["| work | N | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for (kind, n), row in cells.items():
        shown = [f"{row[x].bytes / 1e6:.3g}" if x in row else "" for x in names]
        lines.append(f"| {kind} | {n} | " + " | ".join(shown) + " |")
    return "\n".join(lines)
