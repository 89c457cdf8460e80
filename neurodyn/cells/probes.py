"""What is looked at, and where."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._paths import match
from .._types import FloatArray
from ..channels import AbstractChannel, AbstractMechanism, mechanisms
from .layout import Layout


@dataclasses.dataclass(frozen=True)
class Probe:
    """One number of a cell, by a name of its own: element `index` of the state or current `path`."""

    name: str
    path: str
    index: int

    def see(self, everything: Mapping[str, FloatArray]) -> FloatArray:
        """The number, of all states and currents by path."""
        return everything[self.path][self.index]


def ions(channels: Mapping[str, AbstractMechanism]) -> dict[str, list[str]]:
    """The names of the pools of each ion; several are in different places."""
    found: dict[str, list[str]] = {}
    for name, pool in mechanisms.pools(channels).items():
        found.setdefault(pool.ion, []).append(name)
    return found


def make_probes(
    layout: Layout,
    channels: Mapping[str, AbstractMechanism],
    where: Mapping[str, np.ndarray],
    wanted: Mapping[str, str | tuple[str, str] | Probe],
) -> tuple[Probe, ...]:
    """Probes from places (the voltage there), or pairs of a place and a path; that of the voltage in the middle of the soma first.

    **Arguments:** `where`: the compartments of each mechanism, as in `Domains`.

    **Raises:** `ValueError` for a name that is taken, a place or a path that does not exist, and a place that does not have the channel.
    """
    places = _places(layout, channels, where)
    found = {"v_soma": Probe("v_soma", "v", layout.root)}
    for name, given in wanted.items():
        if not isinstance(name, str) or not name.isidentifier() or name in places or name in found:
            raise ValueError(
                f"probe name {name!r} is not allowed: must be an identifier that is no state or current, other than 'v_soma'"
            )
        if isinstance(given, Probe):
            found[name] = given
            continue
        site, path = (given, "v") if isinstance(given, str) else _pair(name, given)
        compartment = layout.locate(site)
        if path not in places:
            match(path, places, "state or current")
            raise ValueError(
                f"probe {name!r} of {path!r} is not allowed: must be of one state or current, without a pattern"
            )
        at = np.flatnonzero(places[path] == compartment)
        if not at.size:
            raise ValueError(f"probe {name!r} at {site!r} is not allowed for {path!r}: the channel is not there")
        found[name] = Probe(name, path, int(at[0]))
    return tuple(found.values())


def _pair(name: str, given: Any) -> tuple[str, str]:
    if not isinstance(given, Sequence) or len(given) != 2 or not all(isinstance(part, str) for part in given):
        raise ValueError(
            f"probe {name!r} = {given!r} is not allowed: must be a place such as 'soma(0.5)', or a place and a path, such as ('soma(0.5)', 'i_na')"
        )
    site, path = given
    return site, path


def _places(
    layout: Layout, channels: Mapping[str, AbstractMechanism], where: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The compartments that the elements of every state and current belong to, by path."""
    found = {"v": np.arange(layout.size)}
    for name, part in channels.items():
        found |= {f"{name}.{state}": where[name] for state in part.states()}
        if isinstance(part, AbstractChannel):
            found[f"i_{name}"] = where[name]
    return found | {f"e_{ion}": np.concatenate([where[pool] for pool in own]) for ion, own in ions(channels).items()}
