"""Pictures in a row, as a file."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from .._files import write_whole


_FORMATS = (".gif", ".mp4")
#: Frames per second of a GIF: it holds the time between frames as up to 65535 hundredths of a second, and viewers slow down one that is faster.
_SLOWEST, _FASTEST = 0.002, 50.0


def check_video(path: str | os.PathLike[str], fps: float) -> Path:
    """Where a film goes.

    **Raises:** `ValueError` for what is no path, a folder, a name that ends in anything but `.gif` or `.mp4`, and a GIF of more than 50 frames per second or less
    than 0.002; `RuntimeError` for `.mp4` without the program ffmpeg.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"path of type {type(path).__name__} is not allowed: must be the name of a file")
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"path = {str(path)!r} is not allowed: must end in {' or '.join(_FORMATS)}")
    if path.is_dir():
        raise ValueError(f"path = {str(path)!r} is not allowed: is a folder, must be a file")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()
    elif not _SLOWEST <= fps <= _FASTEST:
        raise ValueError(
            f"fps = {fps!r} is not allowed for a GIF: must be {_SLOWEST:g} to {_FASTEST:g} frames per second; .mp4 allows more"
        )
    return path


def write_video(path: Path, frames: Iterator[np.ndarray], fps: float, palette: np.ndarray, comment: str) -> None:
    """Write frames, each of shape (height, width, 3) and type uint8, whole or not at all; a GIF in the colours of a palette, shape (up to 256, 3).

    The file is opened before the first frame is made.
    """
    if path.suffix.lower() == ".gif":
        write_whole(path, lambda file: _gif(file, _images(frames, palette), fps, comment))
    else:
        write_whole(path, lambda file: _mp4(file, frames, fps, comment))


def _images(frames: Iterator[np.ndarray], palette: np.ndarray) -> Iterator[Any]:
    """Frames in the nearest colours of a palette."""
    from PIL import Image

    colours = Image.new("P", (1, 1))
    colours.putpalette(palette.astype(np.uint8).tobytes())
    return (Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames)


def _gif(file: IO[bytes], images: Iterator[Any], fps: float, comment: str) -> None:
    between = 10 * round(100 / fps)  # ms
    first = next(images)
    first.save(file, format="GIF", save_all=True, append_images=images, duration=between, loop=0, comment=comment)


def _ffmpeg() -> str:
    """The program that makes MP4. **Raises:** `RuntimeError` when it is not there."""
    import matplotlib

    found = shutil.which(matplotlib.rcParams["animation.ffmpeg_path"])
    if found is None:
        raise RuntimeError("a film in .mp4 needs the program ffmpeg, which is not there: install it, or write .gif")
    return found


def _mp4(file: IO[bytes], frames: Iterator[np.ndarray], fps: float, comment: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "film.mp4"  # ffmpeg goes back to the beginning of its file when all is known
        _encode(made, frames, fps, comment)
        with open(made, "rb") as source:
            shutil.copyfileobj(source, file)


def _encode(path: Path, frames: Iterator[np.ndarray], fps: float, comment: str) -> None:
    first = next(frames)
    height, width = (n - n % 2 for n in first.shape[:2])  # as the usual encoding asks for
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
    wanted = ["-an", "-pix_fmt", "yuv420p", "-metadata", f"comment={comment}", str(path)]
    with tempfile.TemporaryFile() as messages:
        command = [_ffmpeg(), "-y", "-loglevel", "error", *given, *wanted]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages)
        assert process.stdin is not None
        try:
            with process.stdin:
                for frame in chain((first,), frames):
                    process.stdin.write(np.ascontiguousarray(frame[:height, :width]).tobytes())
        except BrokenPipeError:
            pass  # it says why below
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        if code:
            messages.seek(0)
            said = messages.read().decode(errors="replace").strip()
            raise RuntimeError(f"ffmpeg could not make the film: {said[-500:] or f'it ended with {code}'}")
