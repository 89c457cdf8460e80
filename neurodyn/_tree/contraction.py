"""Elimination in a few rounds of many nodes at once: for accelerators, and for a single cell on a processor."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .topology import Tree


class _Round(NamedTuple):
    """Nodes that are eliminated together, no two of them neighbours: the first `size` of those that are left, each with two neighbours, of which the
    second may be missing.

    **Fields:** `neighbours`: positions among the nodes that are left after the round, shape (2, size). `edges`: to these, in the list of edges that grows by
    one for each node that is eliminated; 0 is one of no conductance. `received`: of each node that is left, which of the 2 size flows it receives, in
    order, and 2 size for none, shape (2, left). `more`: the nodes that receive others besides, once for each, and which flows these are, shape (2, others).
    """

    size: int
    neighbours: np.ndarray
    edges: np.ndarray
    received: np.ndarray
    more: np.ndarray


#: Of a node with more neighbours than this all may go in one round: it would take too many rounds with the two that are added fastest.
_WIDE = 32


class _Plan(NamedTuple):
    order: np.ndarray  # of elimination; the last node is the one left in the end
    rounds: tuple[_Round, ...]


def contract(tree: Tree, load: jax.Array, coupling: jax.Array, right: jax.Array) -> jax.Array:
    """As `tree_solve`, of arrays of one rank with the nodes along the last axis.

    A node with two neighbours, or with one, leaves an equivalent circuit behind (a chain's end is raked off, its inner nodes are compressed), so the rest is a
    tree again. Half of a chain goes in one round, and of the tips at one node two, or all if there are very many: the number of rounds grows with the logarithm of
    the size.
    """
    order, rounds = _plan(tree)
    lanes = np.broadcast_shapes(load.shape, coupling.shape, right.shape)[:-1]
    load, right = load[..., order], right[..., order]
    edges = jnp.concatenate(
        [jnp.zeros_like(coupling[..., :1]), coupling], axis=-1
    )  # 0 is none; the root's own is never looked at
    gone = []
    for this in rounds:
        m = this.size
        left, right_ = edges[..., this.edges[0]], edges[..., this.edges[1]]
        total = 1 / (load[..., :m] + left + right_)
        shares = left * total, right_ * total
        bridge = left * shares[1]
        gone.append((right[..., :m] * total, *shares))
        load, right = (_received(x, shares, this) for x in (load, right))
        edges = jnp.broadcast_to(edges, (*bridge.shape[:-1], edges.shape[-1]))
        edges = jnp.concatenate([edges, bridge], axis=-1)
    x = jnp.broadcast_to(
        right / load, (*lanes, 1)
    )  # a tree of one node has looked at no coupling, but may have its lanes
    for this, (own, *shares) in zip(reversed(rounds), reversed(gone), strict=True):
        ends = (x[..., this.neighbours[side]] for side in (0, 1))
        x = jnp.concatenate([own + sum(share * end for share, end in zip(shares, ends, strict=True)), x], axis=-1)
    return x[..., np.argsort(order)]


def _received(x: jax.Array, shares: tuple[jax.Array, jax.Array], this: _Round) -> jax.Array:
    """What the nodes that are left have, with what they receive from those that go."""
    given = [share * x[..., : this.size] for share in shares]
    given = jnp.concatenate([*given, jnp.zeros_like(given[0][..., :1])], axis=-1)
    left = x[..., this.size :] + given[..., this.received[0]] + given[..., this.received[1]]
    return left.at[..., this.more[0]].add(given[..., this.more[1]]) if this.more.size else left


@functools.lru_cache(maxsize=64)
def _plan(tree: Tree) -> _Plan:
    chosen = _choose(tree)
    order = np.asarray([node for nodes in chosen for node, *_ in nodes] + [_last(tree, chosen)])
    position = np.argsort(order)
    rounds, begin = [], 0
    for nodes in chosen:
        m = len(nodes)
        begin += m
        neighbours, edges = np.zeros((2, m), int), np.zeros((2, m), int)
        received = np.full((2, tree.size - begin), 2 * m)
        filled, more = np.zeros(tree.size - begin, int), []
        for k, (_, *links) in enumerate(nodes):
            for side, (neighbour, edge) in enumerate(links):
                at = position[neighbour] - begin
                neighbours[side, k], edges[side, k] = at, edge
                if filled[at] < 2:
                    received[filled[at], at] = side * m + k
                else:
                    more.append((at, side * m + k))
                filled[at] += 1
        rounds.append(_Round(m, neighbours, edges, received, np.asarray(more, int).reshape(-1, 2).T))
    return _Plan(order, tuple(rounds))


def _last(tree: Tree, chosen: list) -> int:
    return next(iter(set(range(tree.size)) - {node for nodes in chosen for node, *_ in nodes}))


def _choose(tree: Tree) -> list[list[tuple]]:
    """For each round the nodes that go, each with its neighbours and the numbers of the edges to them."""
    links: list[dict[int, int]] = [{} for _ in range(tree.size)]
    for node, parent in enumerate(tree.parents.tolist()):
        if parent >= 0:
            links[node][parent] = links[parent][node] = 1 + node
    edges, rounds = 1 + tree.size, []
    left = list(range(tree.size))
    most = 2 if max(map(len, links)) <= _WIDE else tree.size
    while len(left) > 1:
        nodes: list[tuple] = []
        taken = np.zeros(tree.size, int)  # how many flows a node receives; too many also for one that goes itself
        for node in sorted(left, key=lambda i: len(links[i])):
            if len(links[node]) <= 2 and taken[node] == 0 and all(taken[other] < most for other in links[node]):
                taken[node] = most + 1
                for other in links[node]:
                    taken[other] += 1
                nodes.append((node, *links[node].items()))
        for node, *neighbours in nodes:
            for other, _ in neighbours:
                del links[other][node]
            if len(neighbours) == 2:
                (a, _), (b, _) = neighbours
                links[a][b] = links[b][a] = edges
            edges += 1
        gone = {node for node, *_ in nodes}
        left = [node for node in left if node not in gone]
        rounds.append(nodes)
    return rounds
