"""How a fit went and what it changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..fitting import FitResult, FittedParameter
from .axes import DATA, MODEL, MUTED, check_kind, new_axes, tidy


def loss(result: FitResult, ax: Any = None) -> Any:
    """The loss of every start over the steps of a fit, the best drawn on top. **Returns:** the axes."""
    check_kind("result", result, FitResult)
    ax = new_axes(ax, (4.0, 2.6))
    values = np.where(np.isfinite(result.history.loss), result.history.loss, np.nan)
    ax.plot(values, color=MUTED, linewidth=0.5, alpha=0.6)
    ax.plot(values[:, result.best_start], color=MODEL, linewidth=1.5, label="best start")
    ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel("loss")
    ax.legend(frameon=False, loc="upper right")
    return tidy(ax)


def _is_relative(parameter: FittedParameter) -> bool:
    """Whether a change is best told as a factor: voltages have no natural zero."""
    return parameter.unit != "mV" and float(parameter.before) > 0


def _tick(doublings: int) -> str:
    """The factor, and below it the difference in mV of a potential at the same place."""
    if not doublings:
        return "1\n0"
    return f"{'×' if doublings > 0 else '÷'}{2 ** abs(doublings)}\n{'+' if doublings > 0 else '−'}{8 * abs(doublings)}"


def parameters(result: FitResult, ax: Any = None, *, truth: Mapping[str, Any] | None = None) -> Any:
    """Each trained scalar before and after the fit: voltages as differences
    in mV (8 for the length of a factor of two), the rest as ratios to the start.

    **Arguments:** `truth`, the values to be recovered, by path, if they are known. **Returns:** the axes.
    """
    check_kind("result", result, FitResult)
    rows = [p for p in result.parameters if np.ndim(p.before) == 0]
    names = [p.path if _is_relative(p) else f"{p.path} ({p.unit})" for p in rows]
    ax = new_axes(ax, (4.0 + 0.08 * max(map(len, names), default=0), 1.0 + 0.26 * len(rows)))
    for i, p in enumerate(rows):
        relative = _is_relative(p)

        def place(value, p=p, relative=relative):
            if relative:
                return np.log2(float(value) / float(p.before))
            return (float(value) - float(p.before)) / 8

        ax.plot([0, place(p.after)], [i, i], color=MUTED, linewidth=1.0, zorder=1)
        ax.scatter(0, i, s=22, facecolor="white", edgecolor=MUTED, zorder=2, label="before" if i == 0 else None)
        if truth is not None and p.path in truth:
            mark = dict(color=DATA, marker="|", s=120, linewidths=2, zorder=3)
            ax.scatter(place(truth[p.path]), i, label="hidden" if i == 0 else None, **mark)
        ax.scatter(place(p.after), i, s=26, color=MODEL, zorder=4, label="fitted" if i == 0 else None)
    ax.set_yticks(range(len(rows)), names)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    limit = max(1.0, *(abs(x) for x in ax.get_xlim()))
    ax.set_xlim(-limit, limit)
    # A few ticks however far the parameters went: doublings by 1, 2, 4, ... to a side.
    step = 2 ** max(0, int(np.floor(np.log2(limit / 1.5))))
    places = step * np.arange(-int(limit / step), int(limit / step) + 1)
    ax.set_xticks(places, [_tick(int(k)) for k in places])
    ax.set_xlabel("factor, or difference in mV")
    ax.axvline(0, color=MUTED, linewidth=0.5, zorder=0)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return tidy(ax)
