"""What makes two fits the same."""

import dataclasses
import hashlib
from typing import Any

import equinox as eqx
import jax
import jax.tree_util as jtu
import numpy as np

from ..._parameter import modules
from ..._paths import join


def fingerprint(*parts: Any) -> str:
    """A hash of every array, class name and plain static number in some pytrees.

    Functions (an optimiser's, a tie's) are not part of it: they have no content that could be compared.
    """
    digest = hashlib.sha256(str(jax.dtypes.canonicalize_dtype(float)).encode())
    for part in parts:
        for keys, leaf in jtu.tree_flatten_with_path(part)[0]:
            digest.update(f"|{join(keys)}".encode())
            if eqx.is_array_like(leaf):
                array = np.asarray(leaf)
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        for path, module in modules(part).items():
            digest.update(f"|{path}:{type(module).__name__}".encode())
            for field in dataclasses.fields(module):
                value = getattr(module, field.name, None)
                if field.metadata.get("static", False) and _plain(value):
                    digest.update(f"|{field.name}={value!r}".encode())
    return digest.hexdigest()


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
