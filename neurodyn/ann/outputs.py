"""Outputs of a network that was run elsewhere."""

import os
import zipfile

import numpy as np
from numpy.lib.format import open_memmap

from ..io.files import LIMIT, UNREADABLE, DataError, check_file


def read_outputs(path: str | os.PathLike[str], name: str | None = None) -> np.ndarray:
    """An array of finite real numbers from an NPY or an NPZ file: the way to networks that are not written in JAX.

    Nothing is unpickled; a file of more than 512 MiB, or that unpacks to more, is refused.

    **Arguments:** `name`: of the array in an NPZ file; may be left out if there is one only.

    **Raises:** `DataError` for what is not such a file, and for a name that it does not have.
    """
    path = check_file(path)
    try:
        found = _archived(path, name) if zipfile.is_zipfile(path) else open_memmap(path, mode="r")
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{path}: not a readable NPY or NPZ file ({error})") from None
    if found.dtype.kind not in "iuf":
        raise DataError(f"{path}: holds {found.dtype}, must be real numbers")
    array = np.array(found, dtype=float)
    if not np.isfinite(array).all():
        raise DataError(f"{path}: holds a value that is not finite")
    return array


def _archived(path, name: str | None) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        total = sum(member.file_size for member in archive.infolist())
    if total > LIMIT:
        raise DataError(f"{path}: unpacks to {total} bytes, must be at most {LIMIT}")
    with np.load(path, allow_pickle=False) as arrays:
        if name is None and len(arrays.files) == 1:
            name = arrays.files[0]
        if name not in arrays.files:
            raise DataError(f"{path}: has no array {name!r}; has {', '.join(arrays.files)}")
        return arrays[name]
