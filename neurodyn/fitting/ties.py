"""Parameters that follow another one."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._parameter import NamedParameter
from .._paths import match


@dataclasses.dataclass(frozen=True)
class Tie:
    """Made by `tie`."""

    source: str
    targets: tuple[str, ...]
    function: Callable[[Any], Any] | None

    def resolve(self, known: Mapping[str, NamedParameter]) -> "Tie":
        """The same with the targets by their full paths.

        **Raises:** `ValueError` when source or targets do not exist.
        """
        match(self.source, known)
        if self.source not in known:
            raise ValueError(f"the source of a tie must be one path, got the pattern {self.source!r}")
        targets = tuple(path for path in match(self.targets, known) if path != self.source)
        return dataclasses.replace(self, targets=targets)


def tie(source: str, targets: str | Sequence[str], function: Callable[[Any], Any] | None = None) -> Tie:
    """Let parameters follow another during a fit: `tie("na.m.shift", ["na.h.shift", "k.n.shift"])`.

    **Arguments:** `source`, the path to follow; `targets`, paths or patterns; `function`, from the value of the source to that of the targets
    (the same value without one).
    """
    return Tie(source, (targets,) if isinstance(targets, str) else tuple(targets), function)


def resolve_ties(known: Mapping[str, NamedParameter], trained: Sequence[str], ties: Sequence[Tie]) -> tuple[Tie, ...]:
    """Ties by full paths.

    **Raises:** `ValueError` when a path does not exist or is both trained and tied.
    """
    resolved = tuple(tie.resolve(known) for tie in ties)
    for tie in resolved:
        both = set(tie.targets) & set(trained)
        if both:
            raise ValueError(f"{min(both)} is both trained and tied to {tie.source}: leave it out of trainable")
    return resolved


def tied_values(values: Mapping[str, Any], known: Mapping[str, Any], ties: Sequence[Tie]) -> dict[str, Any]:
    """The values with those of the tied parameters, one tie after the other; a source that is not among the values is looked up in `known`."""
    result = dict(values)
    for tie in ties:
        value = result[tie.source] if tie.source in result else known[tie.source]
        value = value if tie.function is None else tie.function(value)
        result.update(dict.fromkeys(tie.targets, value))
    return result
