"""Outputs of a network that was run elsewhere."""

import os

import numpy as np

from ..io.files import LIMIT, DataError, check_file
from ..io.npz import read_arrays, read_array


def read_outputs(path: str | os.PathLike[str], name: str | None = None) -> np.ndarray:
    """An array of real numbers from an NPY or an NPZ file: the way to the outputs of networks that no Python here can run.

    Nothing is unpickled, and no array is made before its announced size has been checked against what the file holds.

    **Arguments:** `name`: of the array in an NPZ file; may be left out if there is one only.

    **Raises:** `DataError` for what is not such a file, and for a name that it does not have.
    """
