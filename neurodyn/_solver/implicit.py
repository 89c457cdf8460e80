"""Linear equations with the Jacobian of a model, solved compartment by compartment and then along the cell."""

import dataclasses
from typing import Any, Self, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import lineax as lx
import numpy as np

from .._model import AbstractCoupledFlow, AbstractNeuron
from .._paths import join
from .._types import FloatArray, RealScalar, State


class OperatorCoupling(eqx.Module):
    """Voltages coupled by an operator, which holds their whole Jacobian block: solved as a matrix. As `AbstractCoupledFlow.solve`."""

    operator: lx.AbstractLinearOperator

    def solve(self, load: FloatArray, factor: RealScalar, right: FloatArray, transposed: bool) -> FloatArray:
        block = self.operator.as_matrix()
        between = block - jnp.diag(jnp.sum(block, axis=1))
        matrix = jnp.diag(load) + factor * between
        return jnp.linalg.solve(matrix.T if transposed else matrix, right)


Coupling: TypeAlias = AbstractCoupledFlow | OperatorCoupling


def _is_coupled(decay: Any) -> bool:
    return isinstance(decay, AbstractCoupledFlow | lx.AbstractLinearOperator)


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """How the leaves of a state are eliminated: static.

    **Fields:**

    - `order`: the leaves, by their place among all, in the order of their elimination: coupled voltages last.
    - `diagonal`: how many of the first of these do not depend on one another.
    - `places`: for each of these which units its elements go with; None if they are the units one by one.
    - `size`: how many units (compartments) there are.
    """

    order: tuple[int, ...]
    diagonal: int
    places: tuple[tuple[int, ...] | None, ...]
    size: int

    @classmethod
    def make(cls, model: AbstractNeuron, y: State, decay: Any) -> tuple[Self, Coupling | None]:
        """That of a state of a model with this decay, and what couples the voltages.

        **Raises:** `ValueError` for a state whose leaves do not go together one by one.
        """
        leaves, treedef = jtu.tree_flatten_with_path(y)
        groups = treedef.flatten_up_to(model.groups())
        found = treedef.flatten_up_to(decay)
        coupled = [i for i, own in enumerate(found) if _is_coupled(own)]
        if len(coupled) > 1:
            names = ", ".join(join(leaves[i][0]) for i in coupled)
            raise ValueError(f"the states {names} are all coupled, which is not allowed here: must be one, the voltage")
        order = sorted(range(len(leaves)), key=lambda i: (i in coupled, groups[i]))
        last = order[-1]
        diagonal = sum(groups[i] == groups[order[0]] for i in order[:-1])
        coupling, places = found[last] if coupled else None, [None] * len(leaves)
        if isinstance(coupling, AbstractCoupledFlow):
            places = treedef.flatten_up_to(coupling.places(model, y))
        elif coupling is not None:
            coupling = OperatorCoupling(coupling)
        size = leaves[last][1].size
        for (path, leaf), own in zip(leaves, places, strict=True):
            if leaf.size != (size if own is None else len(own)):
                raise ValueError(
                    f"state {join(path)!r} of shape {leaf.shape} beside {join(leaves[last][0])!r} of shape {leaves[last][1].shape} is not allowed "
                    "for this solver: must be of the same shape, or the model must say where its elements are; use diffrax.Kvaerno5()"
                )
        one_by_one = tuple(range(size))
        ordered = tuple(None if places[i] == one_by_one else places[i] for i in order)
        return cls(tuple(order), diagonal, ordered, size), coupling

    def spread(self, i: int, x: FloatArray) -> FloatArray:
        """The leaf that is eliminated as the i-th, for all units, zero where they have none; shape (size,)."""
        x, places = x.reshape(-1), self.places[i]
        if places is None:
            return x
        index = np.full(self.size, len(places))
        index[np.asarray(places, int)] = np.arange(len(places))
        return jnp.concatenate([x, jnp.zeros((1,), x.dtype)])[index]

    def gather(self, i: int, x: FloatArray) -> FloatArray:
        """Back: the elements of the leaf that is eliminated as the i-th."""
        places = self.places[i]
        return x if places is None else x[np.asarray(places, int)]

    def missing(self, i: int) -> np.ndarray:
        """1 for units without that leaf, 0 for others; shape (size,)."""
        missing = np.zeros(self.size)
        if self.places[i] is not None:
            missing[:] = 1
            missing[np.asarray(self.places[i], int)] = 0
        return missing

    def stack(self, x: State) -> FloatArray:
        """All leaves for all units, shape (leaves, size)."""
        leaves = jtu.tree_leaves(x)
        return jnp.stack([self.spread(i, leaves[own]) for i, own in enumerate(self.order)])

    def unstack(self, rows: FloatArray, like: Any) -> State:
        """Back to a pytree like another."""
        old, treedef = jtu.tree_flatten(like)
        new = list(old)
        for i, own in enumerate(self.order):
            new[own] = self.gather(i, rows[i]).reshape(old[own].shape)
        return jtu.tree_unflatten(treedef, new)


