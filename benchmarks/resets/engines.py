"""The engines of the layer, each in a process of its own."""

import sys
from typing import NamedTuple

import numpy as np

from ..speed.engines import Cell, Worker, measure, python
from . import layer


class Row(NamedTuple):
    """What an engine needs for the layer and how right it is."""

    forward: Cell
    gradient: Cell
    time_error: float  # ms
    derivative_error: float  # relative; both NaN where there are other spikes than there should be


#: Engines, with what they are called on the page.
OURS = {
    "fixed": "neurodyn, `FixedStep(0.1)`, `nd.vmap` over `nd.LIF`",
    "network": "neurodyn, `FixedStep(0.1)`, one `LIFNetwork`",
    "adaptive": "neurodyn, `Adaptive()`, `nd.vmap` over `nd.LIF`",
}
EVENTAX = {
    "euler:0.1": "Eventax, Euler, step 0.1 as in its examples",
    "euler:0.01": "Eventax, Euler, step 0.01: its defaults",
    "tsit5": "Eventax, Tsit5, tolerances 1e-5",
}
NAMES = OURS | EVENTAX


def commands() -> dict[str, list[str]]:
    """Commands of the engines at hand."""
    found = {name: [sys.executable, "-m", f"{__package__}.layer_worker", name] for name in OURS}
    if (eventax := python("eventax")) is not None:
        found |= {name: [eventax, "-m", f"{__package__}.eventax_worker", name] for name in EVENTAX}
    return found


def rows(budget: float) -> dict[str, Row]:
    """Every engine at hand on the layer, the engines taking turns."""
    workers = {name: Worker(command) for name, command in commands().items()}
    forward, gradient = (measure(workers, kind, layer.NEURONS, budget) for kind in ("forward", "gradient"))
    x = layer.currents().astype(np.float32).astype(float)
    found = {}
    for name, worker in workers.items():
        found[name] = Row(forward[name], gradient[name], *layer.errors(x, np.asarray(worker.ask(trace=True))))
        worker.close()
    return found
