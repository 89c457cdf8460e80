"""The HDF5 format of the Blue Brain Project, version 1: tables of points and of sections."""

from pathlib import Path
from typing import Any

import numpy as np

from .asc import Branch, Outline
from .assemble import soma_of_outlines
from .files import MorphologyError
from .pieces import Piece
from .section import SOMA
from .tree import sphere


_ROWS = 4_000_000


def parse_h5(path: Path) -> tuple[list[Branch], Piece | None, np.ndarray | None]:
    """The branches, the soma and its bounds, from `/points` (x, y, z, diameter) and `/structure` (first point, type, parent).

    Read by h5py rather than by MorphIO, which keeps single precision, takes parents that do not exist or lead round in a circle, and ends the process
    where the first points are not in order (measured with 3.5.0).

    **Raises:** `MorphologyError`; `ImportError` without h5py.
    """
    points, structure = _tables(path)
    _check(path, points, structure)
    starts = structure[:, 0]
    runs = np.split(points, starts[1:])
    first = 1 if structure[0, 1] == SOMA else 0
    branches = []
    for i in range(first, len(structure)):
        parent, table = int(structure[i, 2]), runs[i]
        branches.append(
            Branch(
                int(structure[i, 1]),
                parent - first if parent >= first else -1,
                0,
                [*map(tuple, table.tolist())],
                [0] * len(table),
            )
        )
    soma, bounds = soma_of_points(str(path), runs[0]) if first else (None, None)
    return branches, soma, bounds


def soma_of_points(source: str | None, table: np.ndarray) -> tuple[Piece, np.ndarray | None]:
    """The soma with points x, y, z, diameter: one is a sphere, two the ends of a cone, three and more an outline.

    **Raises:** `MorphologyError`.
    """
    if len(table) > 2:
        soma, bounds = soma_of_outlines(source, [Outline(table[:, :3], 0)])
        assert soma is not None
        return soma, bounds
    if not np.isfinite(table).all() or not (table[:, 3] > 0).all():
        raise MorphologyError(
            f"{source}: the soma has points {table.tolist()} (x, y, z, diameter in um), must be finite with diameters > 0"
        )
    if len(table) == 1:
        return sphere(table[0, :3], float(table[0, 3]), SOMA, 0), None
    return Piece(table[:, :3], table[:, 3], np.zeros(2, int), SOMA, -1, 0.5), None


def _tables(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        import h5py
    except ImportError:
        raise ImportError(f"{path}: reading HDF5 needs h5py: pip install 'neurodyn[morph]'") from None
    try:
        with h5py.File(path, "r") as file:
            return _table(path, h5py, file, "points", 4, float), _table(path, h5py, file, "structure", 3, np.int64)
    except MorphologyError:
        raise
    except Exception as error:  # a parser of bytes: a damaged file can fail in any way
        raise MorphologyError(f"{path}: not a readable HDF5 file ({type(error).__name__}: {error})") from None


def _table(path: Path, h5py: Any, file: Any, name: str, columns: int, dtype: type) -> np.ndarray:
    link = file.get(name, getlink=True)
    dataset: Any = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise MorphologyError(
            f"{path}: has no table /{name} of its own, must have /points and /structure (version 1 of the format)"
        )
    kinds, wanted = ("fiu", "numbers") if dtype is float else ("iu", "integers")
    if (
        dataset.ndim != 2
        or dataset.shape[1] != columns
        or dataset.dtype.kind not in kinds
        or not 0 < len(dataset) <= _ROWS
    ):
        raise MorphologyError(
            f"{path}: /{name} has shape {dataset.shape} and type {dataset.dtype}, must be {wanted} of shape (n, {columns}), n from 1 to {_ROWS}"
        )
    return np.asarray(dataset[()], dtype)


def _check(path: Path, points: np.ndarray, structure: np.ndarray) -> None:
    ends = np.append(structure[1:, 0], len(points))
    index = np.arange(len(structure))
    wrong = {
        "first point": (structure[:, 0] >= ends) | (structure[:, 0] < 0) | ((index == 0) & (structure[:, 0] != 0)),
        "type": (structure[:, 1] < 0) | ((structure[:, 1] == SOMA) & (index > 0)) | (structure[:, 1] >= 2**31),
        "parent": (structure[:, 2] < -1) | (structure[:, 2] >= index),
    }
    must = {
        "first point": f"0 in the first row, ascending, and below the {len(points)} points there are",
        "type": "a tag >= 0, and 1 (soma) in the first row only",
        "parent": "-1 or an earlier row",
    }
    for column, (name, bad) in enumerate(wrong.items()):
        if bad.any():
            row = int(np.argmax(bad))
            raise MorphologyError(
                f"{path}: {name} = {structure[row, column]} in row {row} of /structure is not allowed: must be {must[name]}"
            )
