"""What there is in the axes of a cell: itself, in colours that can be set, what these mean, and marks."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from ..cells.layout import Layout
from ..cells.morphology.section import SOMA
from .axes import DATA, MUTED
from .cell_outline import Pieces, outlines
from .cell_shape import colour_map, place
from .cell_view import VIEWS, flat_frame, solid_frame


_MARKS = "os^Dv"
_THIN = 0.5  # points that outlines are wide, or the thinnest branches would vanish
_THINNEST = 0.7  # points of a line in 3d


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
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        size = max(abs(low), abs(high))
        if high - low <= 1e-9 * size:  # one value, but for rounding
            low, high = low - (0.01 * size or 0.5), high + (0.01 * size or 0.5)
        if limits is not None:
            low, high = map(float, limits)
        self.collection.set_cmap(colour_map(cmap).with_extremes(bad=MUTED))
        self.collection.set_clim(low, high)

    def show(self, values: np.ndarray) -> None:
        """The value of every compartment, shape (n,)."""
        self.collection.set_array(np.ma.masked_invalid(values[self.owner]))


def draw(ax: Any, layout: Layout, cut: Pieces, view: str) -> Drawn:
    """Add the compartments to axes, without colours as yet."""
    return _solid(ax, layout, cut) if view == "3d" else _flat(ax, layout, cut, view)


def _flat(ax: Any, layout: Layout, cut: Pieces, view: str) -> Drawn:
    """Polygons, those nearest to the eye last, but the soma on top."""
    from matplotlib.collections import LineCollection, PolyCollection

    columns = list(VIEWS[view])
    shapes, depth = outlines(cut, columns)
    soma = np.asarray([section.type == SOMA for section in layout.morphology.sections])[layout.section]
    order = np.lexsort((depth, soma))
    collection = PolyCollection(
        [shapes[i] for i in order], linewidths=_THIN, joinstyle="round", edgecolors="face", zorder=2
    )
    ax.add_collection(collection, autolim=False)
    gaps = LineCollection(list(_gaps(layout)[:, :, columns]), colors=MUTED, linewidths=0.8, zorder=1)
    ax.add_collection(gaps, autolim=False)
    ax.update_datalim(flat_frame(cut, view))
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

    first, owner = _cones(cut)
    lines = np.stack([cut.points[first], cut.points[first + 1]], axis=1)
    low, high = solid_frame(cut)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=1.05)
    collection = Line3DCollection(lines, linewidths=_THINNEST, capstyle="round")
    ax.add_collection3d(collection, autolim=False)
    gaps = _gaps(layout)
    if len(gaps):
        ax.add_collection3d(Line3DCollection(gaps, colors=MUTED, linewidths=0.8), autolim=False)
    return Drawn(collection, owner)


def _cones(cut: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """The first point of each cone, and its compartment."""
    count = cut.end - cut.begin
    before = np.repeat(np.cumsum(count) - count, count)
    return np.repeat(cut.begin, count) + np.arange(count.sum()) - before, np.repeat(np.arange(len(count)), count)


def widen(ax: Any, drawn: Drawn, cut: Pieces) -> None:
    """Make the lines of a cell in space as wide as it is, in the picture as it is laid out now."""
    (low, high), (first, _) = solid_frame(cut), _cones(cut)
    widths = (cut.balls[first] + cut.balls[first + 1]) * _points_per_um(ax, (low + high) / 2)
    drawn.collection.set_linewidth(np.maximum(widths, _THINNEST))


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


def colour_bar(ax: Any, drawn: Drawn, label: str) -> Any:
    """What the colours mean, beside the axes."""
    bar = ax.figure.colorbar(drawn.collection, ax=ax, shrink=0.6, aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label)
    return bar


def draw_marks(
    ax: Any, layout: Layout, view: str, sites: Mapping[str, tuple[str, ...]], colours: Sequence[str] = (DATA,)
) -> None:
    """Marks at places, of each group one kind and colour, and its label at the first."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]
    columns, sections = list(VIEWS[view]), layout.morphology.sections
    middle = np.mean([section.points.mean(0) for section in sections], axis=0)[columns]
    for marker, colour, (name, group) in zip(cycle(_MARKS), cycle(colours), sites.items(), strict=False):
        for i, (section, x) in enumerate(place(layout, site) for site in group):
            own = sections[section]
            at = [float(np.interp(x * own.length, own.arc, own.points[:, c])) for c in columns]
            style: dict[str, Any] = dict(
                markersize=6, markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.4
            )
            ax.plot(*[[c] for c in at], marker, zorder=5, path_effects=halo, **style)
            if i:
                continue
            side = 1 if at[0] >= middle[0] else -1
            text = dict(fontsize="small", color=DATA, path_effects=halo, zorder=6)
            if view == "3d":
                ax.text(*at, f"   {name}", **text).set_in_layout(False)
            else:
                align = "left" if side > 0 else "right"
                ax.annotate(name, at, (7 * side, 5), textcoords="offset points", ha=align, **text)
