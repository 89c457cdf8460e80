"""The shape of a cell, and values on it."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np

from ..cells.layout import Layout
from ..cells.morphology.region import region_of
from .axes import DATA, new_axes
from .cell_drawn import VIEWS, Drawn, draw
from .cell_outline import Pieces, pieces
from .cell_scale import draw_scale
from .cell_shape import (
    Shape,
    Sites,
    check_colours,
    layout_of,
    named_sites,
    per_compartment,
    place,
    region_colours,
    region_legend,
)


_MARKS = "os^Dv"


def cell(
    shape: Shape,
    values: Any = None,
    *,
    ax: Any = None,
    view: str = "xy",
    colour: str | Mapping[str, str] = "region",
    marks: Sites | None = None,
    label: str = "",
    limits: tuple[float, float] | None = None,
    cmap: str = "viridis",
    legend: bool = True,
    scale_bar: bool = True,
) -> Any:
    """Draw a cell with its true widths, its regions in colours or a value at every place.

    **Arguments:**

    - `shape`: a `Morphology`, `Compartments` or a `Cell`.
    - `values`: one for each compartment, shape (n,), or for each section; NaN is drawn grey. States and currents of a channel stand in the order of
      `cell.where(name)`: put them in place first, `x = np.full(n, np.nan); x[cell.where("h")] = run.ys["i_h"][-1]`.
    - `ax`; `view`: the plane of the picture, `xy`, `xz` or `yz`, or `3d` for axes that can be turned.
    - `colour`, without values: `region`, colours by the name of a region, or one for the whole cell.
    - `marks`: places such as `apic[5](0.3)`, one, several, or by their labels: `{"electrode": "soma[0](0.5)", "synapses": ["apic[5](0.3)", ...]}`.
    - `label`: what the values are, with their unit, `voltage (mV)`; `limits` of the colours; `cmap`, a matplotlib colour map.
    - `legend`: whether colours are explained; `scale_bar`: whether there is one.

    Widths are in um also when zoomed, except in 3d; outlines add 0.4 points, or thin branches would vanish. A soma as long as it is wide stands for a ball
    and is drawn as one, others as the cones they are.

    **Returns:** the axes.

    **Raises:** `ValueError` for another shape, a view, number of values or place that is not there, and axes that do not go with the view.
    """
    check_colours(limits, cmap)
    layout = layout_of(shape)
    shown = None if values is None else per_compartment(layout, values)
    sites = named_sites(layout, marks)
    colours = _colours(layout, colour)
    cut = pieces(layout)
    ax = cell_axes(ax, cut, view)
    drawn = draw(ax, layout, cut, view)
    if shown is None:
        drawn.paint(colours)
        if legend and not (isinstance(colour, str) and colour != "region"):
            region_legend(ax, layout.morphology, None if isinstance(colour, str) else colour)
    else:
        drawn.scale(shown, limits, cmap)
        drawn.show(shown)
        if legend:
            colour_bar(ax, drawn, label)
    draw_marks(ax, layout, view, sites)
    if scale_bar:
        draw_scale(ax, cut, view)
    return ax


def cell_axes(ax: Any, cut: Pieces, view: str) -> Any:
    """Axes for a view, new ones as wide and high as the cell asks for.

    **Raises:** `ValueError` for a view that does not exist or does not go with the axes given.
    """
    solid = check_view(view) == "3d"
    if ax is None:
        ax = new_axes(None, cell_size(cut, view))
        if solid:
            figure = ax.figure
            ax.remove()
            ax = figure.add_subplot(projection="3d")
            ax.view_init(elev=15, azim=25, vertical_axis="y")
    elif (ax.name == "3d") != solid:
        raise ValueError(
            f"ax is not allowed for view = {view!r}: must be axes {'with' if solid else 'without'} projection='3d'"
        )
    ax.set_axis_off()
    return ax


def check_view(view: str) -> str:
    """A view. **Raises:** `ValueError` for any other."""
    if view not in VIEWS:
        raise ValueError(f"view = {view!r} is not allowed: must be one of {', '.join(VIEWS)}")
    return view


def cell_size(cut: Pieces, view: str) -> tuple[float, float]:
    """Width and height of a picture of a cell, inches."""
    if view == "3d":
        return 5.0, 5.0
    extent = np.ptp(cut.points[:, VIEWS[view]], axis=0) + 2 * cut.radii.max()
    ratio = float(extent[0] / extent[1])
    return float(np.clip(4.8 * ratio, 3.4, 7.5)), float(np.clip(7.0 / ratio, 2.4, 5.0))


def _colours(layout: Layout, colour: str | Mapping[str, str]) -> list[str]:
    """The colour of every compartment, without values."""
    if isinstance(colour, str) and colour != "region":
        return [colour] * layout.size
    colours = region_colours(layout.morphology, None if isinstance(colour, str) else colour)
    own = [colours[region_of(section.type)] for section in layout.morphology.sections]
    return [own[i] for i in layout.section]


def colour_bar(ax: Any, drawn: Drawn, label: str) -> Any:
    """What the colours mean, beside the axes."""
    bar = ax.figure.colorbar(drawn.collection, ax=ax, shrink=0.6, aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(label)
    return bar


def draw_marks(ax: Any, layout: Layout, view: str, sites: Mapping[str, tuple[str, ...]]) -> None:
    """Marks at places, of each group one kind, and its label at the first."""
    from matplotlib.patheffects import withStroke

    columns, sections = list(VIEWS[view]), layout.morphology.sections
    middle = np.mean([section.points.mean(0) for section in sections], axis=0)[columns]
    for marker, (name, group) in zip(cycle(_MARKS), sites.items(), strict=False):
        for i, (section, x) in enumerate(place(layout, site) for site in group):
            own = sections[section]
            at = [float(np.interp(x * own.length, own.arc, own.points[:, c])) for c in columns]
            style: dict[str, Any] = dict(
                markersize=6, markerfacecolor="white", markeredgecolor=DATA, markeredgewidth=1.4
            )
            ax.plot(*[[c] for c in at], marker, zorder=5, **style)
            if i:
                continue
            side = 1 if at[0] >= middle[0] else -1
            text = dict(
                fontsize="small", color=DATA, path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=6
            )
            if view == "3d":
                ax.text(*at, f"   {name}", **text).set_in_layout(False)
            else:
                align = "left" if side > 0 else "right"
                ax.annotate(name, at, (7 * side, 5), textcoords="offset points", ha=align, **text)
