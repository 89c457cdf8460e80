"""What every reader asks of a file before it is opened."""

import os
import stat
import zipfile
import zlib
from pathlib import Path


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
    """The path of an existing, readable regular file of at most `limit` bytes that is not empty.

    Devices and pipes are refused before they are opened, so that nothing hangs or fills the memory.

    **Raises:** `DataError`.
    """
    path = Path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path}: is a directory, must be a file")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: is a device or a pipe, must be a regular file")
    if status.st_size == 0:
        raise DataError(f"{path}: is empty")
    if status.st_size > limit:
        raise DataError(f"{path}: has {status.st_size} bytes, must be at most {limit}")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path}: cannot be read (permission denied)")
    return path
