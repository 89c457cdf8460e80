"""From the samples of an SWC file to sections, by the rules of NEURON's Import3d.

The rules were taken from how NEURON 9.0.2 reads files, and are compared with what it makes of them in the tests.
"""

from itertools import pairwise

import numpy as np

from .pieces import Piece
from .section import SOMA


def pieces_of(
    types: np.ndarray, points: np.ndarray, diameters: np.ndarray, parents: list[int], lines: np.ndarray
) -> list[Piece]:
    """The sections of samples whose parents stand before their children; sections in the order of their first samples."""
    one = _is_sphere_of_three(types, points, diameters, parents)
    if one:
        keep = ~((types == SOMA) & (np.arange(len(types)) > 0))
        place = np.cumsum(keep) - 1
        kept = np.flatnonzero(keep)
        parents = [int(place[parents[i]]) if parents[i] >= 0 else -1 for i in kept.tolist()]
        types, points, diameters, lines = types[kept], points[kept], diameters[kept], lines[kept]
    links = _Links(types, parents)
    section, count = [0] * len(parents), 1
    for i in range(1, len(parents)):
        if links.continues(i):
            section[i] = section[parents[i]]
        else:
            section[i], count = count, count + 1
    order = np.argsort(section, kind="stable")
    bounds = np.searchsorted(np.array(section)[order], np.arange(count + 1))
    pieces: list[Piece] = []
    members = [order[a:b] for a, b in pairwise(bounds.tolist())]
    for own in members:
        if own[0] == 0:
            pieces.append(_root(types, points, diameters, lines, own))
            continue
        first, carrier = int(own[0]), parents[int(own[0])]
        parent = section[carrier]
        at, apart = links.attachment(first, len(own), members[parent], parent == 0)
        head = own if apart else np.concatenate([[carrier], own])
        widths, places = diameters[head].copy(), lines[head].copy()
        if types[carrier] == SOMA and types[first] != SOMA and not apart:
            widths[0] = widths[1]
        pieces.append(Piece(points[head], widths, places, int(types[first]), parent, at))
    return pieces


class _Links:
    """Which samples carry which."""

    def __init__(self, types: np.ndarray, parents: list[int]):
        n = len(parents)
        self.types, self.parents = types.tolist(), parents
        self.children = [0] * n
        self.soma_children = [0] * n
        self.first_alike = [-1] * n  # the first child of the same type
        for i in range(1, n):
            p = parents[i]
            self.children[p] += 1
            if self.types[i] == self.types[p]:
                self.soma_children[p] += self.types[i] == SOMA
                if self.first_alike[p] < 0:
                    self.first_alike[p] = i

    def continues(self, i: int) -> bool:
        """Whether a sample belongs to the section of its parent."""
        p = self.parents[i]
        if self.types[i] != self.types[p]:
            return False
        if self.types[i] == SOMA:
            return self.first_alike[p] == i if p == 0 else p == i - 1 and self.soma_children[p] == 1
        return p == i - 1 and (self.children[p] == 1 or self.begins_stem(p))

    def begins_stem(self, p: int) -> bool:
        """Whether a sample is the beginning of a section although others branch off there: they are attached to its 0-end.

        So are the root where it is no soma, and the first sample outside of the soma. NEURON excepts the sample right after the root.
        """
        if self.first_alike[p] != p + 1 or self.types[p] == SOMA:
            return False
        return p == 0 or p > 1 and self.types[self.parents[p]] == SOMA

    def attachment(self, first: int, own: int, members: np.ndarray, on_root: bool) -> tuple[float, bool]:
        """Where on its parent, whose samples are `members`, a section of `own` samples is attached, and whether it begins apart from there."""
        p = self.parents[first]
        if self.types[p] != SOMA:
            stem = self.begins_stem(p) and self.children[p] > 1
            return (0.0 if stem or on_root and p == 0 else 1.0), False
        outside, branching = self.types[first] != SOMA, self.soma_children[p] > 1
        if on_root and len(members) == 1 and outside:
            return 0.5, own > 1
        if on_root and p == 0:
            return 0.0, outside and branching and own > 1
        if p != members[-1]:
            return 0.5, outside and own > 1
        return 1.0, outside and branching and own > 1


def _root(types, points, diameters, lines, own: np.ndarray) -> Piece:
    if len(own) == 1:
        return sphere(points[0], float(diameters[0]), int(types[0]), int(lines[0]))
    return Piece(points[own], diameters[own], lines[own], int(types[0]), -1, 0.5)


def sphere(centre: np.ndarray, diameter: float, type: int, line: int) -> Piece:
    """A cylinder along x with the lateral area of a sphere."""
    points = np.repeat(centre[None], 3, axis=0)
    points[:, 0] += [-diameter / 2, 0.0, diameter / 2]
    return Piece(points, np.full(3, diameter), np.full(3, line), type, -1, 0.5)


def _is_sphere_of_three(types: np.ndarray, points: np.ndarray, diameters: np.ndarray, parents: list[int]) -> bool:
    """Whether the soma is a sphere by the rule of NeuroMorpho.Org: its middle, which carries all, and two ends one radius away."""
    soma = np.flatnonzero(types == SOMA)
    if len(soma) != 3 or soma[0] != 0 or parents[soma[1]] != 0 or parents[soma[2]] != 0:
        return False
    if (diameters[soma] != diameters[0]).any() or not set(parents).isdisjoint(soma[1:].tolist()):
        return False
    across = np.sqrt(((points[soma[1:]] - points[0]) ** 2).sum(1)).sum()
    return bool(abs(across / diameters[0] - 1) < 0.01)
