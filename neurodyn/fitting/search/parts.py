"""A batch of points that does not fit into memory, evaluated in parts."""

import re
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from ..devices import spread


#: How many points of a batch went through a program together where all of them were too many, for as long as the process lives.
_FITTING: dict[Hashable, int] = {}


def in_parts(function: Callable[..., Any], points: Any, *shared: Any) -> Any:
    """`function(points, *shared)`; where the memory does not suffice for all points, of one half of them after the other, of quarters, and so on.

    **Arguments:** `function`: of arrays with a leading axis of points, to such arrays; no point makes a difference to another. `points`: a pytree of them.

    Warns of the first time a batch is parted. **Raises:** `MemoryError` when not even one point fits.
    """
    count = int(np.shape(jtu.tree_leaves(points)[0])[0])
    kind = _kind(function, points, shared) if _FITTING else None
    size = count if kind is None else _FITTING.get(kind, count)
    while True:
        try:
            if size == count:
                return jax.block_until_ready(function(points, *shared))
            found = _joined(function, points, shared, count, size)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            said = _wanted(error)
            if size == 1:
                raise MemoryError(
                    f"not even one point of the fit fits into memory{said}: shorten the run, or give its method checkpoint = 'nested' or a lower memory"
                ) from error
            if size == count:
                warnings.warn(
                    f"fit: {count} points together do not fit into memory{said}; they go through in parts, to the same result: "
                    "fewer starts, a shorter run or a smaller batch of objectives need less",
                    stacklevel=2,
                )
            size = -(-size // 2)
            continue
        _FITTING[_kind(function, points, shared)] = size
        return found


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was what an error is about."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error) or "Out of memory" in str(error)


def _joined(function: Callable[..., Any], points: Any, shared: tuple, count: int, size: int) -> Any:
    """Part after part, each of one size, since another would be compiled again."""
    found = []
    for first in range(0, count, size):
        places = np.minimum(np.arange(first, first + size), count - 1)
        part = jtu.tree_map(lambda x, places=places: jnp.asarray(np.asarray(x)[places]), points)
        found.append(jax.device_get(function(spread(part, size), *shared)))
    whole = jtu.tree_map(lambda *parts: jnp.asarray(np.concatenate(parts)[:count]), *found)
    return spread(whole, count)


def _kind(function: Callable[..., Any], points: Any, shared: tuple) -> Hashable:
    """What a program is compiled for."""
    leaves, structure = jtu.tree_flatten((points, shared))
    return (
        getattr(function, "__name__", repr(function)),
        structure,
        tuple((x.shape, str(x.dtype)) if hasattr(x, "shape") else repr(x) for x in leaves),
    )


def _wanted(error: BaseException) -> str:
    """How many bytes could not be had, as far as the error tells."""
    found = re.search(r"allocat\w* (\d+(?:\.\d+)? ?(?:bytes|[KMGT]i?B))", str(error))
    return f" ({found[1]} were wanted at once)" if found else ""
