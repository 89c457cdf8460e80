"""The folder of results: whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import CommandError, ResourceError


RUN = "run"  # the folder in the folder of results in which a fit keeps its checkpoints and its log


def check_output(folder: Path, force: bool, resume: bool = False) -> None:
    """Refuse a place that cannot or must not be written, before any work is done. With `force` what an earlier fit kept there goes.

    **Raises:** `CommandError`, `ResourceError`.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise CommandError(f"{folder}: exists and is not a folder; choose another by --output")
    if folder.exists() and not (force or resume):
        again = ", --resume to go on with the fit in it" if (folder / RUN / "manifest.json").exists() else ""
        raise CommandError(
            f"{folder}: exists; choose another folder by --output, or pass --force to replace the results in it{again}"
        )
    if force and not resume and (folder / RUN / "manifest.json").exists():
        shutil.rmtree(folder / RUN)
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ResourceError(f"{folder}: cannot be written, since {existing} is not a folder that may be written to")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write results to, which becomes `folder` at the end; nothing remains of it when something fails.

    In a folder that exists the files of the same names are replaced and others are left alone.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        if folder.exists():
            for file in sorted(temporary.iterdir()):
                os.replace(file, folder / file.name)
        else:
            temporary.chmod(0o777 & ~_umask())
            os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
