"""Where in a cell a mechanism is."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

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
    - `profiles`: how parameters vary over the region, by path or pattern, such as `{"m.shift": Linear(0.01)}`; those without a dot as keywords too.

    **Raises:** `ValueError` for a parameter that the mechanism does not have, and for what is no profile.
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
        region = region if isinstance(region, str) else ",".join(region)
        given = {**(profiles or {}), **more}
        for path, profile in given.items():
            match(path, parameters(mechanism))
            _check_profile(path, profile)
        for name, value in (("region", region), ("mechanism", mechanism), ("profiles", given)):
            object.__setattr__(self, name, value)


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
