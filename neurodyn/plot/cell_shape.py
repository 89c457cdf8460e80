"""What pictures of cells have in common: the shape, values on it, places and the colours of regions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._simulate import Solution
from ..cells import Cell, Compartments, Morphology
from ..cells.layout import Layout
from ..cells.morphology.region import region_of
from .axes import DATA, MODEL, MUTED, OTHER


#: By SWC tag; the colours are those of the other pictures (Okabe and Ito 2008).
_COLOURS = {1: DATA, 2: "#009E73", 3: OTHER, 4: MODEL}
#: Of lines that are told apart.
LINES = (MODEL, OTHER, DATA, "#009E73", "#CC79A7", "#E69F00")
_MORE = ("#CC79A7", "#E69F00", "#56B4E9", MUTED)
_FINE = 2000  # parts of a section, among which a place is found

Shape = Morphology | Compartments | Cell
#: Places as `Layout.locate` takes them: one, several, or by what they are called.
Sites = str | Sequence[str] | Mapping[str, str | Sequence[str]]


def layout_of(shape: Shape) -> Layout:
    """The compartments of a shape, one for each section of a morphology.

    **Raises:** `ValueError` for anything else.
    """
    if isinstance(shape, Morphology):
        return Layout(shape, (1,) * len(shape.sections))
    if isinstance(shape, Compartments | Cell):
        return shape.layout
    raise ValueError(f"shape = {shape!r} is not allowed: must be a Morphology, Compartments or a Cell")


def per_compartment(layout: Layout, values: Any, rows: bool = False, name: str = "values") -> np.ndarray:
    """Values of the compartments, shape (n,), or (k, n) where `rows` are allowed, from those or from one for each section.

    **Raises:** `ValueError` for another shape.
    """
    if isinstance(values, Solution):
        raise ValueError(f"{name} of type Solution are not allowed: must be numbers, such as run.v[-1]")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} are not allowed: must be an array, but their rows differ in length") from None
    n, sections = layout.size, len(layout.counts)
    fits = array.ndim in ((1, 2) if rows else (1,)) and array.dtype.kind in "fiub" and array.size > 0
    if fits and array.shape[-1] == n:
        return array.astype(float)
    if fits and array.shape[-1] == sections:
        return array.astype(float)[..., layout.section]
    k = "k, " if rows else ""
    also = f" or ({k}{n})" if rows else ""
    raise ValueError(
        f"{name} of shape {array.shape} and type {array.dtype} are not allowed: must be numbers of shape ({n},){also}, one for each compartment, "
        f"or one for each of the {sections} sections"
    )


def place(layout: Layout, site: str) -> tuple[int, float]:
    """The section of a place and the relative position on it. **Raises:** `ValueError` as `Layout.locate`."""
    fine = Layout(layout.morphology, (_FINE,) * len(layout.counts))
    section, part = divmod(fine.locate(site), _FINE)
    return section, part / (_FINE - 1)  # both ends are reached


def named_sites(layout: Layout, sites: Sites | None) -> dict[str, tuple[str, ...]]:
    """Places by what they are called: themselves where they have no name.

    **Raises:** `ValueError` for no places, and as `Layout.locate`.
    """
    if sites is None:
        return {}
    if not isinstance(sites, str | Mapping | Sequence):
        raise ValueError(
            f"places = {sites!r} are not allowed: must be a place such as 'soma[0](0.5)', several, or several by their labels"
        )
    if not isinstance(sites, Mapping):
        sites = {str(site): site for site in ([sites] if isinstance(sites, str) else sites)}
    groups: dict[str, tuple[str, ...]] = {}
    for name, at in sites.items():
        if not isinstance(at, str | Sequence):
            raise ValueError(
                f"places of {name!r} = {at!r} are not allowed: must be a place such as 'soma[0](0.5)', or several"
            )
        groups[str(name)] = (at,) if isinstance(at, str) else tuple(at)
    for name, group in groups.items():
        if not group:
            raise ValueError(f"places of {name!r} = {group} are not allowed: must be one or more")
        layout.locate_all(group)
    return groups


def region_colours(morphology: Morphology, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The colour of every region of a cell, in the order of their tags; those that are given, and grey for the rest, or else ours.

    **Raises:** `ValueError` for a region that the cell does not have, and what is no colour.
    """
    tags = sorted({section.type for section in morphology.sections})
    others = [tag for tag in tags if tag not in _COLOURS]
    ours = {region_of(tag): _COLOURS.get(tag) or _MORE[others.index(tag) % len(_MORE)] for tag in tags}
    if given is None:
        return ours
    from matplotlib.colors import is_color_like

    for name, colour in given.items():
        if name not in ours:
            raise ValueError(f"colour[{name!r}] is not allowed: the regions are {', '.join(ours)}")
        if not is_color_like(colour):
            raise ValueError(f"colour[{name!r}] = {colour!r} is not allowed: must be a colour of matplotlib")
    return {name: given.get(name, MUTED) for name in ours}


def colour_map(name: str) -> Any:
    """A colour map of matplotlib. **Raises:** `ValueError` for a name that is none."""
    import matplotlib

    if not isinstance(name, str) or name not in matplotlib.colormaps:
        raise ValueError(
            f"cmap = {name!r} is not allowed: must be the name of a colour map of matplotlib, such as 'viridis', 'magma' or 'RdBu_r'"
        )
    return matplotlib.colormaps[name]


def check_colours(limits: tuple[float, float] | None, cmap: str) -> None:
    """Refuse what values cannot be coloured by. **Raises:** `ValueError`."""
    colour_map(cmap)
    if limits is None:
        return
    try:
        pair = np.asarray(limits, float)
    except (TypeError, ValueError):
        pair = np.empty(0)
    if pair.shape != (2,) or not np.isfinite(pair).all() or pair[0] >= pair[1]:
        raise ValueError(f"limits = {limits!r} is not allowed: must be two finite numbers, the lower one first")


def section_colours(morphology: Morphology) -> list[str]:
    """The colour of every section, that of its region."""
    colours = region_colours(morphology)
    return [colours[region_of(section.type)] for section in morphology.sections]


def region_legend(ax: Any, morphology: Morphology, given: Mapping[str, str] | None = None) -> None:
    """Names the colours of the regions above the axes."""
    from matplotlib.lines import Line2D

    colours = region_colours(morphology, given)
    handles = [Line2D([], [], color=colour, linewidth=3.0, label=name) for name, colour in colours.items()]
    where = dict(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2, columnspacing=1.2, handlelength=1.2)
    ax.legend(handles=handles, frameon=False, fontsize="small", ncols=4, **where)
