"""One checkpoint: arrays by path, in a file that is read whole or refused.

The file is a line with a version, the fingerprint of the fit it belongs to and the SHA-256 of everything else, then the arrays in the safetensors
format: data, and nothing that could be run.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from ..._files import write_whole


_MAGIC = "neurodyn-checkpoint-1"
_LIMIT = 2**32  # bytes


class CheckpointError(ValueError):
    """A checkpoint that cannot be used."""


def _head(fingerprint: str, body: bytes) -> bytes:
    digest = hashlib.sha256(fingerprint.encode() + body).hexdigest()
    return f"{_MAGIC} {fingerprint} {digest}\n".encode()


def write_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], fingerprint: str) -> None:
    """Write a checkpoint whole or not at all, and read it back.

    **Raises:** `OSError` when it cannot be written.
    """
    body = safetensors.numpy.save({name: np.asarray(x, order="C") for name, x in arrays.items()})
    content = _head(fingerprint, body) + body
    write_whole(path, lambda file: file.write(content))
    if path.read_bytes() != content:
        raise OSError(None, "does not read back as it was written", str(path))


def read_checkpoint(path: Path, fingerprint: str) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint.

    **Raises:** `CheckpointError` for a file that is damaged, of another version, or of another fit.
    """
    if not path.is_file() or path.stat().st_size > _LIMIT:
        raise CheckpointError(f"{path}: is no checkpoint, must be a regular file of at most {_LIMIT} bytes")
    head, _, body = path.read_bytes().partition(b"\n")
    parts = head.split(b" ")
    if len(parts) != 3 or parts[0] != _MAGIC.encode():
        raise CheckpointError(f"{path}: is no checkpoint of this version, must begin with {_MAGIC}")
    if head + b"\n" != _head(parts[1].decode(errors="replace"), body):
        raise CheckpointError(f"{path}: was damaged or cut short, its hash does not match")
    if parts[1].decode() != fingerprint:
        raise CheckpointError(f"{path}: belongs to another fit (other model, data, trained parameters or settings)")
    try:
        return safetensors.numpy.load(body)
    except Exception as error:  # a hash that fits a file that does not: written by something else
        raise CheckpointError(f"{path}: is no checkpoint ({type(error).__name__}: {error})") from None
