"""The ratios that speed is held to, worked out from a run."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .engines import Cell


#: Cells of one precision by kind of work, number of neurons and engine.
Cells = dict[tuple[str, int], dict[str, Cell]]


class Bar(NamedTuple):
    """A ratio that must be at least, or at most, some value at certain sizes."""

    what: str
    kind: str
    sizes: tuple[int, ...]
    limit: float
    ratio: Callable[[Cells, str, int], float]  # of kind and size; KeyError where it was not measured
    at_most: bool = False


def _speed_over(other: str) -> Callable[[Cells, str, int], float]:
    return lambda cells, kind, n: cells[kind, n][other].seconds / cells[kind, n]["neurodyn"].seconds


def _time_over_scan(pass_: str) -> Callable[[Cells, str, int], float]:
    return lambda cells, kind, n: cells[kind, n]["neurodyn"].seconds / cells[pass_, n]["scan"].seconds


ALL = (1, 100, 256, 1000, 10000)
BARS = (
    Bar("speed over the scan's", "forward", (1, 100, 256), 0.9, _speed_over("scan")),
    Bar("speed over the scan's", "forward", (1000, 10000), 1.0, _speed_over("scan")),
    Bar("speed over Jaxley's", "recorded", (1000,), 2.5, _speed_over("jaxley")),
    Bar("speed over Jaxley's with the same flags", "recorded", (1000,), 1.5, _speed_over("jaxley+flags")),
    Bar("speed over NEURON's", "recorded", (1000,), 12.0, _speed_over("neuron")),
    Bar("time over the scan's `recorded`", "gradient", (1, 100, 256, 10000), 4.5, _time_over_scan("recorded"), True),
    Bar("time over the scan's `forward`", "gradient", (1, 100, 256, 10000), 4.5, _time_over_scan("forward"), True),
    Bar("speed over Jaxley's", "gradient", (1,), 25.0, _speed_over("jaxley")),
    Bar("speed over Jaxley's", "gradient", (100,), 10.0, _speed_over("jaxley")),
)


def lines(found: dict[str, Cells]) -> Iterator[str]:
    """Rows of a table: one for each bar and size that was measured, a column for each precision."""
    for bar in BARS:
        for n in bar.sizes:
            shown = [_shown(bar, n, cells) for cells in found.values()]
            if any(shown):
                limit = f"{'<=' if bar.at_most else '>='} {bar.limit:g}"
                yield f"| {bar.kind} | {n} | {bar.what} | {limit} | " + " | ".join(shown) + " |"


def _shown(bar: Bar, n: int, cells: Cells) -> str:
    try:
        ratio = bar.ratio(cells, bar.kind, n)
    except KeyError:
        return ""
    holds = ratio <= bar.limit if bar.at_most else ratio >= bar.limit
    return f"{ratio:.2f}, {'holds' if holds else '**falls short**'}"
