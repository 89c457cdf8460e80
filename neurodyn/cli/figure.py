"""The picture of a fit: data and model in every sweep, the loss, the parameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import plot
from ..fitting import FitResult
from ..plot.axes import DATA, MODEL, MUTED
from .experiment import Plan, Sweep
from .measure import crossings


_MOST = 12  # sweeps drawn


def make_figure(plan: Plan, result: FitResult, traces: list[np.ndarray]) -> Any:
    """A matplotlib figure that belongs to no backend, so nothing global changes."""
    return draw_sweeps(plan.sweeps, traces, result, float(result.model.detection))


def draw_sweeps(every: Sequence[Sweep], traces: Sequence[np.ndarray], result: FitResult, level: float) -> Any:
    """The same of some sweeps; a spike of the model is a rise of its trace through `level` mV."""
    from matplotlib.figure import Figure

    sweeps = list(zip(every, traces, strict=True))[:_MOST]
    names = [f"sweep{i}" for i in range(len(sweeps))]
    rows = max(2.6, 0.7 + 0.24 * len(result.parameters))
    heights = [1.9 if sweep.voltage is not None else 1.5 for sweep, _ in sweeps]
    sheet = Figure(figsize=(10, sum(heights) + rows + 0.4), layout="constrained")
    parts = sheet.subplot_mosaic(
        [*([name, name] for name in names), ["loss", "parameters"]],
        height_ratios=[*heights, rows],
        width_ratios=[1, 1.2],
    )
    for i, (name, (sweep, trace)) in enumerate(zip(names, sweeps, strict=True)):
        draw = _trace if sweep.voltage is not None else _spikes
        draw(sweep, trace, parts[name], level)
        parts[name].set_title(sweep.name, loc="left", fontsize="medium")
        if i < len(sweeps) - 1:
            parts[name].set_xlabel("")
        if i == 0 and parts[name].get_legend_handles_labels()[0]:  # one legend serves all
            parts[name].legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    plot.loss(result, parts["loss"])
    plot.parameters(result, parts["parameters"])
    return sheet


def _trace(sweep: Sweep, trace: np.ndarray, ax: Any, level: float) -> None:
    del level
    plot.trace((sweep.grid, sweep.voltage), ax, color=DATA, linewidth=1.4)
    plot.trace((sweep.grid, trace), ax, color=MODEL, linewidth=0.9)
    for line, name in zip(ax.lines, ("data", "model"), strict=True):
        line.set_label(name)
    _shade(sweep, ax)


def _spikes(sweep: Sweep, trace: np.ndarray, ax: Any, level: float) -> None:
    plot.raster({"data": sweep.spikes, "model": crossings(sweep.grid, trace, level)}, ax)
    _shade(sweep, ax)


def _shade(sweep: Sweep, ax: Any) -> None:
    ax.set_xlim(sweep.grid[0], sweep.grid[-1])
    if sweep.holdout is not None:
        ax.axvspan(*sweep.holdout, color=MUTED, alpha=0.25, linewidth=0, zorder=0, label="held out")
    if sweep.score != sweep.window or sweep.holdout is not None:
        ax.axvspan(*sweep.score, color=MODEL, alpha=0.08, linewidth=0, zorder=0, label="fitted")
