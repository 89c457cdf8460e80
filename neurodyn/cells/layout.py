"""How a morphology is cut into compartments: everything about a cell that is no number to be trained."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Sequence

import numpy as np

from .._tree import Tree
from .morphology import Morphology
from .morphology.frusta import integrate


@dataclasses.dataclass(frozen=True)
class Layout:
    """Compartments and how they hang together, as a tree of nodes: the n compartments in the order of the sections, each section from its 0-end on, and then
    the junctions, points without membrane where three or more halves of compartments meet.

    **Fields:** `morphology`; `counts`: the number of compartments of each section.
    """

    morphology: Morphology
    counts: tuple[int, ...]

    @functools.cached_property
    def first(self) -> np.ndarray:
        """The first compartment of each section, shape (n_sections,)."""
        return np.cumsum([0, *self.counts[:-1]])

    @property
    def size(self) -> int:
        """The number n of compartments."""
        return sum(self.counts)

    @property
    def root(self) -> int:
        """The compartment in the middle of the root section, the soma's where there is one."""
        return self.counts[0] // 2

    @functools.cached_property
    def section(self) -> np.ndarray:
        """The section of each compartment, shape (n,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @functools.cached_property
    def position(self) -> np.ndarray:
        """The relative position of the middle of each compartment on its section, shape (n,)."""
        return np.concatenate([(np.arange(m) + 0.5) / m for m in self.counts])

    @functools.cached_property
    def distance(self) -> np.ndarray:
        """The path from the middle of the root section to that of each compartment, um, shape (n,)."""
        rows = [self.morphology.path_distance(s, self.position[self.section == s]) for s in range(len(self.counts))]
        return np.concatenate(rows)

    @functools.cached_property
    def cones(self) -> tuple[np.ndarray, np.ndarray]:
        """The lateral area of each compartment, um2, shape (n,), and the resistance of its first and second half per resistivity, 1/um, shape (n, 2)."""
        parts = [
            integrate(section, np.linspace(0.0, 1.0, m + 1))
            for section, m in zip(self.morphology.sections, self.counts, strict=True)
        ]
        areas, halves = zip(*parts, strict=True)
        return np.concatenate(areas), np.concatenate(halves).reshape(-1, 2)

    @functools.cached_property
    def _links(self) -> tuple[Tree, np.ndarray, np.ndarray]:
        return _connect(self)

    @property
    def tree(self) -> Tree:
        """The tree of compartments and junctions."""
        return self._links[0]

    @property
    def paths(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the way from each node to its parent, the part within the node's own compartment and that within the parent's: integrals of dx / (pi r^2), 1/um,
        shape (nodes,) each."""
        return self._links[1], self._links[2]

    def __hash__(self) -> int:
        return hash((self.morphology, self.counts))

    def __repr__(self) -> str:
        return f"{self.size} compartments of {len(self.counts)} sections"

    @property
    def digest(self) -> str:
        """A number, in hexadecimal, that no other layout has."""
        return hashlib.sha256(f"{self.morphology.digest} {self.counts}".encode()).hexdigest()

    def select(self, region: str | Sequence[str]) -> np.ndarray:
        """The compartments of a region or of sections, ascending: see `Morphology.region`. **Raises:** `ValueError` that lists near names."""
        return np.flatnonzero(np.isin(self.section, self.morphology.region(region)))

    def locate(self, site: str) -> int:
        """The compartment at a place such as `"apic[5](0.3)"`: a section and a relative position on it, 0.5 if none is given; the name of a region means its
        first section.

        **Raises:** `ValueError` for what is not a place on the cell, listing near names.
        """
        found = re.fullmatch(r"\s*(.*?)\s*(?:\(([^()]*)\))?\s*", site) if isinstance(site, str) else None
        if found is None:
            raise ValueError(
                f"site = {site!r} is not allowed: must be a section and a position, such as 'soma[0](0.5)'"
            )
        name, text = found.groups()
        try:
            x = 0.5 if text is None else float(text)
        except ValueError:
            x = -1.0
        if not 0.0 <= x <= 1.0:
            raise ValueError(f"site = {site!r} is not allowed: its position must be a number between 0 and 1")
        names = self.morphology.names
        if name not in names and re.search(r"[*,]", name):
            raise ValueError(f"site = {site!r} is not allowed: must be one place, not those of a pattern or a list")
        section = names[name] if name in names else int(self.morphology.region(name)[0])
        return int(self.first[section]) + min(int(x * self.counts[section]), self.counts[section] - 1)

    def locate_all(self, sites: str | Sequence[str]) -> int | tuple[int, ...]:
        """The compartment at a place, or those at several. **Raises:** as `locate`."""
        return self.locate(sites) if isinstance(sites, str) else tuple(map(self.locate, sites))

    def name_of(self, compartment: int) -> str:
        """The place of a compartment as `locate` takes it."""
        section = self.morphology.sections[self.section[compartment]].name
        return f"{section}({self.position[compartment]:.4g})"


def _connect(layout: Layout) -> tuple[Tree, np.ndarray, np.ndarray]:
    """The tree and the two parts of the way from each node to its parent."""
    sections, first = layout.morphology.sections, layout.first
    halves = layout.cones[1]
    where = [None if section.parent == -1 else _attachment(layout, i) for i, section in enumerate(sections)]
    together = {
        end: [i for i, at in enumerate(where) if at == end] for end in dict.fromkeys(where) if isinstance(end, tuple)
    }
    n = layout.size
    junction = {end: n + k for k, end in enumerate(end for end, held in together.items() if len(held) > 1)}
    parents = np.arange(-1, n - 1)
    own, beyond = halves[:, 0].copy(), np.concatenate([[0.0], halves[:-1, 1]])
    own[0] = 1.0  # the root's has no meaning, but its inverse is taken
    for i, at in enumerate(where):
        if at is None:
            continue
        node = first[i]
        if not isinstance(at, tuple):  # on a compartment, whose middle is its node
            parents[node], beyond[node] = at, 0.0
        elif at in junction:
            parents[node], beyond[node] = junction[at], 0.0
        else:
            parents[node], beyond[node] = _end(layout, at)
    ends = [_end(layout, end) for end in junction]
    parents = np.concatenate([parents, np.asarray([node for node, _ in ends], int)])
    beyond = np.concatenate([beyond, [part for _, part in ends]])
    return Tree(parents), np.concatenate([own, np.zeros(len(ends))]), beyond


def _attachment(layout: Layout, index: int) -> tuple[int, int] | int:
    """What a section hangs on: an end of another section, or a compartment."""
    section = layout.morphology.sections[index]
    parent, at = int(layout.morphology.parents[index]), section.at
    if at == 1.0:
        return parent, 1
    if at == 0.0:
        # The 0-end of a section is where that hangs itself.
        return (parent, 0) if layout.morphology.sections[parent].parent == -1 else _attachment(layout, parent)
    m = layout.counts[parent]
    return int(layout.first[parent]) + min(int(at * m), m - 1)


def _end(layout: Layout, end: tuple[int, int]) -> tuple[int, float]:
    """The compartment at an end of a section, and the resistance per resistivity from its middle to there."""
    section, side = end
    node = int(layout.first[section]) + (layout.counts[section] - 1 if side else 0)
    return node, float(layout.cones[1][node, side])
