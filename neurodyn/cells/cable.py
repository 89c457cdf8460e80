"""Voltages that are coupled along a cell."""

import functools
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from .._model import AbstractCoupledFlow
from .._tree import Tree, drops, laplacian, take, tree_solve
from .._types import FloatArray, RealScalar, State
from .domains import Regions, domains
from .layout import Layout


#: A voltage near those of cells, mV: sums of differences from it are exact to more digits than sums of voltages.
_NEAR = -65.0

#: Of Alexander's method of second order, `1 - sqrt(1/2)`.
_GAMMA = 1 - 0.5**0.5


class Cable(AbstractCoupledFlow):
    """`capacitance dv/dt = current - conductance (v - v now) - what flows away along the cell`, of the n compartments of a tree of nodes of which those from n on are
    junctions, points without a capacitance.

    **Fields:**

    - `layout`: of the compartments; `regions`: of the mechanisms whose states go with the voltages.
    - `coupling`: the conductance from each node to its parent, uS, shape (nodes,).
    - `weights`: of `junction_weights`.
    - `capacitance`: of each compartment, nF, shape (n,).
    - `conductance`: of each compartment to ground, uS, shape (n,).
    - `current`: into each compartment now, nA, but for what comes along the cell, shape (n,).
    - `damped`: whether steps damp what is faster than they are, such as the rise to the voltage at which an electrode holds a place.
    """

    layout: Layout = eqx.field(static=True)
    regions: Regions = eqx.field(static=True)
    coupling: FloatArray
    weights: FloatArray
    capacitance: FloatArray
    conductance: FloatArray
    current: FloatArray
    damped: bool = eqx.field(static=True, default=False)

    @property
    def tree(self) -> Tree:
        return self.layout.tree

    def advance(self, y: FloatArray, slope: FloatArray, dt: RealScalar) -> FloatArray:
        """A step of Crank and Nicolson's method: half a step of implicit Euler's, and as much again. It is solved for the voltages in the middle of the step,
        those of the junctions included, and not for their rise: so nothing that flows along the cell has to be worked out first, and the slope is not looked at.

        Under that method a voltage that is held would swing about a new command, step after step: where it is `damped` two implicit steps are made instead, of
        second order too, after which what is fast has died out.

        Source: Alexander (1977), SIAM J. Numer. Anal. 14:1006, the method of two stages.
        """
        del slope
        now = y - _NEAR
        if self.damped:
            return self._damped(now, dt) + _NEAR
        load = (2 / dt) * self.capacitance + self.conductance
        middle = tree_solve(self.tree, self._extend(load), self.coupling, self._extend(load * now + self.current))
        return y + 2 * (middle[: y.shape[0]] - now)

    def _damped(self, now: FloatArray, dt: RealScalar) -> FloatArray:
        rate = self.capacitance / (_GAMMA * dt)
        load, current = self._extend(rate + self.conductance), self.conductance * now + self.current

        def stage(v):
            return tree_solve(self.tree, load, self.coupling, self._extend(rate * v + current))[: v.shape[0]]

        return stage(now + (1 / _GAMMA - 1) * (stage(now) - now))

    def solve(self, load: FloatArray, factor: RealScalar, right: FloatArray, transposed: bool) -> FloatArray:
        # The Laplacian L of the cell is symmetric, K = L / capacitance is not: the transposed equation is solved for x / capacitance.
        own = self.capacitance
        x = tree_solve(
            self.tree,
            self._extend(own * load),
            factor * self.coupling,
            self._extend(right if transposed else own * right),
        )[: own.shape[0]]
        return own * x if transposed else x

    def places(self, model: Any, y: State) -> Any:
        """Those of the mechanisms of a `Cell`, whatever it is wrapped in."""
        del model
        where = domains(self.layout, self.regions).where

        def alike(name: str, states: Any) -> Any:
            at = None if name == "v" else tuple(where[name].tolist())
            return jtu.tree_map(lambda _: at, states)

        return {name: alike(name, states) for name, states in y.items()}

    def slope(self, v: FloatArray) -> FloatArray:
        """The rate of change of each voltage, mV/ms, shape (n,)."""
        return (self.current - self.outflow(v)) / self.capacitance

    def pulled(self, y: FloatArray, rate: FloatArray, target: FloatArray) -> "Cable":
        """The same with compartments pulled towards `target` mV at `rate`, 1/ms."""
        pull = rate * self.capacitance
        changed = self.conductance + pull, self.current + pull * (target - y)
        return eqx.tree_at(lambda cable: (cable.conductance, cable.current), self, changed)

    def outflow(self, v: FloatArray) -> FloatArray:
        """The current that flows away from each compartment along the cell, nA, shape (n,)."""
        n = v.shape[0]
        if n < self.tree.size:
            around = take(v, _edges(self.tree, n)[0]).reshape(self.weights.shape[::-1])
            v = jnp.concatenate([v, jnp.sum(self.weights.T * around, axis=0)])
        return laplacian(self.tree, self.coupling, v)[:n]

    def _extend(self, x: FloatArray) -> FloatArray:
        return extend(x, self.tree.size)


def extend(x: FloatArray, size: int) -> FloatArray:
    """Values of compartments as those of all nodes, zero at the junctions."""
    return jnp.concatenate([x, jnp.zeros((size - x.shape[0],), x.dtype)]) if size > x.shape[0] else x


def junction_weights(tree: Tree, coupling: FloatArray, size: int) -> FloatArray:
    """The shares of the neighbours in the voltage of each junction, shape (junctions, most neighbours); the compartments are `size`."""
    if tree.size == size:
        return jnp.zeros((0, 0), coupling.dtype)
    shares = jnp.stack(
        [jnp.where(own, coupling[edge], 0.0) for own, edge in zip(*_edges(tree, size)[1:], strict=True)], axis=1
    )
    return shares / jnp.sum(shares, axis=1, keepdims=True)


@functools.lru_cache(maxsize=64)
def _edges(tree: Tree, size: int) -> tuple[tuple[int, ...], np.ndarray, np.ndarray]:
    """The neighbours of each junction, all first ones, then all second ones and so on; and, one row for each of these, whether there is one and which node has the
    conductance to it."""
    around = [
        [(int(tree.parents[node]), node), *((child, child) for child in tree.children[node])]
        for node in range(size, tree.size)
    ]
    most = max(map(len, around), default=0)
    padded = [[*links, *[(links[0][0], -1)] * (most - len(links))] for links in around]
    table = np.asarray(padded, int).reshape(len(around), most, 2)
    return tuple(table[..., 0].T.ravel().tolist()), table[..., 1].T >= 0, table[..., 1].T


def joined(tree: Tree, wide: FloatArray, own: FloatArray, beyond: FloatArray) -> FloatArray:
    """The resistance from each node to its parent: `own` times `wide` of its compartment and `beyond` times that of the parent's; shape (nodes,).

    **Arguments:** `wide`: of each compartment, shape (n,).
    """
    wide = extend(wide, tree.size)
    return wide * own + (wide - drops(tree, wide)) * beyond
