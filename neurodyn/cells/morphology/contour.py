"""From the outline of a soma to a row of cones along its longest axis, as NEURON's Import3d does.

The procedure is that of `contour2centroid` and `approximate_contour_by_circle` of NEURON 9.0.2, and is compared with it in the tests.
"""

import numpy as np


_POINTS = 101  # along an outline
_CONES = 20
_EPSILON = 1e-11  # NEURON compares numbers with this slack


def from_outline(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (21, 3) and diameters (21,) of the soma with an outline (n, 3), um.

    The outline is sampled evenly, its principal axis found, and the width across it, in the xy plane, measured at 21 places between its two ends.

    **Raises:** `ValueError` for an outline without extent.
    """
    points, centre = _even(outline)
    points = points - centre
    # Sums in NEURON's order and an axis right to the last digit: rounding decides which point of a straight side is its end.
    spread = np.array([[np.cumsum(points[:, i] * points[:, j])[-1] for j in range(3)] for i in range(3)])
    values, vectors = np.linalg.eigh(spread)
    largest, smallest = int(np.argmax(values)), int(np.argmin(values))
    gaps = values[largest] - values
    major = vectors[:, largest] + vectors @ np.where(
        gaps > 0, vectors.T @ spread @ vectors[:, largest] / np.where(gaps > 0, gaps, 1), 0
    )
    if major[np.argmax(np.abs(major))] < 0:
        major = -major
    minor = vectors[:, 3 - largest - smallest] * [1.0, 1.0, 0.0] if largest != smallest else np.zeros(3)
    size = np.sqrt((minor**2).sum())
    if not size > 1e-6:
        raise ValueError("the outline of the soma has no extent across its longest axis in the xy plane")
    along, across = (points * major).cumsum(1)[:, 2], (points * (minor / size)).cumsum(1)[:, 2]
    start = int(np.argmax(along))
    along, across = np.roll(along, -start), np.roll(across, -start)
    end = int(np.argmin(along))
    sides = [
        _rising(along[:end][::-1], across[:end][::-1]),
        _rising(along[end:], across[end:]),
    ]
    if min(len(side[0]) for side in sides) == 0 or sum(len(side[0]) for side in sides) < 4:
        raise ValueError("the outline of the soma has no two sides")
    ends = np.sort(np.concatenate([side[0] for side in sides]))
    first, last = ends[1], ends[-2]
    if not last > first:
        raise ValueError("the outline of the soma has no extent along its longest axis")
    places = first + np.arange(_CONES + 1) * ((last - first) / _CONES)
    diameters = np.abs(np.interp(places, *sides[0]) - np.interp(places, *sides[1]))
    diameters[0] = (diameters[0] + diameters[1]) / 2
    diameters[-1] = (diameters[-1] + diameters[-2]) / 2
    if not (diameters > 0).all():
        raise ValueError("the outline of the soma crosses itself: it has no width somewhere along its longest axis")
    return centre + places[:, None] * major, diameters


def from_stack(outlines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and diameters (n,) of a soma of n outlines one above the other: a circle for each.

    Its diameter is the mean distance of the outline from its centre plus perimeter / 2 pi.

    **Raises:** `ValueError` for an outline without extent.
    """
    points, diameters = [], []
    for outline in outlines:
        even, centre = _even(outline)
        edges = np.roll(outline, -1, axis=0) - outline
        perimeter = np.sqrt((edges**2).sum(1)).sum()
        points.append(centre)
        diameters.append(np.sqrt(((even - centre) ** 2).sum(1)).mean() + perimeter / (2 * np.pi))
    if not min(diameters) > 0:
        raise ValueError("an outline of the soma has no extent")
    return np.array(points), np.array(diameters)


def _even(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """101 points at equal distances, in the xy plane, from the first to the last point of the outline; and their mean."""
    steps = np.sqrt((np.diff(outline[:, :2], axis=0) ** 2).sum(1))
    along = np.concatenate([[0.0], np.cumsum(steps)])
    places = np.arange(_POINTS) * (along[-1] / (_POINTS - 1))
    even = np.column_stack([np.interp(places, along, outline[:, c]) for c in range(3)])
    return even, even.mean(0)


def _rising(along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of a side whose place along the axis is beyond those before, taken from the far end back."""
    place, width = along.tolist(), across.tolist()
    j = len(place) - 1
    while j > 0:
        if place[j] <= place[j - 1] + _EPSILON:
            del place[j], width[j]
            if j != len(place):
                j += 1
        j -= 1
    return np.array(place), np.array(width)
