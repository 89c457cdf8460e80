"""Voltage and other records over time."""

from typing import Any

import numpy as np

from .._simulate import Solution
from .axes import new_axes, tidy


def trace(
    what: Solution | tuple[Any, Any], ax: Any = None, *, record: str = "v", label: str | None = None, **line: Any
) -> Any:
    """Draw a record of a solution, or a pair of times (ms) and values.

    **Arguments:** `what`; `ax`, matplotlib axes or None for new ones; `record`, the path of the record; `label`, for the legend; `line`, passed on to
    `Axes.plot`.

    **Returns:** the axes.
    """
    ax = new_axes(ax)
    ts, values = (what.ts, what.ys[record]) if isinstance(what, Solution) else what
    ax.plot(np.asarray(ts), np.asarray(values), label=label, **{"linewidth": 1.0, **line})
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("voltage (mV)" if record == "v" else record)
    ax.margins(x=0.01)
    if label is not None:
        ax.legend(frameon=False, loc="upper right")
    return tidy(ax)
