"""Sections in the making, and how they become a morphology."""

import dataclasses
import heapq
from collections import Counter
from collections.abc import Iterable

import numpy as np

from .morphology import Morphology
from .repair import mend_lengths
from .section import APICAL, prefix_of, trusted


@dataclasses.dataclass
class Piece:
    """A section while it is read: as `Section`, with the line of the file of every point (0 for points that are not in it)."""

    points: np.ndarray
    diameters: np.ndarray
    lines: np.ndarray
    type: int
    parent: int
    at: float


def finish(
    source: str | None,
    pieces: list[Piece],
    repair: frozenset[str],
    repairs: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Morphology:
    """A morphology from pieces with parents before their children.

    **Raises:** `MorphologyError` for segments without length.
    """
    pieces, mended, steps = mend_lengths(source, pieces, repair)
    order = in_order([(piece.type, piece.parent) for piece in pieces])
    place = {old: new for new, old in enumerate(order)}
    number: Counter[int] = Counter()
    names = []
    for piece in pieces:
        names.append(f"{prefix_of(piece.type)}[{number[piece.type]}]")
        number[piece.type] += 1
    sections = tuple(
        trusted(piece.points, piece.diameters, piece.type, place.get(piece.parent, -1), piece.at, names[i])
        for i in order
        for piece in (pieces[i],)
    )
    return Morphology(sections, source, (*repairs, *mended), (*notes, *steps, *_unusual(pieces)))


def in_order(pieces: list[tuple[int, int]]) -> list[int]:
    """Of the pieces (type, parent) whose parent is already there, the one of the lowest type, then the earliest."""
    children: list[list[int]] = [[] for _ in pieces]
    for i, (_, parent) in enumerate(pieces):
        if parent >= 0:
            children[parent].append(i)
    ready, order = [(pieces[0][0], 0)], []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for child in children[i]:
            heapq.heappush(ready, (pieces[child][0], child))
    return order


def _listed(words: Iterable[str], between: str = ", ") -> str:
    """The words, of which the first nine are shown."""
    words = list(words)
    return between.join([*words[:9], *(["..."] if len(words) > 9 else [])])


def _unusual(pieces: list[Piece]) -> tuple[str, ...]:
    notes: list[str] = []
    custom = sorted({piece.type for piece in pieces if piece.type > APICAL or piece.type == 0})
    if custom:
        notes.append(
            f"the types {_listed(map(str, custom))} are not among 1 to 4 and are kept as {_listed(f'type_{tag}' for tag in custom)}"
        )
    if pieces[0].type != 1:
        notes.append(f"there is no soma: the root section, of type {pieces[0].type}, takes its place")
    carried = [p for p in pieces if p.parent >= 0 and pieces[p.parent].type not in (1, p.type)]
    if carried:
        kinds = sorted({(pieces[p.parent].type, p.type) for p in carried})
        notes.append(_listed((f"sections of type {b} are carried by sections of type {a}" for a, b in kinds), "; "))
    widths = np.concatenate([piece.diameters for piece in pieces if piece.type != 1] or [np.zeros(1)])
    if np.median(widths) > 20:
        notes.append(f"half of the diameters outside of the soma are above {np.median(widths):.3g} um: is the unit um?")
    return tuple(notes)
