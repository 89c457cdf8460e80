"""Parameters that follow another one."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from .._parameter import parameters, replace_leaves
from .._paths import match, named_leaves


@dataclasses.dataclass(frozen=True)
class Tie:
    """Made by `tie`."""

    source: str
    targets: tuple[str, ...]
    function: Callable[[Any], Any] | None

    def resolve(self, model: Any) -> tuple[str, ...]:
        """The paths of the targets in a model.

        **Raises:** `ValueError` when source or targets do not exist.
        """
        known = parameters(model)
        match(self.source, known)
        if self.source not in known:
            raise ValueError(f"the source of a tie must be one path, got the pattern {self.source!r}")
        return tuple(path for path in match(self.targets, known) if path != self.source)


def tie(source: str, targets: str | Sequence[str], function: Callable[[Any], Any] | None = None) -> Tie:
    """Let parameters follow another during a fit: `tie("na.m.shift", ["na.h.shift", "k.n.shift"])`.

    **Arguments:** `source`, the path to follow; `targets`, paths or patterns; `function`, from the value of the source to that of the targets
    (the same value without one).
    """
    return Tie(source, (targets,) if isinstance(targets, str) else tuple(targets), function)


def apply_ties(model: Any, ties: Sequence[Tie]) -> Any:
    """The model with every tied parameter set from its source."""
    for tie in ties:
        value = named_leaves(model)[tie.source]
        value = value if tie.function is None else tie.function(value)
        model = replace_leaves(model, dict.fromkeys(tie.resolve(model), value))
    return model
