"""What the command says, on terminals and pipes of every kind."""

import io
import os
import sys


def escape(text: object) -> str:
    """Text on one line, with control characters (a file name may hold terminal codes) written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def say(text: str = "") -> None:
    """Print a line; a reader that has gone away (`| head`) is no error."""
    try:
        print(text, flush=True)
    except (OSError, ValueError, AttributeError):
        silence()


def complain(text: object, kind: str = "error") -> None:
    """One line `error: ...` on standard error."""
    try:
        print(f"{kind}: {escape(text)}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        pass


def on_terminal() -> bool:
    """Whether somebody watches standard error."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def prepare() -> None:
    """Characters a stream cannot show are escaped instead of raised."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence() -> None:
    """Send what is still to come on standard output nowhere, so that the interpreter does not complain when it closes."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        except (OSError, ValueError, AttributeError):
            pass
