"""The numbers of a morphology that is cut into compartments."""

import math
from collections.abc import Callable, Mapping
from typing import Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._parameter import Parameterised, check_positive, check_whole, parameter
from .._types import Parameter
from .layout import Layout
from .morphology import Morphology, Section


def _geometry(unit: str):
    return parameter(unit=unit, lower=0.0, trainable=False)


class Compartments(Parameterised):
    """A morphology cut into compartments, of which each is as long as the others of its section. Made by `per_section`, `by_length` or `by_lambda`.

    As in NEURON a compartment has the membrane of its truncated cones and one voltage in its middle, and currents along the cell flow from middle to middle
    (or to the point where three or more meet): second order in the length of compartments.

    **Fields**, of n compartments and the nodes of the tree that they make with the junctions between them:

    - `layout`: how they hang together.
    - `area`: of the membrane, um2, shape (n,).
    - `own`, `beyond`: of the way from each node to its parent, the part within the node's compartment and that within the parent's: integrals of
      dx / (pi r^2), 1/um, shape (nodes,).
    - `distance`: path from the middle of the root section, um, shape (n,).
    """

    layout: Layout = eqx.field(static=True)
    area: Parameter = _geometry("um2")
    own: Parameter = _geometry("1/um")
    beyond: Parameter = _geometry("1/um")
    distance: Parameter = _geometry("um")

    def __repr__(self) -> str:
        return f"<{self.layout}>"

    @property
    def identity(self) -> str:
        """What it is, in words, for files: those of other cells, or cut otherwise, have other words."""
        return f"Compartments {self.layout.digest[:16]} ({self.layout})"

    @classmethod
    def _of(cls, morphology: Morphology, count: Callable[[Section], int]) -> Self:
        if not isinstance(morphology, Morphology):
            raise ValueError(
                f"morphology = {morphology!r} is not allowed: must be a Morphology, such as nd.cells.read(path)"
            )
        layout = Layout(morphology, tuple(map(count, morphology.sections)))
        own, beyond = layout.paths
        arrays = (layout.cones[0], own, beyond, layout.distance)
        return cls(layout, *(jnp.asarray(x, dtype=float) for x in arrays))

    @classmethod
    def per_section(cls, morphology: Morphology, count: int | Mapping[str, int] = 1) -> Self:
        """So many compartments in each section: one number, or numbers by region or section, `{"soma": 1, "dendrite": 5, "apic[3]": 9}`, of which the last that
        holds a section counts; 1 in the others.

        **Raises:** `ValueError` for less than one, and for a region that does not exist.
        """
        if not isinstance(count, Mapping):
            check_whole("count", count)
            return cls._of(morphology, lambda section: count)
        counts = {section.name: 1 for section in morphology.sections}
        for region, number in count.items():
            check_whole(f"count of {region!r}", number)
            counts |= {morphology.sections[i].name: number for i in morphology.region(region)}
        return cls._of(morphology, lambda section: counts[section.name])

    @classmethod
    def by_length(cls, morphology: Morphology, longest: float) -> Self:
        """As few compartments as make none longer than `longest` um.

        **Raises:** `ValueError` for a length that is not > 0.
        """
        check_positive("longest", longest, "um")
        return cls._of(morphology, lambda section: max(1, math.ceil(section.length / longest * (1 - 1e-9))))

    @classmethod
    def by_lambda(
        cls,
        morphology: Morphology,
        fraction: float = 0.1,
        *,
        frequency: float = 100.0,
        axial_resistivity: float = 100.0,
        capacitance: float = 1.0,
    ) -> Self:
        """An odd number of compartments in each section, none longer than `fraction` of the length constant at `frequency` Hz, at which the capacitance
        (uF/cm2) takes most of the current of a membrane; `axial_resistivity` in ohm cm.

        **Raises:** `ValueError` for anything that is not > 0.

        Source: Hines and Carnevale (2001), The Neuroscientist 7:123, the rule d_lambda.
        """
        given = {
            "fraction": (fraction, ""),
            "frequency": (frequency, "Hz"),
            "axial_resistivity": (axial_resistivity, "ohm cm"),
        }
        for name, (value, unit) in {**given, "capacitance": (capacitance, "uF/cm2")}.items():
            check_positive(name, value, unit)

        def count(section: Section) -> int:
            mean_root = np.sqrt((section.diameters[1:] + section.diameters[:-1]) / 2)
            electrotonic = float(np.sum(np.diff(section.arc) / mean_root))  # um^1/2
            constant = 1e5 / math.sqrt(4 * math.pi * frequency * axial_resistivity * capacitance)
            return 2 * int((electrotonic / (fraction * constant) + 0.9) / 2) + 1

        return cls._of(morphology, count)
