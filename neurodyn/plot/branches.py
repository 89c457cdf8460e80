"""Bifurcation diagrams."""

from typing import Any

import numpy as np

from .._paths import named_leaves
from ..analysis import Branch, Hopf, SaddleNode
from .axes import DATA, MODEL, OTHER, check_kind, new_axes, tidy
from .firing import current_label
from .plane import axis_label


def bifurcation(branch: Branch, ax: Any = None, *, state: str = "v", unit: str = "uA/cm2") -> Any:
    """Draw a branch of equilibria, solid where stable and dashed where not, with its bifurcations and their currents.

    **Arguments:** `branch`, from `nd.analysis.continue_equilibria`; `ax`; `state`, the path of what is drawn against the drive; `unit`, of the drive, empty for a model without units.

    **Returns:** the axes.
    """
    check_kind("branch", branch, Branch)
    ax = new_axes(ax, (4.6, 3.4))
    drive, values, stable = np.asarray(branch.drive), np.asarray(named_leaves(branch.states)[state]), branch.stable
    marks = [(float(p.drive), float(named_leaves(p.state)[state]), p) for p in branch.points]
    for begin, end, is_stable in _pieces(np.asarray(stable)):
        xs, ys = drive[begin : end + 1], values[begin : end + 1]
        # From bifurcation to bifurcation, not from one computed point to the next.
        xs, ys = _extended(xs, ys, drive, values, begin, end, marks)
        label = "stable" if is_stable else "unstable"
        seen = label in ax.get_legend_handles_labels()[1]
        style = dict(color=MODEL, linewidth=2.0) if is_stable else dict(color=DATA, linewidth=1.1, dashes=(4, 2.5))
        ax.plot(xs, ys, label=None if seen else label, zorder=2 if is_stable else 1, **style)
    for x, y, point in marks:
        name, mark = _mark(point)
        seen = name in ax.get_legend_handles_labels()[1]
        ax.scatter(x, y, s=36, edgecolor=OTHER, linewidths=1.5, zorder=3, label=None if seen else name, **mark)
        late = x > np.ptp(drive) / 2 + drive.min()
        where = dict(xytext=(6, -13) if late else (9, -4), ha="center" if late else "left")
        text = ax.annotate(_value(point), (x, y), textcoords="offset points", fontsize="small", color=OTHER, **where)
        text.set_in_layout(False)  # or the axes would shrink to make room for it
    ax.set_xlabel(current_label(unit))
    ax.set_ylabel(axis_label(state))
    ax.margins(x=0.02)
    ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)
    return tidy(ax)


def _pieces(stable: np.ndarray) -> list[tuple[int, int, bool]]:
    """First and last index of each stretch of equal stability."""
    cuts = np.flatnonzero(np.diff(stable)) + 1
    edges = [0, *cuts.tolist(), stable.size]
    return [(a, b - 1, bool(stable[a])) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _extended(xs, ys, drive, values, begin, end, marks):
    """A piece with the bifurcation between it and each neighbour added."""
    scale = np.ptp(drive) or 1.0, np.ptp(values) or 1.0

    def nearest(a, b):
        if not marks or not 0 <= a < drive.size or not 0 <= b < drive.size:
            return None
        away = [
            sum(np.hypot((x - drive[i]) / scale[0], (y - values[i]) / scale[1]) for i in (a, b)) for x, y, _ in marks
        ]
        return marks[int(np.argmin(away))][:2]

    for point, first in ((nearest(begin - 1, begin), True), (nearest(end, end + 1), False)):
        if point is not None:
            xs, ys = (np.concatenate([[p], a] if first else [a, [p]]) for p, a in zip(point, (xs, ys), strict=True))
    return xs, ys


def _mark(point: SaddleNode | Hopf) -> tuple[str, dict[str, str]]:
    """The kind of a bifurcation and how it is marked: filled where a stable oscillation is born."""
    if isinstance(point, SaddleNode):
        return "saddle-node", {"marker": "s", "facecolor": "white"}
    subcritical = float(point.lyapunov) > 0
    name = "subcritical Hopf" if subcritical else "supercritical Hopf"
    return name, {"marker": "o", "facecolor": "white" if subcritical else OTHER}


def _value(point: SaddleNode | Hopf) -> str:
    rate = f", {float(point.frequency):.3g} Hz" if isinstance(point, Hopf) else ""
    return f"{float(point.drive):.4g}{rate}"
