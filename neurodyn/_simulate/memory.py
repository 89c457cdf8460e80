"""How much memory the reverse pass of a fixed-step run may take, and what is kept for it."""

import dataclasses
import math
import os
from typing import Any, Literal, TypeAlias

import jax

from .._model import AbstractNeuron, AbstractSpatial
from .._types import State


Checkpoint: TypeAlias = Literal["auto", "none", "step", "nested", "forward"]

#: A quarter of the memory, shared by as many members as `vmap` has in a block.
_FRACTION, _MEMBERS = 0.25, 256

#: Forward mode beats nested checkpoints for derivatives by so few numbers (measured: by one it takes 0.6 to 0.9 of the time for 1 to 100 neurons, by
#: three 0.7 to 1.4), and steps whose states all fit into memory for none.
_FEW = 2


@dataclasses.dataclass(frozen=True)
class GradientPlan:
    """What a fixed-step run keeps for its reverse pass. Made by `FixedStep.gradient_plan`.

    **Fields:**

    - `checkpoint`: `"none"` (every intermediate result), `"step"` (the state before each step; each step is computed twice) or `"nested"` (the state
        at every `segment` steps, and at each step of one segment at a time; each step is computed three times) or `"forward"` (nothing: the
        derivatives by all the numbers are computed along with the run, whatever mode is asked for).
    - `segment`: steps between the states that are kept for the whole run.
    - `kept_bytes`: size of the states kept for one member at any one time (unknown for `"none"`: a hundred times the state per step or so).
    - `forward_below`: `"forward"` is what happens all the same if the run is differentiated by fewer numbers than this.
    """

    checkpoint: Literal["none", "step", "nested", "forward"]
    segment: int
    kept_bytes: int
    forward_below: int = 0

    def forward(self, numbers: int) -> bool:
        """Whether a derivative by so many numbers is computed along with the run."""
        return self.checkpoint == "forward" or numbers < self.forward_below


def kept_per_step(model: AbstractNeuron, y0: State) -> Any:
    """What is kept of each step: the state before it, and of a cell with a shape the voltages that its equations were solved for."""
    return (y0, y0["v"]) if isinstance(model, AbstractSpatial) else y0


def device_bytes() -> int:
    """Memory of the default device."""
    device = jax.local_devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    return limit or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def plan(checkpoint: Checkpoint, budget: int | None, state_bytes: int, steps: int) -> GradientPlan:
    """The plan for `steps` steps of a state of `state_bytes`: with `"auto"`, every step's state if that fits into the budget, else nested, or forward
    mode where it is cheaper than that."""
    whole = state_bytes * steps
    forward_below = 0
    if checkpoint == "auto":
        allowed = device_bytes() * _FRACTION / _MEMBERS if budget is None else budget
        checkpoint, forward_below = ("step", 0) if whole <= allowed else ("nested", _FEW + 1)
    if checkpoint == "nested":
        segment = math.ceil(math.sqrt(steps))
        return GradientPlan("nested", segment, state_bytes * (segment + math.ceil(steps / segment)), forward_below)
    return GradientPlan(checkpoint, 1, 0 if checkpoint == "forward" else whole)
