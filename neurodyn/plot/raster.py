"""Spike trains as rows of ticks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._simulate import Spikes
from .axes import DATA, MODEL, MUTED, OTHER, new_axes, tidy


def raster(trains: Mapping[str, Any] | Any, ax: Any = None) -> Any:
    """Draw spike times, the first train on top.

    **Arguments:** `trains`, spike times in ms by name, or those of many units or trials as `Spikes` or an array of shape (units, spikes); infinite times
    are padding. `ax`.

    **Returns:** the axes.

    **Raises:** `ValueError` for anything else.
    """
    if isinstance(trains, Mapping):
        return _named(trains, ax)
    times = np.asarray(trains.times if isinstance(trains, Spikes) else trains)
    if times.ndim == 0 or times.dtype.kind not in "fiu":
        raise ValueError(
            f"trains of type {type(trains).__name__} are not allowed: must be spike times, Spikes, or spike times by name"
        )
    times = times.reshape(-1, times.shape[-1])
    ax = new_axes(ax, (7.0, float(np.clip(1.0 + 0.05 * len(times), 1.5, 5.0))))
    ax.eventplot([row[np.isfinite(row)] for row in times], linelengths=0.8, linewidths=0.8, colors=DATA)
    ax.set_ylim(len(times) - 0.5, -0.5)
    ax.set_ylabel("unit")
    ax.set_xlabel("time (ms)")
    ax.margins(x=0.01)
    return tidy(ax)


def _named(trains: Mapping[str, Any], ax: Any) -> Any:
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
