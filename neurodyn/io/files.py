"""What every reader asks of a file before it is opened."""

import os
import zipfile
import zlib
from pathlib import Path

from .._files import check_regular


LIMIT = 512 * 2**20  # bytes, of a file and of what is unpacked from one
#: What a damaged or unusual NPY or NPZ file makes its readers raise.
UNREADABLE = (
    zipfile.BadZipFile,
    ValueError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    zlib.error,
)


class DataError(ValueError):
    """A data file that cannot be used: the message names the file and says why."""


def check_file(path: str | os.PathLike[str], limit: int = LIMIT) -> Path:
    """As `_files.check_regular`. **Raises:** `DataError`."""
    return check_regular(path, limit, DataError)
