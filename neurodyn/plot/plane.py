"""Phase planes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._paths import named_leaves
from .._simulate import Solution
from ..analysis import FixedPoint, PhasePlane
from .axes import DATA, MODEL, MUTED, OTHER, check_kind, new_axes, tidy


#: Filled where stable, hollow where not, a diamond for saddles.
_MARKS = {"stable": ("o", DATA), "unstable": ("o", "white"), "saddle": ("D", "white"), "non-hyperbolic": ("s", MUTED)}


def phase_plane(
    plane: PhasePlane,
    ax: Any = None,
    *,
    points: Sequence[FixedPoint] = (),
    trajectories: Solution | Sequence[Solution] = (),
    density: float = 1.0,
    legend: bool = True,
) -> Any:
    """Draw the flow of a phase plane, its nullclines, and on top equilibria and runs.

    **Arguments:** `plane`, from `nd.analysis.phase_plane`; `ax`; `points`, from `nd.analysis.fixed_points` (filled: stable, hollow: unstable, diamond:
    saddle); `trajectories`, solutions that recorded both variables; broken off where a reset throws x back; `density` of the stream lines, 0
    for none; `legend`, whether there is one, above the axes.

    **Returns:** the axes.
    """
    check_kind("plane", plane, PhasePlane)
    ax = new_axes(ax, (4.6, 3.6))
    x, y, dx, dy = (np.asarray(a, float) for a in (plane.x, plane.y, plane.dx, plane.dy))
    if density > 0:
        stream = dict(color=MUTED, linewidth=0.6, arrowsize=0.7, density=density, zorder=1)
        ax.streamplot(x, y, dx, dy, broken_streamlines=True, **stream)
    for values, colour, name in ((dx, MODEL, plane.names[0]), (dy, OTHER, plane.names[1])):
        if np.nanmin(values) < 0 < np.nanmax(values):
            ax.contour(x, y, values, levels=[0.0], colors=[colour], linewidths=1.8, zorder=2)
        ax.plot([], [], color=colour, linewidth=1.8, label=f"d{_short(name)}/dt = 0")
    runs = [trajectories] if isinstance(trajectories, Solution) else trajectories
    for run in runs:
        ax.plot(*_unbroken(run, plane.names), color=DATA, linewidth=1.0, zorder=3)
    for kind in dict.fromkeys(point.kind for point in points):
        marker, face = _MARKS[kind.split()[0].removesuffix("-focus")]
        at = [[float(named_leaves(p.state)[name]) for name in plane.names] for p in points if p.kind == kind]
        mark = dict(marker=marker, s=38, facecolor=face, edgecolor=DATA, linewidths=1.3, zorder=4)
        ax.scatter(*np.transpose(at), label=kind, clip_on=False, **mark)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    ax.set_xlabel(axis_label(plane.names[0]))
    ax.set_ylabel(axis_label(plane.names[1]))
    if legend:
        place = dict(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.2)
        ax.legend(frameon=False, fontsize="small", **place)
    return tidy(ax)


def _unbroken(run: Solution, names: tuple[str, str]) -> list[np.ndarray]:
    """What was recorded of two variables, with a gap where a spike threw the first one back."""
    records = [np.asarray(run.ys[name], float) for name in names]
    if run.located is None:
        return records
    ts, spikes = np.asarray(run.ts), np.asarray(run.located.times)
    after = np.searchsorted(ts, spikes[(spikes > ts[0]) & (spikes <= ts[-1])])
    after = after[records[0][after] < records[0][after - 1]]
    return [np.insert(record, after, np.nan) for record in records]


def axis_label(path: str) -> str:
    """What an axis of a state is called: voltages are in mV."""
    return "voltage (mV)" if _short(path) == "v" else path


def _short(path: str) -> str:
    return path.split(".")[-1]
