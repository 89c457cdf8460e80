"""What the speed of cells is held to, worked out from a run."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .engines import Run
from .work import STEPS


#: Numbers of cells.
ALL = (1, 16, 128)


def speed(run: Run, kind: str, n: int, engine: str) -> float:
    """Million compartment-steps per second, with the compartments the engine itself makes."""
    return n * run.engines[engine].compartments * STEPS / run.cells[kind, n][engine].seconds / 1e6


class Bar(NamedTuple):
    """A figure of a run that must be at least, or at most, some value at certain sizes."""

    what: str
    kind: str
    sizes: tuple[int, ...]
    limit: float
    figure: Callable[[Run, str, int], float]  # of kind and size; KeyError where it was not measured
    at_most: bool = False


def _speed_over(other: str) -> Callable[[Run, str, int], float]:
    return lambda run, kind, n: speed(run, kind, n, "neurodyn") / speed(run, kind, n, other)


def _time_over_forward(run: Run, kind: str, n: int) -> float:
    return run.cells[kind, n]["neurodyn"].seconds / run.cells["forward", n]["neurodyn"].seconds


def _building(run: Run, kind: str, n: int) -> float:
    return run.engines["neurodyn"].build


def _compiling(run: Run, kind: str, n: int) -> float:
    return run.cells[kind, n]["neurodyn"].preparing


BARS = (
    Bar("speed over Jaxley's", "forward", ALL, 2.0, _speed_over("jaxley")),
    Bar("speed over Jaxley's with the same flags", "forward", ALL, 1.4, _speed_over("jaxley+flags")),
    Bar("speed over NEURON's", "forward", ALL, 4.0, _speed_over("neuron")),
    Bar("speed over Arbor's", "forward", ALL, 1.5, _speed_over("arbor")),
    Bar("time over that of `forward`", "gradient", ALL, 4.5, _time_over_forward, True),
    Bar("speed over Jaxley's", "gradient", ALL, 5.0, _speed_over("jaxley")),
    Bar("seconds of building", "build", (1,), 0.5, _building, True),
    Bar("seconds of compilation", "forward", ALL, 3.0, _compiling, True),
    Bar("seconds of compilation", "gradient", ALL, 3.0, _compiling, True),
)


def lines(found: dict[str, Run]) -> Iterator[str]:
    """Rows of a table: one for each bar and size that was measured, a column for each precision."""
    for bar in BARS:
        for n in bar.sizes:
            shown = [_shown(bar, n, run) for run in found.values()]
            if any(shown):
                limit = f"{'<=' if bar.at_most else '>='} {bar.limit:g}"
                yield f"| {bar.kind} | {n} | {bar.what} | {limit} | " + " | ".join(shown) + " |"


def _shown(bar: Bar, n: int, run: Run) -> str:
    try:
        figure = bar.figure(run, bar.kind, n)
    except KeyError:
        return ""
    holds = figure <= bar.limit if bar.at_most else figure >= bar.limit
    return f"{figure:.2f}, {'holds' if holds else '**falls short**'}"
