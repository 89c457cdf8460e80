"""Phase planes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._paths import named_leaves
from .._simulate import Solution
from ..analysis import FixedPoint, PhasePlane
from .axes import DATA, MODEL, MUTED, OTHER, new_axes, tidy


#: Filled where stable, hollow where not, a diamond for saddles.
_MARKS = {"stable": ("o", DATA), "unstable": ("o", "white"), "saddle": ("D", "white"), "non-hyperbolic": ("s", MUTED)}


def phase_plane(
    plane: PhasePlane,
    ax: Any = None,
    *,
    points: Sequence[FixedPoint] = (),
    trajectories: Solution | Sequence[Solution] = (),
    density: float = 1.0,
) -> Any:
    """Draw the flow of a phase plane, its nullclines, and on top equilibria and runs.

    **Arguments:** `plane`, from `nd.analysis.phase_plane`; `ax`; `points`, from `nd.analysis.fixed_points` (filled: stable, hollow: unstable, diamond:
    saddle); `trajectories`, solutions that recorded both variables; `density` of the stream lines, 0 for none.

    **Returns:** the axes.
    """
    ax = new_axes(ax, (4.6, 3.6))
    x, y, dx, dy = (np.asarray(a, float) for a in (plane.x, plane.y, plane.dx, plane.dy))
    if density > 0:
        # In units of the axes, or a gate's motion would not show beside a voltage's.
        u, v = dx / np.ptp(x), dy / np.ptp(y)
        stream = dict(color=MUTED, linewidth=0.6, arrowsize=0.7, density=density, zorder=1)
        ax.streamplot(x, y, u, v, broken_streamlines=True, **stream)
    for values, colour, name in ((dx, MODEL, plane.names[0]), (dy, OTHER, plane.names[1])):
        if np.nanmin(values) < 0 < np.nanmax(values):
            ax.contour(x, y, values, levels=[0.0], colors=[colour], linewidths=1.8, zorder=2)
        ax.plot([], [], color=colour, linewidth=1.8, label=f"d{_short(name)}/dt = 0")
    runs = [trajectories] if isinstance(trajectories, Solution) else trajectories
    for run in runs:
        ax.plot(*(np.asarray(run.ys[name]) for name in plane.names), color=DATA, linewidth=1.0, zorder=3)
    for kind in dict.fromkeys(point.kind for point in points):
        marker, face = _MARKS[kind.split()[0].removesuffix("-focus")]
        at = [[float(named_leaves(p.state)[name]) for name in plane.names] for p in points if p.kind == kind]
        mark = dict(marker=marker, s=38, facecolor=face, edgecolor=DATA, linewidths=1.3, zorder=4)
        ax.scatter(*np.transpose(at), label=kind, clip_on=False, **mark)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    ax.set_xlabel(axis_label(plane.names[0]))
    ax.set_ylabel(axis_label(plane.names[1]))
    ax.legend(
        frameon=False,
        fontsize="small",
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        borderaxespad=0.2,
        columnspacing=1.2,
    )
    return tidy(ax)


def axis_label(path: str) -> str:
    """What an axis of a state is called: voltages are in mV."""
    return "voltage (mV)" if _short(path) == "v" else path


def _short(path: str) -> str:
    return path.split(".")[-1]
