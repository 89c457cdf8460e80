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
        _bar(ax, cut.points[:, VIEWS[view]])


def _nice(longest: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is no longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(power * max(k for k in (1, 2, 5) if k * power <= longest))


def _bar(ax: Any, flat: np.ndarray) -> None:
    """In the corner with the fewest points."""
    from matplotlib.font_manager import FontProperties
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    low, extent = flat.min(0), np.maximum(np.ptp(flat, axis=0), 1e-9)
    length = _nice(float(max(extent[0], 0.5 * extent[1])) / 4)
    part = (flat - low) / extent
    corners = {"lower right": (1, 0), "lower left": (0, 0), "upper right": (1, 1), "upper left": (0, 1)}
    reach = np.clip(1.3 * length / extent[0], 0.2, 0.6), 0.15

    def crowd(corner):
        return int((np.abs(part - corners[corner]) < reach).all(axis=1).sum())

    style: dict[str, Any] = dict(pad=0.2, sep=3, frameon=False, color=DATA, fontproperties=FontProperties(size="small"))
    bar = AnchoredSizeBar(ax.transData, length, f"{length:g} µm", min(corners, key=crowd), **style)
    bar.size_bar.get_children()[0].set(linewidth=2.0)
    ax.add_artist(bar)


def _triad(ax: Any, cut: Pieces) -> None:
    """Along each axis, from the lowest corner."""
    low, extent = cut.points.min(0), np.ptp(cut.points, axis=0)
    length = _nice(float(extent.max()) / 5)
    low = low - [0.5 * length, 0.0, 0.0]  # beside the cell
    for axis, name in zip(np.eye(3), "xyz", strict=True):
        ax.plot(*np.stack([low, low + length * axis], axis=1), color=DATA, linewidth=1.5)
        ax.text(*(low + 1.2 * length * axis), name, fontsize="small", color=DATA, ha="center", va="center")
    ax.text2D(0.02, 0.02, f"bars: {length:g} µm", transform=ax.transAxes, fontsize="small", color=DATA)
