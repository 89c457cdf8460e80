"""An unbranched piece of a cell."""

import dataclasses
import math
import operator
from functools import cached_property
from typing import Any

import numpy as np


SOMA, AXON, DENDRITE, APICAL = 1, 2, 3, 4
_NUMBERS = int | float | np.floating | np.integer
_PREFIXES = {SOMA: "soma", AXON: "axon", DENDRITE: "dend", APICAL: "apic"}


def prefix_of(type: int) -> str:
    """What the names of sections of a type begin with: `soma`, `axon`, `dend`, `apic`, or `type_7` for SWC tag 7."""
    return _PREFIXES.get(type, f"type_{type}")


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """An unbranched piece of a cell: a row of truncated cones.

    **Fields:**

    - `points`: the 3-d points from the 0-end to the 1-end, shape (n, 3) with n at least 2, um.
    - `diameters`: the diameters there, shape (n,), um, > 0.
    - `type`: the tag of the SWC format: 1 soma, 2 axon, 3 (basal) dendrite, 4 apical dendrite, others as the file's author meant them.
    - `parent`: the index of the parent section, -1 for the root; before `Morphology.build` also its name, or None for the root.
    - `at`: where on the parent its 0-end is attached, from 0 to 1. Sections of a soma's surface are attached to its middle, 0.5, and their first point
      lies where the file has it: nothing is added for the way inside the soma (NEURON's `pt3dstyle` 1).
    - `name`: `soma[0]`, `axon[3]`, `dend[12]`, `apic[5]`, `type_7[0]`; empty to be named by `Morphology.build`.
    - `placed`: whether the points are where they should be; if not, `Morphology.build` moves the section to its parent.

    The arrays are copied and read-only. **Raises:** `ValueError`.
    """

    points: Any
    diameters: Any
    type: int = DENDRITE
    parent: int | str | None = -1
    at: float = 1.0
    name: str = ""
    placed: bool = True

    def __post_init__(self):
        if self.name is not None and not isinstance(self.name, str):
            raise ValueError(f"name = {self.name!r} of a section is not allowed: must be a string, empty for none")
        what = f"section {self.name!r}" if self.name else "a section"
        try:
            points, diameters = np.array(self.points, float), np.array(self.diameters, float)
        except (TypeError, ValueError):
            raise ValueError(f"points or diameters of {what} are not allowed: must be arrays of numbers") from None
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2 or diameters.shape != points.shape[:1]:
            raise ValueError(
                f"points {points.shape} and diameters {diameters.shape} of {what} are not allowed: must be (n, 3) and (n,) with n >= 2"
            )
        if not np.isfinite(points).all():
            raise ValueError(f"points of {what} are not allowed: must be finite (um)")
        if not (diameters > 0).all() or not np.isfinite(diameters).all():
            bad = diameters[~((diameters > 0) & np.isfinite(diameters))][0]
            raise ValueError(f"diameter = {bad} um of {what} is not allowed: must be finite and > 0")
        try:
            type = operator.index(self.type)
        except TypeError:
            type = -1
        if type < 0 or isinstance(self.type, bool):
            raise ValueError(f"type = {self.type!r} of {what} is not allowed: must be an SWC tag, an integer >= 0")
        if isinstance(self.at, bool) or not isinstance(self.at, _NUMBERS) or not 0 <= self.at <= 1:
            raise ValueError(f"at = {self.at!r} of {what} is not allowed: must be between 0 and 1")
        with np.errstate(over="ignore"):
            square = ((points[1:] - points[:-1]) ** 2).sum()
        if not 0 < square < np.inf:
            flaw = "a length that is no number" if square else "no length"
            raise ValueError(f"points of {what} are not allowed: the section has {flaw}")
        parent = int(self.parent) if isinstance(self.parent, np.integer) else self.parent
        points.setflags(write=False)
        diameters.setflags(write=False)
        fields = {"points": points, "diameters": diameters, "type": type, "parent": parent, "at": float(self.at)}
        for key, value in fields.items():
            object.__setattr__(self, key, value)

    @staticmethod
    def cylinder(
        *,
        length: float,
        diameter: float,
        type: int = DENDRITE,
        parent: int | str | None = None,
        at: float = 1.0,
        name: str = "",
    ) -> "Section":
        """A cylinder of `length` um and `diameter` um, for `Morphology.build`, which lays it out.

        **Raises:** `ValueError`.
        """
        return Section.tapered(
            length=length, diameters=(diameter, diameter), type=type, parent=parent, at=at, name=name
        )

    @staticmethod
    def tapered(
        *,
        length: float,
        diameters: Any,
        type: int = DENDRITE,
        parent: int | str | None = None,
        at: float = 1.0,
        name: str = "",
    ) -> "Section":
        """A section of `length` um whose `diameters` (two or more, um) stand at equal distances, for `Morphology.build`.

        **Raises:** `ValueError`.
        """
        what = f" of section {name!r}" if name else ""
        if isinstance(length, bool) or not isinstance(length, _NUMBERS):
            raise ValueError(f"length = {length!r}{what} is not allowed: must be a number (um)")
        if not (length > 0 and math.isfinite(length)):
            raise ValueError(f"length = {length!r} um{what} is not allowed: must be finite and > 0")
        try:
            diameters = np.asarray(diameters, float)
        except (TypeError, ValueError):
            raise ValueError(f"diameters = {diameters!r}{what} are not allowed: must be numbers (um)") from None
        if diameters.ndim != 1 or len(diameters) < 2:
            raise ValueError(f"diameters{what} of shape {diameters.shape} are not allowed: must be two or more numbers")
        points = np.zeros((len(diameters), 3))
        points[:, 0] = np.linspace(0, length, len(diameters))
        return Section(points, diameters, type, parent, at, name, placed=False)

    @cached_property
    def arc(self) -> np.ndarray:
        """The distance of each point from the 0-end along the section, shape (n,), um."""
        steps = np.sqrt((np.diff(self.points, axis=0) ** 2).sum(1))
        arc = np.concatenate([[0.0], np.cumsum(steps)])
        arc.setflags(write=False)
        return arc

    @property
    def length(self) -> float:
        """The length along the 3-d points, um."""
        return float(self.arc[-1])

    @cached_property
    def area(self) -> float:
        """The sum of the lateral areas of its truncated cones, um2: what NEURON calls the area of a section."""
        radii = self.diameters / 2
        slant = np.hypot(np.diff(self.arc), np.diff(radii))
        return float(np.pi * ((radii[1:] + radii[:-1]) * slant).sum())

    @cached_property
    def volume(self) -> float:
        """The sum of the volumes of its truncated cones, um3."""
        a, b = self.diameters[:-1] / 2, self.diameters[1:] / 2
        return float((np.pi / 3 * np.diff(self.arc) * (a * a + a * b + b * b)).sum())


def trusted(points: np.ndarray, diameters: np.ndarray, type: int, parent: int, at: float, name: str) -> Section:
    """A section that takes over arrays which have been checked already; large files have hundreds of thousands."""
    points.setflags(write=False)
    diameters.setflags(write=False)
    section = object.__new__(Section)
    vars(section).update(points=points, diameters=diameters, type=type, parent=parent, at=at, name=name, placed=True)
    return section
