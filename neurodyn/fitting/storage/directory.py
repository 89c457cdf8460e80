"""The folder of a fit that lasts: checkpoints, a log of its steps, and a lock."""

import contextlib
import json
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import filelock
import jax
import numpy as np

from ..._files import write_text
from .checkpoint import CheckpointError, read_checkpoint, write_checkpoint


_KEPT = 2  # good checkpoints at any time
_FORMAT = "neurodyn fit"


class RunDirectoryError(ValueError):
    """A folder that cannot be the one of this fit, or not now."""


class RunDirectory:
    """A folder that belongs to one fit and, while it is open, to one process.

    - `manifest.json`: which fit, and which versions it began with.
    - `checkpoints/<number>`: the last two.
    - `metrics.jsonl`: a line per step.
    - `lock`: held while a process works in it; who holds it stands inside. The system frees it when that process ends, however it ends.

    **Raises:** `RunDirectoryError` when it holds a fit already and `resume` is False, when it holds another fit, when another process works in it, or
    when it cannot be made or written; then its cause is the `OSError`.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str, resume: bool):
        self.path, self.fingerprint = Path(path), fingerprint
        self._checkpoints = self.path / "checkpoints"
        self._metrics: IO[str] | None = None
        self._failing = False
        with self._writing():
            begun = self._manifest().exists()
        if begun and not resume:
            raise RunDirectoryError(
                f"directory = {str(self.path)!r} holds a fit: pass resume=True to go on with it, or another folder"
            )
        with self._writing():
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self.path / "lock")
            self._acquire()
            try:
                write_text(self._holder(), f"{os.getpid()} on {socket.gethostname()}\n")
                self._check_manifest()
            except BaseException:
                self._lock.release()
                raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What the system says against it, with the folder it is about."""
        try:
            yield
        except (OSError, NotImplementedError) as error:  # the second: a file system without locks
            at = getattr(error, "filename", None)
            where = f": {at}" if at and str(at) != str(self.path) else ""
            raise RunDirectoryError(
                f"directory = {str(self.path)!r} cannot be made or written ({getattr(error, 'strerror', None) or error}{where}): "
                "give a folder that may be written to, with nothing in the way"
            ) from error

    def _manifest(self) -> Path:
        return self.path / "manifest.json"

    def _holder(self) -> Path:
        return self.path / "holder"

    def _acquire(self) -> None:
        holder = self._holder()
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            who = holder.read_text().strip() if holder.exists() else "unknown"
            raise RunDirectoryError(
                f"directory = {str(self.path)!r} is in use by process {who}: wait for it, or use another folder"
            ) from None

    def _check_manifest(self) -> None:
        now = {"neurodyn": _version(), "jax": jax.__version__, "backend": jax.default_backend()}
        if not self._manifest().exists():
            document = {"format": _FORMAT, "version": 1, "fingerprint": self.fingerprint, "made_with": now}
            write_text(self._manifest(), json.dumps(document, indent=2) + "\n")
            return
        try:
            document = json.loads(self._manifest().read_text())
            known, before = document["fingerprint"], dict(document["made_with"])
        except (ValueError, KeyError, TypeError) as error:
            raise RunDirectoryError(f"{self._manifest()}: is no manifest of a fit ({error})") from None
        if known != self.fingerprint:
            raise RunDirectoryError(
                f"directory = {str(self.path)!r} holds another fit (other model, data, trained parameters or settings): use another folder"
            )
        if before != now:
            warnings.warn(
                f"fit: {self.path} was begun with {before}, now it is {now}: the result may differ in rounding",
                stacklevel=4,
            )

    def save(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint and remove all but the last two. A full disk does not end the fit: it warns, and the older ones stay."""
        try:
            write_checkpoint(self._checkpoints / f"{number:09d}", arrays, self.fingerprint)
            for old in self._numbers()[:-_KEPT]:
                (self._checkpoints / f"{old:09d}").unlink()
        except OSError as error:
            size = sum(x.nbytes for x in arrays.values())
            warnings.warn(
                f"fit: no checkpoint after step {number}, {self._checkpoints} cannot take {size} bytes ({error.strerror or error}); the fit goes on",
                stacklevel=4,
            )

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self._checkpoints.iterdir() if path.name.isdecimal())

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays of the last good checkpoint, or None when there is none. A damaged one is passed over with a warning."""
        for leftover in self._checkpoints.glob(".*"):
            leftover.unlink()
        for number in reversed(self._numbers()):
            try:
                return read_checkpoint(self._checkpoints / f"{number:09d}", self.fingerprint)
            except CheckpointError as error:
                warnings.warn(f"fit: {error}; going back to the one before", stacklevel=4)
        return None

    def begin_log(self, lines: int) -> None:
        """Open the log after its first `lines` lines: what came later is done again."""
        path = self.path / "metrics.jsonl"
        with self._writing():
            kept = path.read_text().splitlines(keepends=True)[:lines] if path.exists() else []
            write_text(path, "".join(kept))
            self._metrics = open(path, "a", encoding="utf-8")

    def log(self, line: Mapping[str, Any]) -> None:
        """A line of the log. One that cannot be written is left out, with one warning."""
        try:
            if self._metrics is not None:
                self._metrics.write(json.dumps(line) + "\n")
                self._metrics.flush()
        except OSError as error:
            if not self._failing:
                warnings.warn(
                    f"fit: {self.path / 'metrics.jsonl'} cannot be written ({error.strerror}); the fit goes on",
                    stacklevel=4,
                )
            self._failing = True

    def close(self) -> None:
        """Let go of the folder. One in which no step was saved is removed."""
        try:
            if self._metrics is not None:
                self._metrics.close()
        except OSError:
            pass  # what is left in its buffer has been warned of
        empty = not self._numbers()
        self._lock.release()
        if empty:
            for name in ("manifest.json", "holder", "metrics.jsonl", "lock"):
                (self.path / name).unlink(missing_ok=True)
            for folder in (self._checkpoints, self.path):
                with contextlib.suppress(OSError):  # somebody else's files are in it
                    folder.rmdir()


def _version() -> str:
    from importlib.metadata import version

    return version("neurodyn")
