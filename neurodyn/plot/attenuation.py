"""How much of a deflection arrives elsewhere in a cell."""

from typing import Any

import numpy as np

from .._simulate import Solution
from ..cells import Cell
from ..cells.layout import Layout
from .along import distances_from, draw_branches
from .axes import DATA, new_axes, tidy
from .cell_shape import Shape, layout_of, per_compartment, region_legend, section_colours


def attenuation(
    shape: Shape, values: Any, rest: Any = None, *, at: str | None = None, ax: Any = None, legend: bool = True
) -> Any:
    """Draw the deflection of the voltage everywhere, relative to that where a current is injected, against the path from there.

    `nd.plot.attenuation(cell, run)` for the peaks of a run, `nd.plot.attenuation(cell, run.v[-1], run.v[0])` for a steady state. Each branch is a thin line in
    the colour of its region.

    **Arguments:**

    - `shape`: `Compartments`, a `Cell` or a `Morphology`.
    - `values`: the voltage, mV, of each compartment, shape (n,), or of each section; or over time, shape (times, n), or a `Solution` that recorded `v`: of
      those the largest deflection in the direction that the injected place goes to.
    - `rest`: the voltage before, mV, a scalar or shape (n,): the first record by default, needed without times, 0 for values that are deflections.
    - `at`: where the current goes in, `apic[20](0.5)`; the only place of a cell's only input by default, or else the soma.
    - `ax`; `legend`: whether the colours are explained.

    **Returns:** the axes.

    **Raises:** `ValueError` for another shape, number of values or place that is not there, without `rest` for values at one time, and for a deflection of 0
    where the current goes in.
    """
    layout = layout_of(shape)
    where = _injected(shape, layout, at)
    deflection = _deflection(layout, values, rest, where)
    there = deflection[where]
    if not np.isfinite(there) or there == 0.0:
        raise ValueError(
            f"deflection = {there:g} mV at {layout.name_of(where)!r} is not allowed: must be finite and not 0 where the current goes in"
        )
    ax = new_axes(ax, (5.0, 3.2))
    x, ratio = distances_from(layout, where), deflection / there
    draw_branches(ax, layout, x, ratio, section_colours(layout.morphology), zorder=2)
    mark: dict[str, Any] = dict(
        markersize=6, markerfacecolor="white", markeredgecolor=DATA, markeredgewidth=1.4, zorder=4
    )
    ax.plot([0.0], [1.0], "o", clip_on=False, **mark)
    if legend:
        region_legend(ax, layout.morphology)
    ax.set_xlabel(f"path distance from {layout.name_of(where)} (µm)")
    ax.set_ylabel("deflection / deflection there")
    finite = ratio[np.isfinite(ratio)]  # that of the injected place is 1
    ax.set_ylim(min(0.0, 1.05 * finite.min()), 1.05 * finite.max())
    ax.set_xlim(left=0.0)
    return tidy(ax)


def _injected(shape: Shape, layout: Layout, at: str | None) -> int:
    """The compartment where the current goes in."""
    if at is None and isinstance(shape, Cell) and len(shape.inputs) == 1:
        (only,) = shape.inputs.values()
        at = only.at if isinstance(only.at, str) else None
    return layout.root if at is None else layout.locate(at)


def _deflection(layout: Layout, values: Any, rest: Any, where: int) -> np.ndarray:
    """Of each compartment, shape (n,), mV."""
    v = per_compartment(layout, values.v if isinstance(values, Solution) else values, rows=True)
    if rest is not None:
        before = np.asarray(rest)
        before = (
            before if before.ndim == 0 and before.dtype.kind in "fiu" else per_compartment(layout, rest, name="rest")
        )
    elif v.ndim == 2:
        before = v[0]
    else:
        raise ValueError(
            "rest = None is not allowed for values at one time: must be the voltage before, in mV, or 0 for values that are deflections"
        )
    away = v - before
    if v.ndim == 1:
        return away
    # These pass over NaN, and are NaN where there is nothing else.
    up, down = np.fmax.reduce(away[:, where]), np.fmin.reduce(away[:, where])
    return np.fmax.reduce(away) if up >= -down else np.fmin.reduce(away)
