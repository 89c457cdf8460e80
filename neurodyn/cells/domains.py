"""Which mechanisms are where: a cell as a few domains with the same mechanisms throughout."""

import dataclasses
import functools

import numpy as np

from .layout import Layout


#: Regions of each mechanism by its name, as `Morphology.region` takes them.
Regions = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Domain:
    """Compartments with the same mechanisms.

    **Fields:**

    - `begin`, `end`: which of the ordered compartments.
    - `shares`: of each mechanism there, by name, which part of its compartments they are: from, to.
    """

    begin: int
    end: int
    shares: tuple[tuple[str, int, int], ...]


@dataclasses.dataclass(frozen=True)
class Domains:
    """All domains of a cell.

    **Fields:** `order`: the compartments domain by domain, None if that is their own order; `where`: the compartments of each mechanism in that order, in
    which its states are kept, by name.
    """

    order: tuple[int, ...] | None
    parts: tuple[Domain, ...]
    where: dict[str, np.ndarray]


@functools.lru_cache(maxsize=64)
def domains(layout: Layout, regions: Regions) -> Domains:
    """The domains of mechanisms on their regions.

    **Raises:** `ValueError` for a region that the cell does not have.
    """
    present = np.zeros((layout.size, len(regions)), bool)
    for k, (_, region) in enumerate(regions):
        present[layout.select(region), k] = True
    _, first, kind = np.unique(present, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[kind.ravel()]  # kinds in the order in which they come
    order = np.argsort(rank, kind="stable")
    ordered = present[order]
    before = np.concatenate([np.zeros((1, len(regions)), int), np.cumsum(ordered, axis=0)])
    bounds = [*np.flatnonzero(np.diff(rank[order], prepend=-1)).tolist(), layout.size]
    parts = []
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        shares = tuple(
            (name, int(before[begin, k]), int(before[end, k]))
            for k, (name, _) in enumerate(regions)
            if ordered[begin, k]
        )
        parts.append(Domain(begin, end, shares))
    where = {name: order[ordered[:, k]] for k, (name, _) in enumerate(regions)}
    own = np.array_equal(order, np.arange(layout.size))
    return Domains(None if own else tuple(order.tolist()), tuple(parts), where)
