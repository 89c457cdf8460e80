"""What a morphology is made of, as a table."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from ..._table import as_html, as_text
from .region import region_of


if TYPE_CHECKING:
    from .morphology import Morphology


_HEADER = ("region", "sections", "length um", "area um2", "volume um3", "mean diameter um", "largest distance um")


@dataclasses.dataclass(frozen=True)
class RegionSummary:
    """One region: number of sections, total length (um), area (um2) and volume (um3), mean diameter by length (um), and the largest path distance
    from the middle of the root section (um)."""

    region: str
    sections: int
    length: float
    area: float
    volume: float
    mean_diameter: float
    largest_distance: float

    def cells(self) -> tuple[str, ...]:
        numbers = (self.length, self.area, self.volume, self.mean_diameter, self.largest_distance)
        return self.region, str(self.sections), *(f"{number:.6g}" for number in numbers)


@dataclasses.dataclass(frozen=True)
class MorphologySummary:
    """The regions of a morphology and the whole, its terminals and branch points; shows itself in a terminal and in a notebook.

    `terminals` counts the sections that carry no other, `branch_points` the sections other than the soma's that carry two or more.
    """

    regions: tuple[RegionSummary, ...]
    terminals: int
    branch_points: int

    def __repr__(self) -> str:
        return f"{as_text(_HEADER, [row.cells() for row in self.regions])}\n{self._counts()}"

    def _repr_html_(self) -> str:
        return f"{as_html(_HEADER, [row.cells() for row in self.regions])}<p>{self._counts()}</p>"

    def _counts(self) -> str:
        return f"terminals: {self.terminals}, branch points: {self.branch_points}"


def summarise(morphology: "Morphology") -> MorphologySummary:
    """The table of `Morphology.summary`."""
    types = np.array([section.type for section in morphology.sections])
    children = np.bincount(morphology.parents[1:], minlength=len(types))
    rows = [_row(morphology, region_of(type), np.flatnonzero(types == type)) for type in np.unique(types)]
    rows.append(_row(morphology, "all", np.arange(len(types))))
    return MorphologySummary(tuple(rows), int((children == 0).sum()), int(((children > 1) & (types != 1)).sum()))


def _row(morphology: "Morphology", region: str, indices: np.ndarray) -> RegionSummary:
    sections = [morphology.sections[i] for i in indices]
    length = float(morphology.lengths[indices].sum())
    weighted = sum(
        float(((s.diameters[1:] + s.diameters[:-1]) / 2 * np.diff(s.arc)).sum()) for s in sections
    )  # mean of a linear taper
    farthest = max(float(np.max(morphology.path_distance(int(i), np.array([0.0, 1.0])))) for i in indices)
    return RegionSummary(
        region,
        len(sections),
        length,
        float(morphology.areas[indices].sum()),
        sum(s.volume for s in sections),
        weighted / length,
        farthest,
    )
