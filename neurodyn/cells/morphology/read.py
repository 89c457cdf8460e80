"""A morphology from a file of any known format."""

import os
from collections.abc import Sequence
from pathlib import Path

from .asc import parse_asc
from .assemble import assemble, soma_of_outlines
from .files import MorphologyError, check_file, read_text
from .h5 import parse_h5
from .morphology import Morphology
from .repair import check_repairs
from .swc import from_swc


_SUFFIXES = (".swc", ".asc", ".h5")


def read(path: str | os.PathLike[str], *, repair: str | Sequence[str] = ()) -> Morphology:
    """Read the morphology in an `.swc`, `.asc` (Neurolucida) or `.h5` file (Blue Brain Project, version 1; extra `morph`).

    Nothing is mended that was not asked for; what was is in `Morphology.repairs`, and what is unusual in `Morphology.notes`. Sections, their types,
    areas and places are those of NEURON's Import3d: see `from_swc` for SWC. In the other two a soma is an outline, which becomes a row of 20 cones along
    its longest axis, or several outlines one above the other, which become a circle each; every tree is attached to its middle, and begins at its
    own first point. In `.asc` an outline is the soma's if it is called CellBody, Cell Body or Soma, or has the property CellBody. Without
    a soma the root of the only tree takes its place.

    **Arguments:**

    - `path`.
    - `repair`, one or several names:
        - "zero_length": points closer than 1e-6 um to the one before, which are steps of the diameter otherwise, are merged with it, and sections shorter than that are taken out;
        - "duplicate_points": points that repeat the one before, diameter included, are left out;
        - "disconnected": of several unconnected trees the one with the soma is kept, or the largest where none has a soma;
        - "radius": radii from 0 to 0.001 um are set to 0.05 um.

    **Raises:** `MorphologyError`, with the line in a text file; `ImportError` without h5py for HDF5; `ValueError` for an unknown repair.
    """
    wanted = check_repairs(repair)
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise MorphologyError(f"{path}: has the suffix {suffix!r}, must be one of {', '.join(_SUFFIXES)}")
    path = check_file(path)
    if suffix == ".swc":
        return from_swc(read_text(path), repair=repair, source=str(path))
    if suffix == ".asc":
        branches, outlines = parse_asc(read_text(path), str(path))
        return assemble(str(path), branches, *soma_of_outlines(str(path), outlines), wanted)
    return assemble(str(path), *parse_h5(path), wanted)
