"""Elimination from the tips to the root and back, node by node (Hines 1984): the fastest way where the lanes of a batch fill the vectors of a processor."""

import jax
import jax.numpy as jnp
import numpy as np

from .topology import Tree


def eliminate(tree: Tree, load: jax.Array, coupling: jax.Array, right: jax.Array) -> jax.Array:
    """As `tree_solve`, of arrays of one rank with the nodes along the last axis."""
    shape = np.broadcast_shapes(load.shape, coupling.shape, right.shape)
    load, right = jnp.broadcast_to(load, shape), jnp.broadcast_to(right, shape)
    below_root = tree.downwards[1:]
    by_node = jnp.moveaxis(coupling, -1, 0)

    def edges(nodes):
        return jnp.asarray(nodes), jnp.asarray(tree.parents[nodes]), by_node[nodes]

    def up(carry, edge):
        load, right = carry
        node, parent, coupling = edge
        own = _at(load, node)
        share = coupling / (own + coupling)
        load = _set(load, parent, _at(load, parent) + share * own)
        return (load, _set(right, parent, _at(right, parent) + share * _at(right, node))), None

    (load, right), _ = jax.lax.scan(up, (load, right), edges(below_root[::-1]))

    def down(x, edge):
        node, parent, coupling = edge
        return _set(x, node, (_at(right, node) + coupling * _at(x, parent)) / (_at(load, node) + coupling)), None

    root = tree.root
    x = jnp.zeros_like(right).at[..., root].set(right[..., root] / load[..., root])
    return jax.lax.scan(down, x, edges(below_root))[0]


# Lanes are not side by side in memory. To have them so would cost two transpositions, which is more than it gains.


def _at(x: jax.Array, node: jax.Array) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(x, node, -1, keepdims=False, allow_negative_indices=False)


def _set(x: jax.Array, node: jax.Array, value: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_index_in_dim(x, value, node, -1, allow_negative_indices=False)
