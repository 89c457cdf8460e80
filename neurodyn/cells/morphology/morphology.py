"""The shape of a cell: a tree of sections."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .build import check_sections, resolve
from .region import find, select
from .section import Section
from .summary import MorphologySummary, summarise


@dataclasses.dataclass(frozen=True, eq=False)
class Morphology:
    """The shape of a cell: a tree of unbranched sections.

    **Fields:**

    - `sections`: parents before their children, the root first. What is read from a file is ordered so: of all sections whose parent is already there,
      the one with the lowest type, then the one that begins first in the file. So the sections of a type are contiguous, as NEURON has them,
      unless one is carried by a section of a higher type; and names are numbered within a type by where the sections begin in the file.
    - `source`: the path of the file, or None.
    - `repairs`: what was changed because `repair` asked for it, one sentence each.
    - `notes`: what is unusual about the file and how it was understood, one sentence each.

    **Raises:** `ValueError` where the sections are not one tree in that order.
    """

    sections: tuple[Section, ...]
    source: str | None = None
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "sections", check_sections(self.sections))
        for i, section in enumerate(self.sections):
            parent = section.parent
            if isinstance(parent, bool) or not isinstance(parent, int):
                raise ValueError(
                    f"parent = {parent!r} of section {section.name!r} is not allowed: must be an index; use Morphology.build"
                )
            if i == 0 and parent != -1 or i > 0 and not 0 <= parent < i:
                raise ValueError(
                    f"parent = {parent} of section {i} ({section.name!r}) is not allowed: must be {'-1' if i == 0 else f'0 to {i - 1}'}"
                )
        if len(self.names) < len(self.sections):
            seen = set()
            double = next(s.name for s in self.sections if s.name in seen or seen.add(s.name))
            raise ValueError(f"name = {double!r} is not allowed: two sections have it")

    def __repr__(self) -> str:
        source = f" from {self.source!r}" if self.source else ""
        count = len(self.sections)
        return f"<Morphology{source}: {count} sections, {self.lengths.sum():.6g} um, {self.areas.sum():.6g} um2>"

    @cached_property
    def digest(self) -> str:
        """What the sections amount to: two morphologies with the same one make the same program."""
        found = hashlib.sha256()
        for section in self.sections:
            found.update(repr((section.type, section.parent, section.at, section.name, len(section.points))).encode())
            found.update(section.points.tobytes() + section.diameters.tobytes())
        return found.hexdigest()

    def __eq__(self, other: object) -> bool:
        """Whether the sections are the same, wherever they come from."""
        return isinstance(other, Morphology) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @staticmethod
    def build(sections: Iterable[Section]) -> "Morphology":
        """A morphology from sections in any order, whose parents are named or numbered by their place in `sections`.

        Sections from `Section.cylinder` and `Section.tapered` are laid out: each begins where it is attached; those on the end of their parent fan out
        forwards, those on its beginning backwards, and those between leave to either side. Sections with points of their own stay where they are.
        Sections without a name are called `dend[0]`, `dend[1]`, ... after their type. To take sections out of a morphology use `without`: the numbers
        of the parents of what is left change.

        **Raises:** `ValueError` for a parent that does not exist, no root or several, cycles and names that are there twice.
        """
        return Morphology(resolve(sections))

    @cached_property
    def names(self) -> Mapping[str, int]:
        """The index of every section by its name."""
        return {section.name: i for i, section in enumerate(self.sections)}

    @cached_property
    def lengths(self) -> np.ndarray:
        """Lengths of the sections, shape (n_sections,), um."""
        return _fixed([section.length for section in self.sections], float)

    @cached_property
    def areas(self) -> np.ndarray:
        """Lateral areas of the sections, shape (n_sections,), um2."""
        return _fixed([section.area for section in self.sections], float)

    @cached_property
    def parents(self) -> np.ndarray:
        """Indices of the parents, shape (n_sections,), -1 for the root."""
        return _fixed([section.parent for section in self.sections], int)

    @cached_property
    def branch_order(self) -> np.ndarray:
        """0 for the root section, 1 for those it carries, and one more after every branch point, shape (n_sections,)."""
        children = np.bincount(self.parents[1:], minlength=len(self.sections))
        order = [0] * len(self.sections)
        for i, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                order[i] = order[parent] + int(parent == 0 or children[parent] > 1)
        return _fixed(order, int)

    @cached_property
    def starts(self) -> np.ndarray:
        """Path distance of the 0-end of every section from the middle of the root section, shape (n_sections,), um."""
        lengths, starts = self.lengths.tolist(), [0.0] * len(self.sections)
        starts[0] = lengths[0] / 2
        for i, section in enumerate(self.sections[1:], start=1):
            parent: Any = section.parent
            along = abs(section.at - 0.5) if parent == 0 else section.at
            starts[i] = (0.0 if parent == 0 else starts[parent]) + along * lengths[parent]
        return _fixed(starts, float)

    def section(self, name: int | str) -> Section:
        """The section of a name or an index. **Raises:** `ValueError` that lists near names."""
        return self.sections[find(self, name)]

    def subtree(self, selection: str | Sequence[str] | Callable[[Section], bool]) -> np.ndarray:
        """Indices of the sections that are meant and of all that they carry, ascending.

        **Arguments:** `selection`, as in `region`. **Raises:** `ValueError`.
        """
        inside = np.zeros(len(self.sections), bool)
        inside[self.region(selection)] = True
        for i, parent in enumerate(self.parents.tolist()):
            inside[i] |= parent >= 0 and inside[parent]
        return _fixed(np.flatnonzero(inside).tolist(), int)

    def without(self, selection: str | Sequence[str] | Callable[[Section], bool]) -> "Morphology":
        """The morphology without the sections that are meant and all that they carry, such as `without("axon")`; the others keep their names.

        **Arguments:** `selection`, as in `region`.

        **Raises:** `ValueError` for a selection that holds the root, which carries all.
        """
        gone = self.subtree(selection)
        if len(gone) and gone[0] == 0:
            raise ValueError(
                f"selection {selection!r} is not allowed: it holds the root section, which carries all others"
            )
        kept = np.setdiff1d(np.arange(len(self.sections)), gone).tolist()
        place = {-1: -1} | {old: new for new, old in enumerate(kept)}
        parents = self.parents.tolist()
        sections = tuple(dataclasses.replace(self.sections[i], parent=place[parents[i]]) for i in kept)
        return dataclasses.replace(self, sections=sections, notes=(*self.notes, f"{len(gone)} sections were taken out"))

    def region(self, selection: str | Sequence[str] | Callable[[Section], bool]) -> np.ndarray:
        """Indices of the sections that are meant, ascending.

        **Arguments:** `selection`: the name of a region (`soma`, `axon`, `dendrite` or `basal`, `apical`, `type_7`, `all`); the name of a section
        (`apic[5]`), in which `*` stands for anything (`apic[1*]`); several of these, in a sequence or joined by commas; or a function that is called
        with every section and says whether it is meant.

        **Raises:** `ValueError` for a selection without a section, that lists near names.
        """
        return select(self, selection)

    def path_distance(self, section: int | str, x: Any) -> np.ndarray:
        """Distance along the tree from the middle of the root section, which is the soma's where there is one, um, same shape as `x`.

        **Arguments:** `section`, by index or name; `x`, relative positions on it, from 0 to 1. As `h.distance` from `soma(0.5)` in NEURON.

        **Raises:** `ValueError`.
        """
        index = find(self, section)
        x = np.asarray(x, float)
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(
                f"x = {x} on section {self.sections[index].name!r} is not allowed: must be between 0 and 1"
            )
        return np.abs(x - 0.5) * self.lengths[0] if index == 0 else self.starts[index] + x * self.lengths[index]

    def summary(self) -> MorphologySummary:
        """Number of sections, length, area, volume, mean diameter and largest distance of every region, as a table that shows itself."""
        return summarise(self)

    def to_swc(self) -> str:
        """The morphology as text in the SWC format, that `from_swc` reads back as the same sections, with the same numbers within their types where
        they are named as `read` names them; other names are lost.

        A section whose first diameter differs from its parent's last begins with a sample at the same place; reading such text with
        `repair="zero_length"` takes it for the beginning, else its ring counts as area.

        **Raises:** `ValueError` for what the format cannot say: a section attached between the ends of one that is not a soma, or away from the point
        it is attached to, or alone on the end of one of its own type.
        """
        from .write_swc import write_swc

        return write_swc(self)


def _fixed(values: list, dtype: type) -> np.ndarray:
    array = np.array(values, dtype)
    array.setflags(write=False)
    return array
