"""A table of a model's parameters."""

import dataclasses
import html
from typing import Any

import numpy as np
from jax.core import Tracer

from ._parameter import ParameterInfo, parameters


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
        lines = [_HEADER, *(row.cells() for row in self)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADER))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([text[0], "-" * len(text[0]), *text[1:]])

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in _HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row.cells()) + "</tr>"
            for row in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def describe(model: Any) -> Table:
    """Every parameter of a model or stimulus: path, value, unit, allowed range, and whether it is trained by default."""
    return Table(Row(path, item.value, item.info) for path, item in parameters(model).items())
