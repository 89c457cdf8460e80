"""What every reader asks of a file, and the error it raises."""

import os
import stat
from pathlib import Path


LIMIT = 128 * 2**20  # bytes; text unpacks to several times its size


class MorphologyError(ValueError):
    """A morphology that cannot be used: the message names the file, the line where there is one, the value, and what to do."""


def at_line(source: str | None, line: int, message: str) -> MorphologyError:
    """An error that begins with FILE:LINE; without the line where it is 0, and with `<text>` for text that came from no file."""
    place = source or "<text>"
    return MorphologyError(f"{place}:{line}: {message}" if line else f"{place}: {message}")


def check_file(path: str | os.PathLike[str], limit: int = LIMIT) -> Path:
    """The path of an existing, readable regular file of at most `limit` bytes that is not empty.

    Devices and pipes are refused before they are opened, so that nothing hangs.

    **Raises:** `MorphologyError`.
    """
    path = Path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise MorphologyError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(status.st_mode):
        raise MorphologyError(f"{path}: is a directory, must be a file")
    if not stat.S_ISREG(status.st_mode):
        raise MorphologyError(f"{path}: is a device or a pipe, must be a regular file")
    if status.st_size == 0:
        raise MorphologyError(f"{path}: is empty: it has no samples")
    if status.st_size > limit:
        raise MorphologyError(f"{path}: has {status.st_size} bytes, must have at most {limit}")
    if not os.access(path, os.R_OK):
        raise MorphologyError(f"{path}: cannot be read (permission denied)")
    return path


def read_text(path: Path) -> str:
    """The text of a file, whose comments may be in any encoding that contains ASCII.

    A byte order mark of UTF-8 is dropped. What is not a comment must be ASCII, and the readers check that.

    **Raises:** `MorphologyError` for UTF-16 and UTF-32, and where the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MorphologyError(f"{path}: cannot be read ({error.strerror or error})") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise MorphologyError(f"{path}: is text in UTF-16 or UTF-32, or no text; save it as UTF-8")
    return split_ends(data.removeprefix(b"\xef\xbb\xbf").decode("latin-1"))


def split_ends(text: str) -> str:
    r"""The same text with every line ended by `\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
