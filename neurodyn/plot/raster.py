"""Spike trains as rows of ticks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .axes import DATA, MODEL, MUTED, OTHER, new_axes, tidy


def raster(trains: Mapping[str, Any], ax: Any = None) -> Any:
    """Draw spike times (ms) by name, the first on top; infinite times are padding. **Returns:** the axes."""
    ax = new_axes(ax, (7.0, 0.5 + 0.45 * len(trains)))
    rows = [np.asarray(times, float) for times in trains.values()]
    rows = [times[np.isfinite(times)] for times in rows]
    colours = [(DATA, MODEL, MUTED, OTHER)[i % 4] for i in range(len(rows))]
    ax.eventplot(rows, lineoffsets=range(len(rows)), linelengths=0.75, linewidths=1.2, colors=colours)
    ax.set_yticks(range(len(rows)), [f"{name} ({times.size})" for name, times in zip(trains, rows, strict=True)])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("time (ms)")
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.01)
    tidy(ax).spines["left"].set_visible(False)
    return ax
