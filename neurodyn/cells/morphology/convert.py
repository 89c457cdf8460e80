"""From MorphIO's objects."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .asc import Branch
from .assemble import assemble
from .files import MorphologyError
from .h5 import soma_of_points
from .morphology import Morphology
from .pieces import Piece
from .repair import check_numbers, check_repairs
from .section import SOMA


def from_morphio(morphology: Any, *, repair: str | Sequence[str] = ()) -> Morphology:
    """A morphology from a `morphio.Morphology` (or its `mut` counterpart made immutable by `as_immutable`).

    MorphIO holds single precision, and does not hold where on a soma of several samples a tree begins: trees are attached to its middle, with
    their own first point as the beginning. `read` knows more about the same files.

    **Arguments:** `morphology`; `repair`, as for `read`.

    **Raises:** `MorphologyError`.
    """
    wanted = check_repairs(repair)
    if not all(hasattr(morphology, name) for name in ("soma", "iter", "root_sections")):
        raise MorphologyError(
            f"{type(morphology).__name__} is not allowed: must be a morphio.Morphology; read(path) reads files without MorphIO"
        )
    points = np.column_stack([morphology.soma.points, morphology.soma.diameters]).astype(float)
    soma, bounds = _soma(morphology.soma.type.name, points) if len(points) else (None, None)
    branches, place = [], {}
    for section in morphology.iter():  # depth first: parents before children
        place[section.id] = len(branches)
        table = np.column_stack([section.points, section.diameters]).astype(float)
        parent = -1 if section.is_root else place[section.parent.id]
        branches.append(Branch(int(section.type), parent, 0, [*map(tuple, table.tolist())], [0] * len(table)))
    return assemble(None, branches, soma, bounds, wanted)


def _soma(kind: str, table: np.ndarray) -> tuple[Piece, np.ndarray | None]:
    if kind == "SOMA_NEUROMORPHO_THREE_POINT_CYLINDERS":
        return soma_of_points(None, table[:1])
    if kind == "SOMA_CYLINDERS" and len(table) > 2:
        check_numbers(
            None, lambda i: f"point {i} of the soma", np.zeros(len(table), int), table[:, :3], table[:, 3] / 2
        )
        return Piece(table[:, :3], table[:, 3], np.zeros(len(table), int), SOMA, -1, 0.5), None
    return soma_of_points(None, table)
