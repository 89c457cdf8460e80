"""Which sections are meant by a region, a name or a pattern."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .section import APICAL, AXON, DENDRITE, SOMA


if TYPE_CHECKING:
    from .morphology import Morphology


REGIONS = {"soma": SOMA, "axon": AXON, "dendrite": DENDRITE, "basal": DENDRITE, "apical": APICAL}


def region_of(type: int) -> str:
    """The name of the region of a type: `soma`, `axon`, `dendrite`, `apical`, or `type_7` for SWC tag 7."""
    return {value: key for key, value in reversed(REGIONS.items())}.get(type, f"type_{type}")


def select(morphology: "Morphology", selection: str | Sequence[str] | Callable[[Any], bool]) -> np.ndarray:
    """The indices of the sections that a selection names, ascending, read-only; see `Morphology.region`."""
    sections = morphology.sections
    if callable(selection):
        found = {i for i, section in enumerate(sections) if selection(section)}
        if not found:
            raise ValueError(f"selection {selection!r} is not allowed: it holds for none of {len(sections)} sections")
    else:
        terms = (
            selection.split(",")
            if isinstance(selection, str)
            else list(selection)
            if isinstance(selection, Iterable)
            else []
        )
        if not terms or not all(isinstance(term, str) for term in terms):
            raise ValueError(
                f"selection {selection!r} is not allowed: must be a region, a name, a pattern, several of them, or a function of a section"
            )
        found = {i for term in terms for i in _matches(morphology, term.strip())}
    indices = np.array(sorted(found), int)
    indices.setflags(write=False)
    return indices


def _matches(morphology: "Morphology", term: str) -> list[int]:
    sections = morphology.sections
    if term == "all":
        return list(range(len(sections)))
    tag = int(term[5:]) if re.fullmatch(r"type_\d{1,9}", term) else REGIONS.get(term)
    found = [i for i, section in enumerate(sections) if section.type == tag]
    named = morphology.names.get(term)
    if found and named is not None and named not in found:
        raise ValueError(
            f"selection {term!r} is not allowed: it is a region of {len(found)} sections and the name of a section of another; give that another name"
        )
    if not found:
        pattern = re.compile(".*".join(re.escape(piece) for piece in term.split("*")))
        found = [i for i, section in enumerate(sections) if pattern.fullmatch(section.name)]
    if not found:
        raise ValueError(f"selection {term!r} is not allowed: {_near(morphology, term)}")
    return found


def _near(morphology: "Morphology", term: str) -> str:
    regions = list(dict.fromkeys(region_of(section.type) for section in morphology.sections))
    near = difflib.get_close_matches(
        term, ["all", *regions, *(section.name for section in morphology.sections)], n=3, cutoff=0.5
    )
    hint = f"; close to it are {', '.join(map(repr, near))}" if near else ""
    return f"no section matches; the regions are {', '.join(regions[:9])}{', ...' if len(regions) > 9 else ''}{hint}"


def find(morphology: "Morphology", section: int | str) -> int:
    """The index of a section, given that or its name."""
    n = len(morphology.sections)
    if isinstance(section, int | np.integer) and not isinstance(section, bool):
        if not 0 <= section < n:
            raise ValueError(f"section = {section} is not allowed: must be a name or an index from 0 to {n - 1}")
        return int(section)
    index = morphology.names.get(section) if isinstance(section, str) else None
    if index is None:
        raise ValueError(f"section {section!r} is not allowed: {_near(morphology, str(section))}")
    return index
