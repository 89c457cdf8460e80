"""Where in a cell a mechanism is."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.core import Tracer

from .._parameter import parameters
from .._paths import match
from ..channels import AbstractMechanism
from .profiles import AbstractProfile


@dataclasses.dataclass(frozen=True, init=False)
class On:
    """A mechanism on a region of a cell: `On("apical", HCurrent(), g=Exponential(1.7, 323.0))`.

    **Arguments:**

    - `region`: regions or sections, as in `Morphology.region`, joined by commas or in a sequence.
    - `mechanism`: a channel or a pool.
    - `profiles`: how parameters vary over the region, by path or pattern, such as `{"m.factor": Linear(0.01)}`; those without a dot as keywords too.

    **Raises:** `ValueError` for what is no region, mechanism or profile, for a parameter that the mechanism does not have, that two profiles vary, or that is zero
    without being a density, which no factor changes.
    """

    region: str
    mechanism: AbstractMechanism
    profiles: dict[str, AbstractProfile]

    def __init__(
        self,
        region: str | Sequence[str],
        mechanism: AbstractMechanism,
        profiles: Mapping[str, AbstractProfile] | None = None,
        **more: AbstractProfile,
    ):
        if not isinstance(region, str):
            names = list(region) if isinstance(region, Sequence) else []
            if not names or not all(isinstance(name, str) for name in names):
                raise ValueError(
                    f"region = {region!r} is not allowed: must be the name of a region or a section, or several of them"
                )
            region = ",".join(names)
        if not isinstance(mechanism, AbstractMechanism):
            raise ValueError(f"mechanism = {mechanism!r} is not allowed: must be a channel or a pool, such as Leak()")
        if not isinstance(profiles, Mapping | None):
            raise ValueError(f"profiles = {profiles!r} is not allowed: must be a dictionary by parameter")
        given = {**(profiles or {}), **more}
        _check_varied(mechanism, given)
        for name, value in (("region", region), ("mechanism", mechanism), ("profiles", given)):
            object.__setattr__(self, name, value)


def _check_varied(mechanism: AbstractMechanism, profiles: Mapping[str, AbstractProfile]) -> None:
    known, taken = parameters(mechanism), {}
    for pattern, profile in profiles.items():
        _check_profile(pattern, profile)
        for path in match(pattern, known):
            value, info = known[path].value, known[path].info
            if path in taken:
                raise ValueError(
                    f"{pattern!r} is not allowed: {path!r} is varied by the profile of {taken[path]!r} already"
                )
            if info.lower != 0.0 and not isinstance(value, Tracer) and not np.any(value):
                raise ValueError(f"a profile of {path!r} is not allowed: it is 0, which no factor changes")
            taken[path] = pattern


#: What the profiles of the cell's own parameters go by, among those of its mechanisms.
CELL = "cell"
_OWN = ("capacitance", "axial_resistivity", "diameter")


def check_profiles(profiles: Mapping[str, AbstractProfile]) -> dict[str, AbstractProfile]:
    """Profiles of a cell's own parameters. **Raises:** `ValueError` for another parameter, and for what is no profile."""
    for name, profile in profiles.items():
        if name not in _OWN:
            raise ValueError(
                f"profiles[{name!r}] is not allowed: must be one of {', '.join(_OWN)}; those of channels stand in On(...)"
            )
        _check_profile(name, profile)
    return dict(profiles)


def check_names(channels: Mapping[str, Any]) -> dict[str, AbstractMechanism | On]:
    """The mechanisms of a cell. **Raises:** `ValueError` for a name that is none, and for what is no mechanism."""
    for name, part in channels.items():
        if not isinstance(name, str) or not name.isidentifier() or name in ("v", CELL):
            raise ValueError(f"channel name {name!r} is not allowed: must be an identifier other than 'v' and {CELL!r}")
        if not isinstance(part, AbstractMechanism | On):
            raise ValueError(
                f"channel {name!r} is not allowed: must be a channel, a pool or On(region, channel), got {type(part).__name__}"
            )
    return dict(channels)


def _check_profile(name: str, profile: Any) -> None:
    if not isinstance(profile, AbstractProfile):
        raise ValueError(f"{name} = {profile!r} is not allowed: must be a profile such as nd.cells.Linear(0.01)")
