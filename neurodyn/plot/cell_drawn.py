"""A cell in axes, whose colours can be set."""

import dataclasses
from typing import Any

import numpy as np

from ..cells.layout import Layout
from ..cells.morphology.section import SOMA
from .axes import MUTED
from .cell_outline import Pieces, outlines
from .cell_shape import colour_map


#: Which axes of space a view shows.
VIEWS = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2), "3d": (0, 1, 2)}
_THIN = 0.4  # points that outlines are wide, or the thinnest branches would vanish
_THINNEST = 0.5  # points of a line in 3d


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A collection of polygons or lines.

    **Fields:** `collection`; `owner`: the compartment of each of its elements.
    """

    collection: Any
    owner: np.ndarray

    def paint(self, colours: list[Any]) -> None:
        """A colour for every compartment."""
        self.collection.set_color([colours[i] for i in self.owner])

    def scale(self, values: np.ndarray, limits: tuple[float, float] | None, cmap: str) -> None:
        """Colours for values, between limits or else the least and the largest finite one of `values`."""
        finite = values[np.isfinite(values)]
        low, high = limits or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
        if low == high:
            low, high = low - 0.5, high + 0.5
        self.collection.set_cmap(colour_map(cmap).with_extremes(bad=MUTED))
        self.collection.set_clim(low, high)

    def show(self, values: np.ndarray) -> None:
        """The value of every compartment, shape (n,)."""
        self.collection.set_array(np.ma.masked_invalid(values[self.owner]))


def draw(ax: Any, layout: Layout, cut: Pieces, view: str) -> Drawn:
    """Add the compartments to axes, without colours as yet."""
    return _solid(ax, layout, cut) if view == "3d" else _flat(ax, layout, cut, list(VIEWS[view]))


def _flat(ax: Any, layout: Layout, cut: Pieces, columns: list[int]) -> Drawn:
    """Polygons, those nearest to the eye last, but the soma on top."""
    from matplotlib.collections import LineCollection, PolyCollection

    shapes, depth = outlines(cut, columns)
    soma = np.asarray([section.type == SOMA for section in layout.morphology.sections])[layout.section]
    order = np.lexsort((depth, soma))
    collection = PolyCollection(
        [shapes[i] for i in order], linewidths=_THIN, joinstyle="round", edgecolors="face", zorder=2
    )
    ax.add_collection(collection, autolim=False)
    gaps = LineCollection(list(_gaps(layout)[:, :, columns]), colors=MUTED, linewidths=0.8, zorder=1)
    ax.add_collection(gaps, autolim=False)
    corners = np.concatenate(shapes)
    ax.update_datalim([corners.min(0), corners.max(0)])
    ax.set_aspect("equal")
    ax.margins(0.03)
    ax.autoscale_view()
    return Drawn(collection, order)


def _gaps(layout: Layout) -> np.ndarray:
    """Lines from where sections are attached to where they begin, if that is outside of what carries them, shape (gaps, 2, 3): files leave out the
    way through a soma, which the model does not have either."""
    sections, lines = layout.morphology.sections, []
    for section, carrier in zip(sections[1:], layout.morphology.parents[1:], strict=True):
        parent = sections[carrier]
        middle = [np.interp(section.at * parent.length, parent.arc, parent.points[:, c]) for c in range(3)]
        if np.linalg.norm(section.points[0] - middle) > 1.05 * parent.diameters.max() / 2:
            lines.append([middle, section.points[0]])
    return np.asarray(lines, float).reshape(-1, 2, 3)


def _solid(ax: Any, layout: Layout, cut: Pieces) -> Drawn:
    """A line for each cone."""
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    count = cut.end - cut.begin
    owner = np.repeat(np.arange(len(count)), count)
    first = np.repeat(cut.begin, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    lines = np.stack([cut.points[first], cut.points[first + 1]], axis=1)
    low, high = (cut.points - cut.radii[:, None]).min(0), (cut.points + cut.radii[:, None]).max(0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=1.05)
    widths = np.maximum((cut.radii[first] + cut.radii[first + 1]) * _points_per_um(ax, (low + high) / 2), _THINNEST)
    collection = Line3DCollection(lines, linewidths=widths, capstyle="round")
    ax.add_collection3d(collection, autolim=False)
    gaps = _gaps(layout)
    if len(gaps):
        ax.add_collection3d(Line3DCollection(gaps, colors=MUTED, linewidths=0.8), autolim=False)
    return Drawn(collection, owner)


def _points_per_um(ax: Any, middle: np.ndarray) -> float:
    """How many points one um is in the middle of the picture, as it is laid out now."""
    from mpl_toolkits.mplot3d.proj3d import proj_transform

    ax.figure.draw_without_rendering()
    steps = 10.0 * np.eye(3)
    x, y, z = np.concatenate([middle - steps / 2, middle + steps / 2]).T
    flat = np.stack(proj_transform(x, y, z, ax.get_proj())[:2], axis=1)
    ends = ax.transData.transform(flat)
    seen = ends[3:] - ends[:3]
    # Of the three directions two are across the line of sight: the root of the sum of squares is that of sqrt(2) steps.
    return float(np.sqrt(np.sum(np.square(seen)) / 2) / 10.0 * 72 / ax.figure.dpi)
