"""A table of a model's parameters."""

import dataclasses
from typing import Any

import numpy as np
from jax.core import Tracer

from ._parameter import ParameterInfo, parameters
from ._table import as_html, as_text


_HEADER = ("path", "value", "unit", "allowed", "trained by default")


@dataclasses.dataclass(frozen=True)
class Row:
    """One parameter."""

    path: str
    value: Any
    info: ParameterInfo

    def cells(self) -> tuple[str, ...]:
        scalar = self.value.ndim == 0 and not isinstance(self.value, Tracer)
        text = f"{np.asarray(self.value):.6g}" if scalar else f"{self.value.dtype} {self.value.shape}"
        return self.path, text, self.info.unit or "-", self.info.range(), "yes" if self.info.trainable else "no"


class Table(tuple[Row, ...]):
    """Rows of parameters, that shows itself in a terminal and in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return as_text(_HEADER, [row.cells() for row in self])

    def _repr_html_(self) -> str:
        return as_html(_HEADER, [row.cells() for row in self])


def describe(model: Any) -> Table:
    """Every parameter of a model or stimulus: path, value, unit, allowed range, and whether it is trained by default."""
    return Table(Row(path, item.value, item.info) for path, item in parameters(model).items())
