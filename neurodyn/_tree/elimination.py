"""Elimination from the tips to the root and back, node by node (Hines 1984): the fastest way where the lanes of a batch fill the vectors of a processor."""

import jax
import jax.numpy as jnp
import numpy as np

from .topology import Tree


def eliminate(tree: Tree, load: jax.Array, coupling: jax.Array, right: jax.Array) -> jax.Array:
    """As `tree_solve`, of arrays of one rank with the nodes along the first axis."""
    lanes = np.broadcast_shapes(load.shape, coupling.shape, right.shape)[1:]
    load, right = (jnp.broadcast_to(x, (tree.size, *lanes)) for x in (load, right))
    below_root = tree.downwards[1:]

    def edges(nodes):
        return jnp.asarray(nodes), jnp.asarray(tree.parents[nodes]), coupling[nodes]

    def up(carry, edge):
        load, right = carry
        node, parent, coupling = edge
        own = _row(load, node)
        share = coupling / (own + coupling)
        load = _set_row(load, parent, _row(load, parent) + share * own)
        return (load, _set_row(right, parent, _row(right, parent) + share * _row(right, node))), None

    (load, right), _ = jax.lax.scan(up, (load, right), edges(below_root[::-1]))

    def down(x, edge):
        node, parent, coupling = edge
        value = (_row(right, node) + coupling * _row(x, parent)) / (_row(load, node) + coupling)
        return _set_row(x, node, value), None

    x = jnp.zeros_like(right).at[tree.root].set(right[tree.root] / load[tree.root])
    return jax.lax.scan(down, x, edges(below_root))[0]


def _row(x: jax.Array, index: jax.Array) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(x, index, keepdims=False, allow_negative_indices=False)


def _set_row(x: jax.Array, index: jax.Array, row: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_index_in_dim(x, row, index, 0, allow_negative_indices=False)
