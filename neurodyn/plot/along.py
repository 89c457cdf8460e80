"""Ways along a cell."""

from typing import Any

import numpy as np

from ..cells.layout import Layout


def way_to(layout: Layout, section: int, x: float) -> tuple[np.ndarray, np.ndarray, list[tuple[float, int]]]:
    """The compartments from the middle of the root section to a place, and their distances from there, um, shape (m,) each; and at which distance each section
    on the way begins.

    Where a section is attached between the ends of another, the compartment that carries it stands no farther away than it begins.
    """
    morphology, counts, first = layout.morphology, layout.counts, layout.first
    starts, lengths = morphology.starts, morphology.lengths
    chain = [(section, x)]
    while chain[-1][0] != 0:
        own = chain[-1][0]
        chain.append((int(morphology.parents[own]), morphology.sections[own].at))
    compartments: list[int] = []
    distances: list[float] = []
    borders: list[tuple[float, int]] = []
    for index, leave in reversed(chain):
        last = min(int(leave * counts[index]), counts[index] - 1)
        if index == 0:
            own = np.arange(layout.root, last + 1) if last >= layout.root else np.arange(layout.root, last - 1, -1)
        else:
            own = np.arange(
                last + 1 if leave > 0 or index == section else 0
            )  # what hangs on its beginning does not pass it
        own = own + first[index]
        # The root's middle is where distances begin, also if it is the border of two compartments.
        away = np.where(own == layout.root, 0.0, layout.distance[own])
        end = abs(leave - 0.5) * lengths[0] if index == 0 else starts[index] + leave * lengths[index]
        if own.size:
            borders.append((0.0 if index == 0 else float(starts[index]), index))
        compartments += own.tolist()
        distances += (away if index == section else np.minimum(away, end)).tolist()
    return np.asarray(compartments), np.asarray(distances), borders


def distances_from(layout: Layout, compartment: int) -> np.ndarray:
    """The path from the middle of a compartment to that of each, um, shape (n,)."""
    sections, lengths, parents = (
        layout.morphology.sections,
        layout.morphology.lengths,
        layout.morphology.parents.tolist(),
    )
    here, x = int(layout.section[compartment]), float(layout.position[compartment])
    # Of the sections from here to the root: where the path comes in, and how long it is by then.
    entry, before = {here: x}, {here: 0.0}
    while here != 0:
        parent = parents[here]
        entry[parent], before[parent] = sections[here].at, before[here] + x * lengths[here]
        here, x = parent, sections[here].at
    out = np.empty(layout.size)
    start = np.zeros(len(sections))  # of the other sections, the distance of their beginning
    for i, section in enumerate(sections):
        own = slice(layout.first[i], layout.first[i] + layout.counts[i])
        if i in entry:
            out[own] = before[i] + np.abs(layout.position[own] - entry[i]) * lengths[i]
            continue
        parent, at = parents[i], section.at
        inside = before[parent] + abs(at - entry[parent]) * lengths[parent] if parent in entry else None
        away = start[parent] + at * lengths[parent] if inside is None else inside
        start[i] = away
        out[own] = away + layout.position[own] * lengths[i]
    return out


def branch_lines(layout: Layout, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """A line for every section through its compartments, from the one that carries it; shape (points, 2)."""
    parents, lines = layout.tree.parents, []
    both = np.stack([x, y], axis=1)
    for first, count in zip(layout.first.tolist(), layout.counts, strict=True):
        carrier = int(parents[first])
        while carrier >= layout.size:  # a junction
            carrier = int(parents[carrier])
        own = both[first : first + count]
        lines.append(own if carrier < 0 else np.concatenate([both[carrier : carrier + 1], own]))
    return lines


def draw_branches(ax: Any, layout: Layout, x: np.ndarray, y: np.ndarray, colours: list[str], zorder: float) -> None:
    """All branches as thin lines in the colours of their sections."""
    from matplotlib.collections import LineCollection

    lines = branch_lines(layout, x, y)
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=0.7, zorder=zorder), autolim=False)
    if layout.size == 1:  # no line at all
        ax.plot(x, y, "o", color=colours[0], markersize=3.0, zorder=zorder)
    finite = np.isfinite(x) & np.isfinite(y)
    ax.update_datalim(np.stack([x[finite], y[finite]], axis=1))
    ax.autoscale_view()
