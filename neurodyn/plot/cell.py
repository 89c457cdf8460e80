"""The shape of a cell, and values on it."""

from collections.abc import Mapping
from typing import Any

from ..cells.layout import Layout
from ..cells.morphology.region import region_of
from .cell_drawn import colour_bar, draw, draw_marks, widen
from .cell_outline import pieces
from .cell_shape import (
    Shape,
    Sites,
    check_colours,
    layout_of,
    named_sites,
    per_compartment,
    region_colours,
    region_legend,
)
from .cell_view import cell_axes, draw_scale


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
    - `values`: one for each compartment, shape (n,), or for each section; what is not finite is drawn grey. States and currents of a channel stand in the order of
      `cell.where(name)`: put them in place first, `x = np.full(n, np.nan); x[cell.where("h")] = run.ys["i_h"][-1]`.
    - `ax`; `view`: the plane of the picture, `xy`, `xz` or `yz`, or `3d` for axes that can be turned.
    - `colour`, without values: `region`, colours of matplotlib by the names of regions (the rest is grey), or one for the whole cell.
    - `marks`: places such as `apic[5](0.3)`, one, several, or by their labels: `{"electrode": "soma[0](0.5)", "synapses": ["apic[5](0.3)", ...]}`.
    - `label`: what the values are, with their unit, `voltage (mV)`; `limits` of the colours; `cmap`, a matplotlib colour map.
    - `legend`: whether colours are explained; `scale_bar`: whether there is one.

    Widths are in um also when zoomed, except in 3d; outlines add 0.5 points, or thin branches would vanish. A soma as long as it is wide stands for a ball
    and is drawn as one, others as the cones they are. The scale bar of 3d is three bars, along x, y and z.

    **Returns:** the axes.

    **Raises:** `ValueError` for another shape, number of values, limits, colour, view or place, for a colour besides values, and axes that do not go with the
    view.
    """
    check_colours(limits, cmap)
    layout = layout_of(shape)
    shown = None if values is None else per_compartment(layout, values)
    sites = named_sites(layout, marks)
    colours = _colours(layout, colour)
    if shown is not None and colour != "region":
        raise ValueError(f"colour = {colour!r} is not allowed besides values: they are coloured by `cmap`")
    cut = pieces(layout)
    ax = cell_axes(ax, cut, view)
    drawn = draw(ax, layout, cut, view)
    if shown is None:
        drawn.paint(colours)
        if legend and (colour == "region" or isinstance(colour, Mapping)):
            region_legend(ax, layout.morphology, None if isinstance(colour, str) else colour)
    else:
        drawn.scale(shown, limits, cmap)
        drawn.show(shown)
        if legend:
            colour_bar(ax, drawn, label)
    draw_marks(ax, layout, view, sites)
    if scale_bar:
        draw_scale(ax, cut, view)
    if view == "3d":
        widen(ax, drawn, cut)
    return ax


def _colours(layout: Layout, colour: str | Mapping[str, str]) -> list[str]:
    """The colour of every compartment, without values."""
    from matplotlib.colors import is_color_like

    given = None
    if isinstance(colour, Mapping):
        given = colour
    elif not isinstance(colour, str) or not (colour == "region" or is_color_like(colour)):
        raise ValueError(
            f"colour = {colour!r} is not allowed: must be 'region', a colour of matplotlib, or colours by the names of regions"
        )
    elif colour != "region":
        return [colour] * layout.size
    colours = region_colours(layout.morphology, given)
    own = [colours[region_of(section.type)] for section in layout.morphology.sections]
    return [own[i] for i in layout.section]
