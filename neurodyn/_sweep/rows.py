"""The rows of a sweep's table, filled batch by batch."""

import math
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.tree_util as jtu
import numpy as np

from .._simulate import Status


def empty_rows(shapes: Any, count: int, axes: Mapping[str, Any]) -> Any:
    """Rows for all members, none of them run, if memory holds them."""
    for name in shapes[0]:
        if name in axes:
            raise ValueError(f"reduce gave {name!r}, which is not allowed: {name} is varied, must be another name")
    size = sum(count * math.prod(x.shape[1:]) * x.dtype.itemsize for x in jtu.tree_leaves(shapes))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise ValueError(
            f"a sweep of {count} members with results of {size / 1e9:.3g} GB is not allowed: must fit into memory ({memory / 1e9:.3g} GB); reduce to less"
        )
    return jtu.tree_map(lambda x: np.full((count, *x.shape[1:]), _missing(x.dtype), x.dtype), shapes)


def _missing(dtype: Any) -> Any:
    return np.nan if np.issubdtype(dtype, np.inexact) else -1 if np.issubdtype(dtype, np.signedinteger) else 0


def store(rows: Any, start: int, allowed: np.ndarray, out: Any) -> None:
    """Put a batch where it belongs, without its padding, the status last; what failed stays missing."""
    outputs, status = out
    count = allowed.size
    status = np.where(allowed, status[:count], Status.invalid_parameter)
    kept = (status == Status.ok) | (status == Status.spike_overflow)

    def put(row, x):
        row[start : start + count][kept] = x[:count][kept]

    jtu.tree_map(put, rows[0], outputs)
    rows[1][start : start + count] = status


def gather(rows: Any, starts: range, batch: int) -> Any:
    """All rows from the processes that ran them."""
    from jax.experimental import multihost_utils

    def whole(x):
        parts = np.asarray(multihost_utils.process_allgather(x))
        joined = np.empty_like(x)
        for i, start in enumerate(starts):
            joined[start : start + batch] = parts[i % jax.process_count(), start : start + batch]
        return joined

    return jtu.tree_map(whole, rows)
