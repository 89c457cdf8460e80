"""What every reader asks of a file, and the error it raises."""

import os
from pathlib import Path

from ..._files import check_regular


LIMIT = 128 * 2**20  # bytes; text unpacks to several times its size


class MorphologyError(ValueError):
    """A morphology that cannot be used: the message names the file, the line where there is one, the value, and what to do."""


def at_line(source: str | None, line: int, message: str) -> MorphologyError:
    """An error that begins with FILE:LINE; without the line where it is 0, and with `<text>` for text that came from no file."""
    place = source or "<text>"
    return MorphologyError(f"{place}:{line}: {message}" if line else f"{place}: {message}")


def check_file(path: str | os.PathLike[str], limit: int = LIMIT) -> Path:
    """As `_files.check_regular`. **Raises:** `MorphologyError`."""
    return check_regular(path, limit, MorphologyError)


def read_text(path: Path) -> str:
    """The text of a file, whose comments may be in any encoding that contains ASCII.

    A byte order mark of UTF-8 is dropped. What is not a comment must be ASCII, and the readers check that.

    **Raises:** `MorphologyError` for UTF-16 and UTF-32, a compressed file, and where the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MorphologyError(f"{path}: cannot be read ({error.strerror or error})") from None
    if data.startswith(b"\x1f\x8b"):
        raise MorphologyError(f"{path}: is compressed (gzip); unpack it")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        raise MorphologyError(f"{path}: is text in UTF-16 or UTF-32, or no text; save it as UTF-8")
    return split_ends(data.removeprefix(b"\xef\xbb\xbf").decode("latin-1"))


def split_ends(text: str) -> str:
    r"""The same text with every line ended by `\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
