"""Values along the way from the soma to a place."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..cells.layout import Layout
from ..cells.morphology.region import region_of
from ..cells.morphology.section import SOMA
from .along import draw_branches, way_to
from .axes import MUTED, new_axes, tidy
from .cell_shape import (
    LINES,
    Shape,
    Sites,
    colour_map,
    layout_of,
    named_sites,
    per_compartment,
    place,
    region_colours,
    region_legend,
    section_colours,
)


def path(
    shape: Shape,
    values: Any,
    to: Sites | None = None,
    *,
    ax: Any = None,
    labels: Sequence[str] | None = None,
    label: str = "",
    branches: bool = False,
    cmap: str = "viridis",
) -> Any:
    """Draw values against the distance from the middle of the root section, the soma's where there is one, along the cell to a place.

    `nd.plot.path(cell, run.v.max(0), "apic[20](1)", label="peak voltage (mV)")`

    Dots are compartments, where there are up to 80; grey lines stand where the next section begins, and the strip at the bottom has the colours of the regions on the way.

    **Arguments:**

    - `shape`: a `Morphology`, `Compartments` or a `Cell`.
    - `values`: one for each compartment, shape (n,), or for each section; several rows, shape (k, n), such as `run.v[::100]`, for one place.
    - `to`: a place such as `apic[20](1)`, several, or by their labels; None for all branches, in the colours of their regions.
    - `ax`; `labels`: of the rows, `["1 ms", "2 ms"]`; `label`: what the values are, with their unit.
    - `branches`: whether all other branches are there too, as thin grey lines.
    - `cmap`: a matplotlib colour map, for more rows than three.

    **Returns:** the axes.

    **Raises:** `ValueError` for another shape, number of values or place that is not there, several rows for several places, branches
    besides several rows, and labels that do not go with the rows or for several places.
    """
    layout = layout_of(shape)
    array = per_compartment(layout, values, rows=True)
    sites = named_sites(layout, to)
    rows = np.atleast_2d(array)
    places = [
        (name if k == 0 else None, i, site)
        for i, (name, group) in enumerate(sites.items())
        for k, site in enumerate(group)
    ]
    if len(rows) > 1 and len(places) != 1:
        raise ValueError(
            f"values of shape {array.shape} are not allowed for {len(places) or 'all'} places: several rows must be for one place"
        )
    if len(rows) > 1 and branches:
        raise ValueError(f"branches = {branches!r} is not allowed for values of shape {array.shape}: must be one row")
    colour_map(cmap)
    names = _row_names(labels, len(rows), len(places))
    ax = new_axes(ax, (5.4, 3.0))
    if not places or branches:
        colours = section_colours(layout.morphology) if not places else [MUTED] * len(layout.counts)
        draw_branches(ax, layout, layout.distance, rows[0], colours, zorder=1)
    if places:
        _draw_ways(ax, layout, rows, places, names, cmap)
    else:
        region_legend(ax, layout.morphology)
    ax.set_xlabel(
        "path distance from the soma (µm)" if layout.morphology.sections[0].type == SOMA else "path distance (µm)"
    )
    ax.set_ylabel(label)
    ax.margins(x=0.02)
    return tidy(ax)


def _row_names(labels: Sequence[str] | None, rows: int, places: int) -> list[str | None]:
    """What each row is called in the legend. **Raises:** `ValueError`."""
    if labels is None:
        return [None] * rows
    if isinstance(labels, str) or not isinstance(labels, Sequence | np.ndarray):
        raise ValueError(f"labels = {labels!r} is not allowed: must be a list, one for each row of values")
    if len(labels) != rows:
        raise ValueError(f"labels: {len(labels)} are not allowed: must be {rows}, one for each row of values")
    if places != 1:
        raise ValueError(
            f"labels are not allowed for {places or 'all'} places: these are named in `to`, as in {{'tuft': 'apic[20](1)'}}"
        )
    return [str(label) for label in labels]


def _draw_ways(
    ax: Any,
    layout: Layout,
    rows: np.ndarray,
    places: list[tuple[str | None, int, str]],
    names: list[str | None],
    cmap: str,
) -> None:
    """Rows of values along the way to one place, or one row along the ways to several, of a colour for each group."""
    ways = [(name, group, *way_to(layout, *place(layout, site))) for name, group, site in places]
    if len(ways) == 1:
        _, _, compartments, distances, borders = ways[0]
        for row, colour, text in zip(rows, _of_rows(len(rows), cmap), names, strict=True):
            _draw(ax, distances, row[compartments], colour, text)
        _draw_regions(ax, layout, distances, borders)
    else:
        for name, group, compartments, distances, _ in ways:
            _draw(ax, distances, rows[0][compartments], LINES[group % len(LINES)], name)
    if len(ways) > 1 or names[0] is not None:
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw(ax: Any, distances: np.ndarray, values: np.ndarray, colour: Any, text: str | None) -> None:
    dots = dict(marker="o", markersize=3.0) if distances.size <= 80 else {}
    ax.plot(distances, values, color=colour, linewidth=1.4, label=text, zorder=3, **dots)


def _of_rows(count: int, cmap: str) -> list[Any]:
    """Colours of rows: apart for a few, in order for many."""
    return list(LINES[:count]) if count <= 3 else list(colour_map(cmap)(np.linspace(0.0, 0.9, count)))


def _draw_regions(ax: Any, layout: Layout, distances: np.ndarray, borders: list[tuple[float, int]]) -> None:
    """Where the sections on the way begin, and their regions below."""
    sections, colours = layout.morphology.sections, region_colours(layout.morphology)
    for begin, _ in borders[1:]:
        ax.axvline(begin, color=MUTED, linewidth=0.5, zorder=0)
    names = [region_of(sections[index].type) for _, index in borders]
    begins = [begin for begin, _ in borders]
    ends = [*begins[1:], float(distances[-1])]
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.09 * (top - bottom), top)
    along = ax.get_xaxis_transform()
    k = 0
    while k < len(names):
        last = k
        while last + 1 < len(names) and names[last + 1] == names[k]:
            last += 1
        begin, end, colour = begins[k], ends[last], colours[names[k]]
        ax.fill_between([begin, end], 0.0, 0.02, transform=along, color=colour, linewidth=0, zorder=2)
        if end - begin > 0.12 * ends[-1]:
            ax.text(
                (begin + end) / 2,
                0.025,
                names[k],
                transform=along,
                ha="center",
                va="bottom",
                fontsize="x-small",
                color=colour,
            )
        k = last + 1
