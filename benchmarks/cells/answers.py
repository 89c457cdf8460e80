"""What the workers have in common: beside the work that is timed they answer how long the cell takes to be built and what its voltage is."""

from collections.abc import Callable, Iterable
from typing import Any

from ..speed import worker
from ..speed.worker import Work


def serve(
    build: Callable[[], Any],
    prepare: Callable[[Any, str, int], Work | None],
    trace: Callable[[Any], tuple[int, Iterable[float]]],
) -> None:
    """Answer requests as `speed.worker` does. The work of the kind `"build"` is to build the cell, which the other kinds then use; the answer to a `trace`
    is the number of compartments, then the voltage at the start and after every step but the last, at 0.75 nA."""
    cell = None

    def construct():
        nonlocal cell
        cell = build()

    def prepared(kind, n):
        if kind == "build":
            return Work(construct)
        if cell is None:
            construct()
        return prepare(cell, kind, n)

    def traced():
        if cell is None:
            construct()
        compartments, voltage = trace(cell)
        return compartments, *voltage

    worker.serve(prepared, traced)