class Factors(eqx.Module):
    """The matrix of every unit as a lower triangle, pivots and an upper triangle, and the coupling of the units.

    **Fields:**

    - `first`: the pivots of the k leaves that do not depend on one another, shape (k, n) for n units; `left`, `right`: what joins these to the r
        other leaves in the lower and the upper triangle, shape (r, k, n).
    - `pivots`: those of the others, shape (r, n); `lower`, `upper`: for each of the others what joins it to those after it, shapes (r - 1, n) down to (1, n).
    - `coupling`, `factor`: what couples the last leaf and its share in the operator.
    - `transposed`: whether the coupling is to be transposed.
    """

    first: FloatArray
    left: FloatArray
    right: FloatArray
    pivots: FloatArray
    lower: tuple[FloatArray, ...]
    upper: tuple[FloatArray, ...]
    coupling: Coupling | None
    factor: RealScalar
    transposed: bool = eqx.field(static=True, default=False)


class LocalElimination(lx.AbstractLinearSolver[Factors]):
    """A Lineax solver for `a I - b J`, where J is the Jacobian of the slope of a model: in each compartment by itself it eliminates every leaf of the state but coupled
    voltages, and solves for these along the cell, in O(n) for n compartments. The matrix is never made. Its blocks are diagonal but for the coupling of the voltages,
    so they are what the operator makes of a state in which one leaf is 1 and all else 0. Uniform voltages drive no current along the cell: what couples them
    the model says itself.

    There is no pivoting: no compartment by itself explodes within the step of a solver that follows it.

    Pass `options={"coupling": ..., "factor": b}`: the coupling that `Arrangement.make` finds, and the b of the operator. Differentiate with respect to neither:
    derivatives go through the operator.

    **Fields:** `arrangement`: of the leaves.

    Source for cells: Hines (1984), Int. J. Biomed. Comput. 15:69, who eliminates gates in this way.
    """

    arrangement: Arrangement = eqx.field(static=True)

    def init(self, operator: lx.AbstractLinearOperator, options: dict[str, Any]) -> Factors:
        k = self.arrangement.diagonal
        blocks = self._blocks(operator)
        first = jnp.stack([blocks[i, i] for i in range(k)]) if k else blocks[:0, 0]
        above = jnp.swapaxes(blocks[:k, k:], 0, 1)
        left, right = blocks[k:, :k] / first[None], above / first[None]
        rest = blocks[k:, k:] - jnp.sum(left[:, None] * above[None], axis=2)
        lower, upper = [], []
        for p in range(rest.shape[0] - 1):
            column, row = rest[p + 1 :, p] / rest[p, p][None], rest[p, p + 1 :]
            rest = rest.at[p + 1 :, p + 1 :].add(-column[:, None] * row[None])
            lower.append(column)
            upper.append(row / rest[p, p][None])
        pivots = jnp.stack([rest[p, p] for p in range(rest.shape[0])])
        return Factors(first, left, right, pivots, tuple(lower), tuple(upper), options["coupling"], options["factor"])

    def _blocks(self, operator: lx.AbstractLinearOperator) -> FloatArray:
        """The diagonals of all blocks, rows first; shape (leaves, leaves, units)."""
        arrangement, like = self.arrangement, operator.in_structure()
        leaves, treedef = jtu.tree_flatten(like)
        count = len(leaves)
        rank = np.argsort(arrangement.order)  # of each leaf in the elimination
        ones = (np.eye(count)[rank[i]].reshape(count, *[1] * len(x.shape)) for i, x in enumerate(leaves))
        probes = [jnp.broadcast_to(one, (count, *x.shape)).astype(x.dtype) for one, x in zip(ones, leaves, strict=True)]
        columns = jax.vmap(lambda x: arrangement.stack(operator.mv(x)))(jtu.tree_unflatten(treedef, probes))
        blocks = jnp.swapaxes(columns, 0, 1)
        missing = np.stack([arrangement.missing(i) for i in range(count)])
        if missing.any():
            blocks = blocks + jnp.asarray(np.eye(count)[:, :, None] * missing, blocks.dtype)
        return blocks

    def compute(self, state: Factors, vector: Any, options: dict[str, Any]):
        del options
        k = self.arrangement.diagonal
        right = self.arrangement.stack(vector)
        first, rest = right[:k], right[k:]
        rest = list(rest - jnp.sum(state.left * first[None], axis=1))
        for p, column in enumerate(state.lower):
            rest[p + 1 :] = [x - c * rest[p] for x, c in zip(rest[p + 1 :], column, strict=True)]
        first = first / state.first
        last, load = rest[-1], state.pivots[-1]
        x = [*(b / pivot for b, pivot in zip(rest[:-1], state.pivots, strict=False))]
        x.append(
            last / load if state.coupling is None else state.coupling.solve(load, state.factor, last, state.transposed)
        )
        for p in reversed(range(len(state.upper))):
            x[p] = x[p] - sum(u * later for u, later in zip(state.upper[p], x[p + 1 :], strict=True))
        rest = jnp.stack(x)
        first = first - jnp.sum(state.right * rest[:, None], axis=0)
        return self.arrangement.unstack(jnp.concatenate([first, rest]), vector), lx.RESULTS.successful, {}

    def transpose(self, state: Factors, options: dict[str, Any]) -> tuple[Factors, dict[str, Any]]:
        swapped = dataclasses.replace(
            state,
            left=state.right,
            right=state.left,
            lower=state.upper,
            upper=state.lower,
            transposed=not state.transposed,
        )
        return swapped, options

    def conj(self, state: Factors, options: dict[str, Any]) -> tuple[Factors, dict[str, Any]]:
        return state, options

    def assume_full_rank(self) -> bool:
        return True
