"""A recording from a file of any known format."""

import os
from pathlib import Path

from .abf import read_abf
from .csv import read_csv
from .files import DataError
from .npz import read_npz
from .nwb import read_nwb
from .recording import Recording


_READERS = {".abf": read_abf, ".csv": read_csv, ".npz": read_npz, ".nwb": read_nwb}


def read(path: str | os.PathLike[str]) -> Recording:
    """Read an `.abf`, `.csv`, `.npz` or `.nwb` file.

    **Raises:** `DataError`, also for another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"{path}: has the suffix {suffix!r}, must be one of {', '.join(_READERS)}")
    return _READERS[suffix](path)
