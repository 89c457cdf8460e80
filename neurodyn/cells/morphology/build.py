"""From sections in any order, named by their parents, to sections in order with names, indices and places."""

import dataclasses
import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .section import Section, prefix_of


_SPREAD = 1.2  # radians between the outermost of the sections on one end of a root section; narrower the farther out


def check_sections(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The sections. **Raises:** `ValueError` for none, and for what is no section."""
    if not isinstance(sections, Iterable):
        raise ValueError(f"sections of type {type(sections).__name__} are not allowed: must be a sequence of Sections")
    given = tuple(sections)
    for section in given:
        if not isinstance(section, Section):
            raise ValueError(f"{section!r} is not allowed: must be a Section")
    if not given:
        raise ValueError("sections = () is not allowed: must be one or more")
    return given


def resolve(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Sections with parents before children, each with a name, the index of its parent and its points in place.

    **Raises:** `ValueError`.
    """
    given = check_sections(sections)
    names = _names(given)
    parents = _parents(given, names)
    order = _order(parents, names)
    place = {old: new for new, old in enumerate(order)}
    ordered = [
        dataclasses.replace(given[i], name=names[i], parent=-1 if parents[i] < 0 else place[parents[i]]) for i in order
    ]
    return tuple(_laid_out(ordered))


def _names(sections: Sequence[Section]) -> list[str]:
    taken = Counter(section.name for section in sections if section.name)
    for name, count in taken.items():
        if count > 1:
            raise ValueError(f"name = {name!r} is not allowed: {count} sections have it")
    names, number = [], Counter()
    for section in sections:
        name = section.name
        while not name or (not section.name and name in taken):
            name = f"{prefix_of(section.type)}[{number[section.type]}]"
            number[section.type] += 1
        names.append(name)
    return names


def _parents(sections: Sequence[Section], names: list[str]) -> list[int]:
    index = {name: i for i, name in enumerate(names)}
    parents = []
    for section, name in zip(sections, names, strict=True):
        parent = section.parent
        if parent is None or isinstance(parent, int) and parent == -1 and not isinstance(parent, bool):
            parents.append(-1)
        elif isinstance(parent, str) and parent in index:
            parents.append(index[parent])
        elif isinstance(parent, int) and not isinstance(parent, bool) and 0 <= parent < len(names):
            parents.append(parent)
        elif not isinstance(parent, str | int):
            raise ValueError(
                f"parent of type {type(parent).__name__} of section {name!r} is not allowed: must be a name, a place in the sequence, or None"
            )
        else:
            near = difflib.get_close_matches(str(parent), names, n=3)
            hint = f"; close to it are {', '.join(map(repr, near))}" if near else ""
            raise ValueError(f"parent = {parent!r} of section {name!r} is not allowed: there is no such section{hint}")
    roots = [name for name, parent in zip(names, parents, strict=True) if parent < 0]
    if len(roots) > 1:
        raise ValueError(
            f"parent = None of sections {', '.join(map(repr, roots[:5]))} is not allowed: one section must be the root"
        )
    return parents


def _order(parents: list[int], names: list[str]) -> list[int]:
    """The given order where parents stand before their children, else depth first."""
    if all(parent < i for i, parent in enumerate(parents)):
        return list(range(len(parents)))
    children: list[list[int]] = [[] for _ in parents]
    stack = []
    for i, parent in enumerate(parents):
        (children[parent] if parent >= 0 else stack).append(i)
    order = []
    while stack:
        i = stack.pop()
        order.append(i)
        stack.extend(reversed(children[i]))
    if len(order) < len(parents):
        left = sorted(set(range(len(parents))) - set(order))
        raise ValueError(
            f"parents of {', '.join(repr(names[i]) for i in left[:5])} are not allowed: they lead round in a circle, must lead to the root"
        )
    return order


def _laid_out(sections: list[Section]) -> list[Section]:
    groups: dict[tuple[int, float], list[int]] = {}
    for i, section in enumerate(sections):
        groups.setdefault((int(section.parent or 0), section.at), []).append(i)  # the root is alone with parent -1
    rank = {i: (k, len(group)) for group in groups.values() for k, i in enumerate(group)}
    depth = [0] * len(sections)
    placed: list[Section] = []
    for i, section in enumerate(sections):
        parent = int(section.parent) if isinstance(section.parent, int) else -1
        depth[i] = depth[parent] + 1 if parent >= 0 else 0
        if not section.placed:
            section = _place(section, placed[parent] if parent >= 0 else None, *rank[i], depth[i])
        placed.append(section)
    return placed


def _place(section: Section, parent: Section | None, k: int, count: int, depth: int) -> Section:
    """The section begun where it is attached, as number k of `count` sections there."""
    along = section.arc[:, None]
    if parent is None:
        return dataclasses.replace(section, points=(along - section.length / 2) * [1.0, 0.0, 0.0], placed=True)
    where = section.at * parent.length
    start = np.array([np.interp(where, parent.arc, parent.points[:, c]) for c in range(3)])
    forward = parent.points[-1] - parent.points[0]
    size = np.sqrt((forward**2).sum())
    heading = np.arctan2(forward[1], forward[0]) if size > 0 else 0.0
    if 0 < section.at < 1:
        turn = np.pi / 2 * (1 if k % 2 == 0 else -1) + _fan(k // 2, (count + 1) // 2, _SPREAD)
    else:
        turn = _fan(k, count, _SPREAD * 0.75 ** max(depth - 1, 0)) + (np.pi if section.at == 0 else 0.0)
    direction = np.array([np.cos(heading + turn), np.sin(heading + turn), 0.0])
    return dataclasses.replace(section, points=start + along * direction, placed=True)


def _fan(k: int, count: int, spread: float) -> float:
    return 0.0 if count == 1 else spread * (k / (count - 1) - 0.5)
