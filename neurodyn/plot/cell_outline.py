"""The outlines of the compartments of a cell, seen from one side."""

import dataclasses

import numpy as np

from ..cells.layout import Layout
from ..cells.morphology.section import SOMA, Section


_ROUND = 65  # points along a soma that is drawn as a ball, and around a cylinder that is seen from its end


@dataclasses.dataclass(frozen=True)
class Pieces:
    """The rows of cones of all compartments, one after the other.

    **Fields:** `points`, shape (m, 3), um; `radii`, shape (m,), um; `balls`: the radii of balls around the points that do not stick out of the cell at its round
    soma, and are `radii` elsewhere, shape (m,), um; `section`, of each point, shape (m,); `begin`, `end`: the first and the last point of each
    compartment, shape (n,); neighbours share one.
    """

    points: np.ndarray
    radii: np.ndarray
    balls: np.ndarray
    section: np.ndarray
    begin: np.ndarray
    end: np.ndarray


def pieces(layout: Layout) -> Pieces:
    """The cones of a cell, cut where its compartments end. A soma as long as it is wide stands for a ball, and becomes one."""
    parts = [
        _ball(s) if _stands_for_a_ball(s) else (s.points, s.diameters / 2, s.diameters / 2, s.arc)
        for s in layout.morphology.sections
    ]
    counts = np.asarray(layout.counts)
    lengths = np.asarray([arc[-1] for *_, arc in parts])
    # One coordinate for the whole cell, in which no two sections meet.
    offsets = np.concatenate([[0.0], np.cumsum(lengths + 1.0)[:-1]])
    along = np.concatenate([arc + offset for (*_, arc), offset in zip(parts, offsets, strict=True)])
    points = np.concatenate([p for p, *_ in parts])
    radii, balls = np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
    owner = np.repeat(np.arange(len(parts)), [len(arc) for *_, arc in parts])
    section = layout.section
    inner = (
        np.arange(layout.size) > layout.first[section]
    )  # all but the first compartment of a section begin with a cut
    step = (np.arange(layout.size) - layout.first[section]) / counts[section]
    cuts = (offsets[section] + step * lengths[section])[inner]
    where = np.searchsorted(along, cuts)
    cut_points = np.stack([np.interp(cuts, along, points[:, i]) for i in range(3)], axis=1)
    first, last = (
        np.searchsorted(owner, np.arange(len(parts))),
        np.searchsorted(owner, np.arange(len(parts)), side="right") - 1,
    )
    at = where + np.arange(cuts.size)  # of the cuts among all points
    shift = np.searchsorted(where, np.arange(len(along)), side="right")  # cuts before each point
    begin, end = (first + shift[first])[section], (last + shift[last])[section]
    begin[inner] = at
    end[:-1][inner[1:]] = at
    return Pieces(
        np.insert(points, where, cut_points, axis=0),
        np.insert(radii, where, np.interp(cuts, along, radii)),
        np.insert(balls, where, np.interp(cuts, along, balls)),
        np.insert(owner, where, section[inner]),
        begin,
        end,
    )


def bounds(cut: Pieces) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest corner of the box around the cell, um, shape (3,) each."""
    wide = cut.balls[:, None]
    return (cut.points - wide).min(0), (cut.points + wide).max(0)


def outlines(cut: Pieces, columns: list[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """The outline of each compartment as a polygon in um, and their mean depths along the line of sight, shape (n,).

    The sides are one radius off the middle line, at right angles to it as seen; so a wide branch is as wide from whatever side.
    """
    flat = cut.points[:, columns]
    back, forth = _directions(flat, cut.section)
    # Around a sharp bend there are two sides to the middle line, or the outline would cross itself.
    sharp = (back * forth).sum(1) < 0.5
    copies = np.repeat(np.arange(len(flat)), 1 + sharp)
    second = np.concatenate([[False], copies[1:] == copies[:-1]])
    first = np.flatnonzero(~second)
    along = _unit(
        np.where(sharp[copies][:, None], np.where(second[:, None], forth[copies], back[copies]), (back + forth)[copies])
    )
    normals = np.stack([-along[:, 1], along[:, 0]], axis=1) * cut.radii[copies][:, None]
    left, right = flat[copies] + normals, flat[copies] - normals
    turn = np.linspace(0.0, 2 * np.pi, _ROUND)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    shapes = []
    for a, b in zip(cut.begin.tolist(), (cut.end + 1).tolist(), strict=True):
        widest = a + int(np.argmax(cut.radii[a:b]))
        seen, whole = np.ptp(flat[a:b], axis=0).max(), np.ptp(cut.points[a:b], axis=0).max()
        if seen < 0.2 * cut.radii[widest] and seen < 0.5 * whole:
            shapes.append(flat[widest] + cut.radii[widest] * circle)  # seen from its end
        else:
            own = slice(first[a] + sharp[a], first[b - 1] + 1)
            shapes.append(np.concatenate([left[own], right[own][::-1]]))
    (depth,) = {0, 1, 2} - set(columns)
    towards = 1.0 if (columns[0] + 1) % 3 == columns[1] else -1.0  # axes are right-handed
    height = cut.points[:, depth]
    return shapes, towards * (height[cut.begin] + height[cut.end]) / 2


def _directions(flat: np.ndarray, section: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along the middle line before and after each point, shape (m, 2), passing over pieces without extent; one stands for the other at an end."""
    m = len(flat)
    step = np.diff(flat, axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    real = (section[1:] == section[:-1]) & (length > 1e-9)
    unit = np.where(real[:, None], step / np.where(real, length, 1.0)[:, None], 0.0)
    before = np.maximum.accumulate(np.concatenate([[-1], np.where(real, np.arange(m - 1), -1)]))
    after = np.minimum.accumulate(np.concatenate([np.where(real, np.arange(m - 1), m), [m]])[::-1])[::-1]

    def direction(index, there):
        index = np.clip(index, 0, m - 2)
        there = there & (section[index] == section)
        return there[:, None], np.where(there[:, None], unit[index], 0.0)

    (is_back, back), (is_forth, forth) = direction(before, before >= 0), direction(after, after < m)
    back, forth = np.where(is_back, back, forth), np.where(is_forth, forth, back)
    nowhere = ~(is_back | is_forth)
    return np.where(nowhere, [1.0, 0.0], back), np.where(nowhere, [1.0, 0.0], forth)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.hypot(vectors[:, 0], vectors[:, 1])[:, None]


def _stands_for_a_ball(section: Section) -> bool:
    width = section.diameters
    straight = np.linalg.norm(section.points[-1] - section.points[0])
    return (
        section.type == SOMA
        and np.ptp(width) == 0.0
        and abs(section.length / width[0] - 1) < 0.01
        and abs(straight / width[0] - 1) < 0.01
    )


def _ball(section: Section) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, radii, those of balls within, and arc of the ball with the area of a cylinder as long as it is wide."""
    a, b, radius = section.points[0], section.points[-1], section.diameters[0] / 2
    turn = np.linspace(0.0, np.pi, _ROUND)
    part = (1 - np.cos(turn)) / 2
    within = radius * (1 - np.abs(np.cos(turn)))
    return a + part[:, None] * (b - a), radius * np.sin(turn), within, part * section.length
