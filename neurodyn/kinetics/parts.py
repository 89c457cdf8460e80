"""Modules that are put together from parts of declared kinds."""

import dataclasses
from types import NoneType
from typing import Any, get_args

from .._parameter import Parameterised


class AbstractAssembled(Parameterised):
    """A module that refuses a part of another kind than its field is declared for: a number where a gate should be, a time constant where a steady state
    should be. Fields annotated with anything else than such parts are left alone."""

    def __check_init__(self):
        for field in dataclasses.fields(self):
            kinds, part = _kinds(field.type), getattr(self, field.name)
            if kinds and not isinstance(part, kinds):
                wanted = " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)
                raise TypeError(f"{type(self).__name__}.{field.name}: expected {wanted}, got {named(part)}")


def _kinds(annotation: Any) -> tuple[type, ...]:
    """The classes of an annotation such as `AbstractGate` or `Q10 | None`, if they are those of parts."""
    kinds = get_args(annotation) or (annotation,)
    parts = all(isinstance(kind, type) and issubclass(kind, Parameterised | NoneType) for kind in kinds)
    return kinds if parts else ()


def named(part: Any) -> str:
    """What somebody gave in the wrong place."""
    if isinstance(part, type):
        return f"the class {part.__name__}, not one made by {part.__name__}(...)"
    return repr(part) if isinstance(part, int | float | str | NoneType) else type(part).__name__
