"""Which node of a tree hangs on which."""

import functools
from collections.abc import Sequence

import numpy as np


class Tree:
    """A rooted tree of nodes 0 to n - 1, in any order: static, hashable, compared by value.

    **Fields:** `parents`: of each node, -1 for the root; shape (n,).

    **Raises:** `ValueError` for anything but one tree.
    """

    def __init__(self, parents: Sequence[int] | np.ndarray):
        self.parents = np.array(parents, dtype=np.int32)
        self.parents.flags.writeable = False
        roots = np.flatnonzero(self.parents < 0)
        if self.parents.ndim != 1 or roots.size != 1 or self.parents.max(initial=-1) >= self.parents.size:
            raise ValueError(f"parents {list(parents)} are not allowed: must be nodes of one tree, and -1 for its root")
        self.root = int(roots[0])
        self._hash = hash(self.parents.tobytes())
        if self.downwards.size != self.size:
            raise ValueError("parents are not allowed: they go round in a circle")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and np.array_equal(self.parents, other.parents)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Tree of {self.size} nodes"

    @property
    def size(self) -> int:
        return self.parents.size

    @functools.cached_property
    def children(self) -> list[list[int]]:
        """The children of each node, in order."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        for node, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                found[parent].append(node)
        return found

    @functools.cached_property
    def downwards(self) -> np.ndarray:
        """The nodes such that each comes after its parent, and after its last child's branch where there is one: what is looked at next is near."""
        order, waiting = [], [self.root]
        while waiting:
            node = waiting.pop()
            order.append(node)
            waiting.extend(reversed(self.children[node]))
        return np.asarray(order, np.int32)
