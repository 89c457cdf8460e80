"""Pictures in a row, as a file."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from .._files import write_whole


_FORMATS = (".gif", ".mp4")
_FASTEST = 50.0  # frames per second: viewers slow down a GIF that is faster


def check_video(path: str | os.PathLike[str], fps: float) -> Path:
    """Where a film goes.

    **Raises:** `ValueError` for a name that ends in anything but `.gif` or `.mp4`, and a GIF of more than 50 frames per second; `RuntimeError` for `.mp4` without
    the program ffmpeg.
    """
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"path = {str(path)!r} is not allowed: must end in {' or '.join(_FORMATS)}")
    if path.suffix.lower() == ".mp4":
        _ffmpeg()
    elif fps > _FASTEST:
        raise ValueError(
            f"fps = {fps!r} is not allowed for a GIF: must be at most {_FASTEST:g} frames per second; .mp4 allows more"
        )
    return path


def write_video(path: Path, frames: Iterator[np.ndarray], fps: float, palette: np.ndarray, comment: str) -> None:
    """Write frames, each of shape (height, width, 3) and type uint8, whole or not at all; a GIF in the colours of a palette, shape (up to 256, 3)."""
    if path.suffix.lower() == ".gif":
        images = _images(frames, palette)
        write_whole(path, lambda file: _gif(file, images, fps, comment))
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "film.mp4"
        _mp4(made, frames, fps, comment)
        with open(made, "rb") as source:
            write_whole(path, lambda file: shutil.copyfileobj(source, file))


def _images(frames: Iterator[np.ndarray], palette: np.ndarray) -> list[Any]:
    """Frames in the nearest colours of a palette."""
    from PIL import Image

    colours = Image.new("P", (1, 1))
    colours.putpalette(palette.astype(np.uint8).tobytes())
    return [Image.fromarray(frame).quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]


def _gif(file: IO[bytes], images: list[Any], fps: float, comment: str) -> None:
    # Times between frames are hundredths of a second.
    first, *rest = images
    first.save(
        file, format="GIF", save_all=True, append_images=rest, duration=10 * round(100 / fps), loop=0, comment=comment
    )


def _ffmpeg() -> str:
    """The program that makes MP4. **Raises:** `RuntimeError` when it is not there."""
    import matplotlib

    found = shutil.which(matplotlib.rcParams["animation.ffmpeg_path"])
    if found is None:
        raise RuntimeError("a film in .mp4 needs the program ffmpeg, which is not there: install it, or write .gif")
    return found


def _mp4(path: Path, frames: Iterator[np.ndarray], fps: float, comment: str) -> None:
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
                for frame in (first, *frames):
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
