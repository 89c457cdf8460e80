"""How large a cell is."""

from typing import Any

import numpy as np

from .axes import DATA
from .cell_drawn import VIEWS
from .cell_outline import Pieces


def draw_scale(ax: Any, cut: Pieces, view: str) -> None:
    """A bar of so many um, which follows when the axes are zoomed; three in 3d."""
    if view == "3d":
        _triad(ax, cut)
    else:
        _bar(ax, cut, list(VIEWS[view]))


def _nice(longest: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is no longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(power * max(k for k in (1, 2, 5) if k * power <= longest))


def _bar(ax: Any, cut: Pieces, columns: list[int]) -> None:
    """In a corner where nothing is, or else below."""
    from matplotlib.font_manager import FontProperties
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    flat, wide = cut.points[:, columns], cut.radii[:, None]
    low, high = (flat - wide).min(0), (flat + wide).max(0)
    length = _nice(float(max(high[0] - low[0], (high[1] - low[1]) / 2)) / 4)
    inside = np.diff(cut.section) == 0
    steps = np.linspace(0.0, 1.0, 9)[:, None, None]
    between = (flat[:-1] + steps * np.diff(flat, axis=0))[:, inside].reshape(-1, 2)
    reach = [1.2 * length, max(0.14 * (high[1] - low[1]), 0.07 * (high[0] - low[0]))] + np.tile(
        wide[:-1][inside], (9, 1)
    )
    corners = {
        "lower right": (high[0], low[1]),
        "lower left": low,
        "upper right": high,
        "upper left": (low[0], high[1]),
    }
    free = [name for name, at in corners.items() if not (np.abs(between - at) < reach).all(axis=1).any()]
    below = dict(loc="upper right", bbox_to_anchor=(1.0, 0.0), bbox_transform=ax.transAxes)
    where: dict[str, Any] = dict(loc=free[0]) if free else below
    style: dict[str, Any] = dict(pad=0.2, sep=3, frameon=False, color=DATA, fontproperties=FontProperties(size="small"))
    bar = AnchoredSizeBar(ax.transData, length, f"{length:g} µm", **where, **style)
    bar.size_bar.get_children()[0].set(linewidth=2.0)
    bar.set_in_layout(not free)  # zoomed it may be longer than the axes
    ax.add_artist(bar)


def _triad(ax: Any, cut: Pieces) -> None:
    """Along each axis, from the lowest corner."""
    low, extent = cut.points.min(0), np.ptp(cut.points, axis=0)
    length = _nice(float(extent.max()) / 5)
    low[0 if extent[0] < extent[1] else 1] -= 0.5 * length  # beside the cell
    for axis, name in zip(np.eye(3), "xyz", strict=True):
        (line,) = ax.plot(*np.stack([low, low + length * axis], axis=1), color=DATA, linewidth=1.5, clip_on=False)
        at = low + 1.2 * length * axis
        text = ax.text(*at, name, fontsize="small", color=DATA, ha="center", va="center")
        for artist in (line, text):
            artist.set_in_layout(False)  # which takes places in space for those on the page
    ax.text2D(0.02, 0.02, f"bars: {length:g} µm", transform=ax.transAxes, fontsize="small", color=DATA)
