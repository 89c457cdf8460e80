"""Cells that are built from numbers."""

import math
from typing import Any

from .morphology import Morphology
from .section import DENDRITE, SOMA, Section


def cylinder(length: float, diameter: float, *, type: int = DENDRITE, name: str = "") -> Morphology:
    """A cell of one cylinder: `length` and `diameter` in um.

    **Raises:** `ValueError`.
    """
    return Morphology.build([Section.cylinder(length=length, diameter=diameter, type=type, name=name)])


def tapered(length: float, diameters: Any, *, type: int = DENDRITE, name: str = "") -> Morphology:
    """A cell of one section of `length` um, whose `diameters` (two or more, um) stand at equal distances.

    **Raises:** `ValueError`.
    """
    return Morphology.build([Section.tapered(length=length, diameters=diameters, type=type, name=name)])


def ball_and_stick(
    soma_diameter: float = 20.0, length: float = 500.0, diameter: float = 2.0, *, soma_length: float | None = None
) -> Morphology:
    """A soma, `soma`, and one unbranched dendrite on its 1-end, `dend`; all in um.

    The soma is a cylinder as long as it is wide, which has the area of a sphere, unless `soma_length` is given.

    **Raises:** `ValueError`.
    """
    soma = Section.cylinder(
        length=soma_diameter if soma_length is None else soma_length, diameter=soma_diameter, type=SOMA, name="soma"
    )
    return Morphology.build([soma, Section.cylinder(length=length, diameter=diameter, parent="soma", name="dend")])


def branching(
    depth: int = 9,
    *,
    diameter: float = 16.0,
    electrotonic_length: float = 0.008,
    resistivity: float = 100.0,
    membrane_resistance: float = 4e4,
) -> Morphology:
    """A symmetric binary tree that obeys Rall's 3/2 rule, and so is an equivalent cylinder (Rall 1962); by default the tree of Rallpack 2.

    The root and `depth` generations after it: 2^(depth + 1) - 1 sections. Diameters fall by 2^(-2/3) from one generation to the next, and every section is
    `electrotonic_length` space constants long, lambda = sqrt(d Rm / (4 Ra)). Rallpack 2 (Bhalla, Bilitch & Bower 1992): depth 9, 16 um to 0.25 um, 0.008
    each, Ra 1 ohm m and Rm 4 ohm m2.

    **Arguments:** `depth`, 0 to 16; `diameter` of the root, um; `electrotonic_length`, of a section; `resistivity`, of the axoplasm, ohm cm;
    `membrane_resistance`, ohm cm2.

    **Raises:** `ValueError`.
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= 16:
        raise ValueError(f"depth = {depth!r} is not allowed: must be an integer from 0 to 16")
    numbers = {
        "diameter": (diameter, "um"),
        "electrotonic_length": (electrotonic_length, ""),
        "resistivity": (resistivity, "ohm cm"),
        "membrane_resistance": (membrane_resistance, "ohm cm2"),
    }
    for name, (value, unit) in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} = {value!r} {unit} is not allowed: must be finite and > 0".replace("  ", " "))
    sections = []
    for generation in range(depth + 1):
        d = diameter * 2.0 ** (-2 * generation / 3)
        length = electrotonic_length * math.sqrt(d * 1e-4 * membrane_resistance / (4 * resistivity)) * 1e4
        for _ in range(2**generation):
            parent = (len(sections) - 1) // 2 if sections else None
            sections.append(Section.cylinder(length=length, diameter=d, parent=parent))
    return Morphology.build(sections)
