"""From where a cell is seen: the axes that hold it, and how large it is."""

from typing import Any

import numpy as np

from .axes import DATA, new_axes
from .cell_outline import Pieces, bounds


#: Which axes of space a view shows.
VIEWS = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2), "3d": (0, 1, 2)}
_FLATTEST = 0.16  # of its longer side: a cylinder too gets axes in which there is room for marks and a scale bar


def check_view(view: str) -> str:
    """A view. **Raises:** `ValueError` for any other."""
    if not isinstance(view, str) or view not in VIEWS:
        raise ValueError(f"view = {view!r} is not allowed: must be one of {', '.join(VIEWS)}")
    return view


def cell_axes(ax: Any, cut: Pieces, view: str) -> Any:
    """Axes for a view, new ones as wide and high as the cell asks for.

    **Raises:** `ValueError` for a view that does not exist or does not go with the axes given.
    """
    solid = check_view(view) == "3d"
    made = ax is None
    ax = new_axes(ax, cell_size(cut, view), "3d" if solid else None)
    if made and solid:
        ax.view_init(elev=15, azim=25, vertical_axis="y")
    ax.set_axis_off()
    return ax


def flat_frame(cut: Pieces, view: str) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest corner of what a flat picture shows, um, shape (2,) each."""
    low, high = (corner[list(VIEWS[view])] for corner in bounds(cut))
    missing = np.maximum(_FLATTEST * (high - low).max() - (high - low), 0.0) / 2
    return low - missing, high + missing


def solid_frame(cut: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """The same in space, shape (3,) each, with room for the bars beside or below the cell."""
    low, high = bounds(cut)
    corner, length = _corner(cut)
    return np.minimum(low, corner), np.maximum(high, corner + 1.2 * length)


def cell_size(cut: Pieces, view: str) -> tuple[float, float]:
    """Width and height of a picture of a cell, inches."""
    if view == "3d":
        return 5.0, 5.0
    extent = np.subtract(*flat_frame(cut, view)[::-1])
    ratio = float(extent[0] / extent[1])
    return float(np.clip(4.8 * ratio, 3.4, 7.5)), float(np.clip(7.0 / ratio, 1.8, 5.0))


def draw_scale(ax: Any, cut: Pieces, view: str) -> None:
    """A bar of so many um, which follows when the axes are zoomed; three in 3d."""
    if view == "3d":
        _triad(ax, cut)
    else:
        _bar(ax, cut, view)


def _nice(longest: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is no longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(power * max(k for k in (1, 2, 5) if k * power <= longest))


def _bar(ax: Any, cut: Pieces, view: str) -> None:
    """In a corner where nothing is, or else below."""
    from matplotlib.font_manager import FontProperties
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    flat, wide = cut.points[:, list(VIEWS[view])], cut.radii[:, None]
    low, high = flat_frame(cut, view)
    length = _nice(float(max(high[0] - low[0], (high[1] - low[1]) / 2)) / 4)
    inside = np.diff(cut.section) == 0
    steps = np.linspace(0.0, 1.0, 9)[:, None, None]
    between = (flat[:-1] + steps * np.diff(flat, axis=0))[:, inside].reshape(-1, 2)
    page = ax.get_window_extent().size * 72 / ax.figure.dpi  # points, before all is laid out
    text = 20 * float(np.max((high - low) / page))  # um that the bar and its length are high
    reach = [1.2 * length, max(0.14 * (high[1] - low[1]), 0.07 * (high[0] - low[0]), text)] + np.tile(
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


def _corner(cut: Pieces) -> tuple[np.ndarray, float]:
    """Where the three bars meet, shape (3,), um: beside a cell that is high, below one that is wide; and how long they are."""
    low, high = bounds(cut)
    extent = high - low
    length = _nice(float(extent.max()) / 4)
    low[0 if extent[0] < extent[1] else 1] -= 1.8 * length + 0.3 * extent[2]  # seen at an angle the far side is nearer
    return low, length


def _triad(ax: Any, cut: Pieces) -> None:
    """Along each axis."""
    corner, length = _corner(cut)
    for axis, name in zip(np.eye(3), "xyz", strict=True):
        (line,) = ax.plot(*np.stack([corner, corner + length * axis], axis=1), color=DATA, linewidth=1.5, clip_on=False)
        text = ax.text(*(corner + 1.2 * length * axis), name, fontsize="small", color=DATA, ha="center", va="center")
        for artist in (line, text):
            artist.set_in_layout(False)  # which takes places in space for those on the page
    ax.text2D(0.02, 0.02, f"bars: {length:g} µm", transform=ax.transAxes, fontsize="small", color=DATA)
