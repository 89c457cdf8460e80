"""Morphology files that several tests read: those of `NEURODYN_DATA`, texts with what NEURON makes of them, and tables for HDF5."""

import json
import os
from pathlib import Path

import numpy as np
import pytest


DATA = Path(os.environ.get("NEURODYN_DATA", "/nowhere")) / "morphologies"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs NEURODYN_DATA")
#: What NEURON 9.0.2 makes of texts and files; reference/README.md says how it was made.
NEURON = json.loads((Path(__file__).parent / "reference" / "neuron_import.json").read_text())
TEXTS, SECTIONS = NEURON["texts"], NEURON["sections"]
GOOD = TEXTS["branched_soma.swc"]


def place(name: str, folder: Path) -> Path:
    if name not in TEXTS:
        return DATA / name
    (folder / name).write_text(TEXTS[name])
    return folder / name


POINTS = np.array([[-5, -4, 0, 0], [5, -4, 0, 0], [6, 5, 0, 0], [-6, 3, 0, 0], [0, 5, 0, 1], [0, 50, 0, 1]], float)
MORE = np.array([[0, 50, 0, 1], [3, 80, 0, 0.5], [0, 50, 0, 1], [-3, 80, 0, 0.5]], float)
STRUCTURE = np.array([[0, 1, -1], [4, 3, 0], [6, 3, 1], [8, 3, 1]])


def write_h5(path: Path, points, structure) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["points"] = points
        file["structure"] = structure
    return path
