"""Files that are never left half written, and what is asked of one before it is read."""

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_whole(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file whole or not at all; `write` is called with the open file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(temporary, "xb") as file:
        try:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def check_regular(path: str | os.PathLike[str], limit: int, error: type[ValueError]) -> Path:
    """The path of an existing, readable regular file of at most `limit` bytes that is not empty.

    Devices and pipes are refused before they are opened, so that nothing hangs or fills the memory.

    **Raises:** `error`, naming the file.
    """
    path = Path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as cause:  # a NUL in a path is a ValueError
        raise error(f"{path}: cannot be read ({getattr(cause, 'strerror', None) or cause})") from None
    if stat.S_ISDIR(status.st_mode):
        raise error(f"{path}: is a directory, must be a file")
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{path}: is a device or a pipe, must be a regular file")
    if status.st_size == 0:
        raise error(f"{path}: is empty")
    if status.st_size > limit:
        raise error(f"{path}: has {status.st_size} bytes, must be at most {limit}")
    if not os.access(path, os.R_OK):
        raise error(f"{path}: cannot be read (permission denied)")
    return path
