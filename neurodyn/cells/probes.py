"""What is looked at, and where."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from .._paths import match
from .._types import FloatArray
from .domains import Regions, domains
from .layout import Layout


@dataclasses.dataclass(frozen=True)
class Probe:
    """One number of a cell, by a name of its own: element `index` of the state or current `path`."""

    name: str
    path: str
    index: int

    def see(self, everything: Mapping[str, FloatArray]) -> FloatArray:
        """The number, of all states and currents by path."""
        (path,) = match(self.path, everything, "state or current")
        return everything[path][self.index]


def make_probes(layout: Layout, regions: Regions, wanted: Mapping[str, str | tuple[str, str]]) -> tuple[Probe, ...]:
    """Probes from places (the voltage there), or pairs of a place and a path; that of the voltage in the middle of the soma first.

    **Raises:** `ValueError` for a place that does not exist, or that does not have the channel.
    """
    found = {"v_soma": Probe("v_soma", "v", layout.root)}
    for name, given in wanted.items():
        site, path = (given, "v") if isinstance(given, str) else given
        compartment = layout.locate(site)
        found[name] = Probe(
            name, path, compartment if path == "v" else _index(layout, regions, site, compartment, path)
        )
    return tuple(found.values())


def _index(layout: Layout, regions: Regions, site: str, compartment: int, path: str) -> int:
    """The place of a compartment among those of the mechanism that a path begins with."""
    where = domains(layout, regions).where
    name = path.removeprefix("i_").split(".")[0]
    (name,) = match(name, where, "channel")
    at = np.flatnonzero(where[name] == compartment)
    if not at.size:
        raise ValueError(f"probe at {site!r} is not allowed for {path!r}: {name!r} is not there")
    return int(at[0])
