"""Morphologies as text in the SWC format."""

import heapq
import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .pieces import in_order
from .section import SOMA, Section, prefix_of
from .swc import from_swc


if TYPE_CHECKING:
    from .morphology import Morphology


def write_swc(morphology: "Morphology") -> str:
    """The text of `Morphology.to_swc`.

    What is read back tells whether it can be written. Readers take some samples differently when they stand right after those of their parent,
    so that sections are written in a second order where the first fails.
    """
    problem = ""
    for rank in (lambda section: 0, lambda section: -section.type):
        order = _order(morphology.sections, rank)
        writer = _Writer(morphology)
        for i in order:
            writer.write(i)
        text = "\n".join(["# id type x y z radius parent", *writer.rows, ""])
        found = _problem(morphology.sections, order, text)
        if not found:
            return text
        problem = problem or found
    raise ValueError(f"the morphology cannot be written as SWC: {problem}")


def _order(sections: tuple[Section, ...], rank: Callable[[Section], int]) -> list[int]:
    """Parents first, sections of a type by their numbers, which readers give by the place in the file, and else by rank and index."""
    follows: list[list[int]] = [[] for _ in sections]
    waits = [0] * len(sections)
    for i, section in enumerate(sections[1:], start=1):
        follows[_index(section)].append(i)
        waits[i] += 1
    numbered: dict[int, list[tuple[int, int]]] = {}
    for i, section in enumerate(sections):
        match = re.fullmatch(re.escape(prefix_of(section.type)) + r"\[(\d{1,9})\]", section.name)
        if match:
            numbered.setdefault(section.type, []).append((int(match[1]), i))
    for pairs in numbered.values():
        places = [i for _, i in sorted(pairs)]
        for one, other in zip(places[:-1], places[1:], strict=True):
            follows[one].append(other)
            waits[other] += 1
    ready, order = [(rank(sections[0]), 0)] if waits[0] == 0 else [], []
    while ready:
        i = heapq.heappop(ready)[1]
        order.append(i)
        for other in follows[i]:
            waits[other] -= 1
            if waits[other] == 0:
                heapq.heappush(ready, (rank(sections[other]), other))
    return order if len(order) == len(sections) else list(range(len(sections)))


class _Writer:
    def __init__(self, morphology: "Morphology"):
        self.sections = morphology.sections
        self.rows: list[str] = []
        # The ids of the samples of each section by its index, from its 0-end; 0 for one that is not written.
        self.samples: dict[int, list[int]] = {}
        self.soma_children = [[0, 0] for _ in self.sections]  # at the 0-end and at the 1-end
        self.middle = any(section.parent == 0 and 0 < section.at < 1 for section in self.sections[1:])
        for section in self.sections[1:]:
            parent = _index(section)
            if section.type == self.sections[parent].type == SOMA and section.at in (0, 1):
                self.soma_children[parent][int(section.at)] += 1

    def write(self, i: int) -> None:
        section = self.sections[i]
        points, diameters = section.points, section.diameters
        if i == 0:
            if _is_sphere(section):
                points, diameters = points[1:2], diameters[1:2]
            elif section.type == SOMA and len(points) == 2 and self.middle:  # a place for what is attached there
                points = np.stack([points[0], points.mean(0), points[1]])
                diameters = np.array([diameters[0], diameters.mean(), diameters[1]])
            self.samples[i] = self.add(section.type, points, diameters, -1)
            return
        carrier, apart, place, width = self.carrier(section)
        same = (points[0] == place).all() and (diameters[0] == width) and not apart
        skip = 1 if same else 0
        own = self.add(section.type, points[skip:], diameters[skip:], carrier)
        self.samples[i] = [0] * skip + own

    def carrier(self, section: Section) -> tuple[int, bool, np.ndarray, float]:
        """The id of the sample that carries a section, whether a reader begins the section apart from it, its place, and the first diameter there."""
        parent = _index(section)
        above, ids = self.sections[parent], self.samples[parent]
        outside = above.type == SOMA and section.type != SOMA
        if len(ids) == 1 or section.at == 0.5 and above.type == SOMA:
            k, apart = len(ids) // 2, outside
        elif section.at in (0, 1):
            k = -1 if section.at else 0 if ids[0] else 1
            branching = self.soma_children[parent][int(section.at)] + (section.at == 0) > 1
            apart = outside and branching
        else:
            raise ValueError(
                f"at = {section.at:g} of section {section.name!r} cannot be written as SWC: must be 0 or 1, or 0.5 on a soma"
            )
        points = above.points[1:2] if len(ids) == 1 else above.points
        j = k if k < 0 or len(points) == len(ids) else min(k, len(points) - 1)
        width = section.diameters[1] if outside else (above.diameters[j] if len(ids) > 1 else above.diameters[0])
        return ids[k], apart, points[j], float(width)

    def add(self, type: int, points: np.ndarray, diameters: np.ndarray, parent: int) -> list[int]:
        ids = []
        for (x, y, z), diameter in zip(points.tolist(), diameters.tolist(), strict=True):
            ids.append(len(self.rows) + 1)
            self.rows.append(f"{ids[-1]} {type} {x!r} {y!r} {z!r} {diameter / 2!r} {parent}")
            parent = ids[-1]
        return ids


def _index(section: Section) -> int:
    assert isinstance(section.parent, int)
    return section.parent


def _is_sphere(section: Section) -> bool:
    d = section.diameters
    if len(d) != 3 or (d != d[0]).any():
        return False
    expected = section.points[1] + np.outer([-d[0] / 2, 0.0, d[0] / 2], [1.0, 0.0, 0.0])
    return bool(np.abs(section.points - expected).max() <= 1e-12 * (d[0] + np.abs(expected).max()))


def _problem(sections: tuple[Section, ...], written: list[int], text: str) -> str:
    """What does not come back as it was, neither as it stands nor without the samples that repeat the place of their parent; empty where all does."""
    problem = ""
    for repair in ("zero_length", ()):
        try:
            problem = _difference(sections, written, from_swc(text, repair=repair).sections)
        except ValueError as error:
            problem = str(error)
        if not problem:
            break
    return problem


def _difference(sections: tuple[Section, ...], written: list[int], again: tuple[Section, ...]) -> str:
    """The first section that is not as it was, in words; empty where all are."""
    if len(again) != len(sections):
        return f"{len(sections)} sections would come back as {len(again)}{_alone(sections)}"
    position = {-1: -1} | {i: k for k, i in enumerate(written)}
    order = [written[k] for k in in_order([(sections[i].type, position[_index(sections[i])]) for i in written])]
    place = {old: new for new, old in enumerate(order)}
    for new, old in zip(again, order, strict=True):
        section = sections[old]
        alike = old == 0 or (new.at, new.parent) == (section.at, place[_index(section)])
        sizes = np.array([(s.length, s.area) for s in (new, section)])
        if not alike or new.type != section.type or not np.allclose(*sizes, rtol=1e-9, atol=0):
            ours, theirs = (f"{s.length:g} um long with {s.area:g} um2, at {s.at:g}" for s in (section, new))
            return f"section {section.name!r} ({ours}) would come back differently ({theirs})"
    return ""


def _alone(sections: tuple[Section, ...]) -> str:
    """Of sections that a reader takes for the continuation of their parents, the first, in words; empty for none."""
    count = Counter(section.parent for section in sections)
    for section in sections[1:]:
        parent = sections[_index(section)]
        if section.at == 1 and section.type == parent.type and count[section.parent] == 1:
            return f": {section.name!r} alone goes on from the end of {parent.name!r}, of the same type, and so would be a part of it"
    return ""
