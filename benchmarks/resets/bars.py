"""What the cost of exact resets is held to, worked out from a run."""

from collections.abc import Iterator
from typing import NamedTuple

from ..speed.engines import Cell
from .models import T1


#: By model, step (ms), and kind of work: what each kind of reset needs.
Cells = dict[tuple[str, float, str], dict[str, Cell]]


def speed(neurons: int, dt: float, cell: Cell) -> float:
    """Million neuron-steps per second."""
    return neurons * T1 / dt / cell.seconds / 1e6


def slowdown(row: dict[str, Cell]) -> float:
    """The time with exact resets over that with resets at the ends of steps."""
    return row["exact"].seconds / row["grid"].seconds


class Bar(NamedTuple):
    """A limit that holds at every step that was measured."""

    model: str
    what: str
    limit: float
    at_most: bool


BARS = (
    Bar("LIF", "exact, million neuron-steps per second", 100.0, False),
    Bar("AdEx", "time over that with resets at the ends of steps", 5.0, True),
    Bar("HH", "time over that with resets at the ends of steps", 3.0, True),
)


def lines(found: dict[str, Cells], neurons: int) -> Iterator[str]:
    """Rows of a table: one for each bar and step that was measured, a column for each precision."""
    steps = dict.fromkeys(dt for cells in found.values() for _, dt, _ in cells)
    for bar in BARS:
        for dt in steps:
            shown = [_shown(bar, dt, cells, neurons) for cells in found.values()]
            if any(shown):
                limit = f"{'<=' if bar.at_most else '>='} {bar.limit:g}"
                yield f"| {bar.model} | {dt:g} | {bar.what} | {limit} | " + " | ".join(shown) + " |"


def _shown(bar: Bar, dt: float, cells: Cells, neurons: int) -> str:
    row = cells.get((bar.model, dt, "forward"))
    if row is None:
        return ""
    value = slowdown(row) if bar.at_most else speed(neurons, dt, row["exact"])
    holds = value <= bar.limit if bar.at_most else value >= bar.limit
    return f"{value:.3g}, {'holds' if holds else '**falls short**'}"
