"""Equations on trees: against dense ones, with all derivatives, alone and in batches, by both eliminations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from neurodyn._tree import Tree, divergence, drops, laplacian, permute, put, take, tree_solve
from neurodyn._tree.contraction import _plan, contract
from neurodyn._tree.elimination import eliminate


def grown(size: int, seed: int = 0, near: int = 4) -> Tree:
    """A random tree whose nodes are in random order."""
    rng = np.random.default_rng(seed)
    parents = np.asarray([-1, *(rng.integers(max(0, i - near), i) for i in range(1, size))])
    place = rng.permutation(size)
    shuffled = np.empty(size, int)
    shuffled[place] = np.where(parents >= 0, place[parents], -1)
    return Tree(shuffled)


def chain(size: int) -> Tree:
    return Tree(np.arange(-1, size - 1))


def star(size: int) -> Tree:
    return Tree([-1, *[0] * (size - 1)])


TREES = {
    "one": chain(1),
    "two": chain(2),
    "chain": chain(37),
    "star": star(9),
    "grown": grown(30),
    "wide": Tree([-1, *[0] * 40, 1, 1, 2]),
}


def numbers(tree: Tree, seed: int = 1):
    rng = np.random.default_rng(seed)
    ranges = ((0.1, 1.0), (0.1, 5.0), (-1.0, 1.0))
    return tuple(jnp.asarray(rng.uniform(*limits, tree.size)) for limits in ranges)


def dense(tree: Tree, load, coupling):
    """The matrix, edge by edge."""
    matrix = jnp.diag(load)
    for node, parent in enumerate(tree.parents.tolist()):
        if parent >= 0:
            ends = np.asarray([node, parent])
            matrix = matrix.at[np.ix_(ends, ends)].add(coupling[node] * jnp.asarray([[1.0, -1.0], [-1.0, 1.0]]))
    return matrix


@pytest.mark.parametrize("solve", [contract, eliminate, tree_solve])
@pytest.mark.parametrize("name", TREES)
def test_solutions_are_those_of_the_dense_equations(name, solve):
    tree = TREES[name]
    load, coupling, right = numbers(tree)
    matrix = dense(tree, load, coupling)
    if solve is tree_solve:
        got, args = tree_solve(tree, load, coupling, right), (right,)
        np.testing.assert_allclose(load * args[0] + laplacian(tree, coupling, right), matrix @ right, atol=1e-13)
    else:
        got = jax.jit(solve, static_argnums=0)(tree, load, coupling, right)
    np.testing.assert_allclose(got, jnp.linalg.solve(matrix, right), rtol=1e-12, atol=1e-14)


def test_a_batch_with_shared_parts_is_solved_row_by_row():
    tree = TREES["grown"]
    load, coupling, right = numbers(tree)
    loads = load[None] * jnp.linspace(0.5, 2.0, 5)[:, None]
    got = jax.vmap(lambda load: tree_solve(tree, load, coupling, right))(loads)
    for row, one in zip(got, loads, strict=True):
        np.testing.assert_allclose(row, tree_solve(tree, one, coupling, right), rtol=1e-12)
    nested = jax.vmap(jax.vmap(lambda load, right: tree_solve(tree, load, coupling, right), (0, None)), (None, 0))
    got = nested(loads, jnp.stack([right, 2 * right]))
    np.testing.assert_allclose(got[1], 2 * got[0], rtol=1e-12)


def _loss(solve):
    return lambda load, coupling, right: jnp.sum(jnp.sin(solve(load, coupling, right)))


@pytest.mark.parametrize("solve", [contract, eliminate, tree_solve])
def test_a_batch_by_the_coupling_alone(solve):
    # A tree of one node looks at no coupling, but has as many solutions as there are members.
    for tree in (chain(1), chain(2)):
        load, coupling, right = (x[None] for x in numbers(tree))
        couplings = coupling * jnp.asarray([[1.0], [2.0], [3.0]])
        got = jax.jit(solve, static_argnums=0)(tree, load, couplings, right)
        expected = [jnp.linalg.solve(dense(tree, load[0], row), right[0]) for row in couplings]
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["star", "grown"])
def test_derivatives_are_those_of_the_dense_equations(name):
    tree = TREES[name]
    args = numbers(tree)
    ours = _loss(lambda *x: tree_solve(tree, *x))
    theirs = _loss(lambda load, coupling, right: jnp.linalg.solve(dense(tree, load, coupling), right))
    for got, expected in zip(jax.grad(ours, (0, 1, 2))(*args), jax.grad(theirs, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)
    tangents = numbers(tree, 2)
    got, expected = (jax.jvp(jax.grad(f, 1), args, tangents)[1] for f in (ours, theirs))  # forward over reverse
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_derivatives_by_what_a_batch_shares_are_summed():
    tree = TREES["grown"]
    load, coupling, right = numbers(tree)
    loads = load[None] * jnp.linspace(0.5, 2.0, 3)[:, None]
    one = _loss(lambda *x: tree_solve(tree, *x))
    for shared in (1, 2):
        together = jax.grad(lambda *x: jnp.sum(jax.vmap(one, (0, None, None))(*x)), shared)(loads, coupling, right)
        apart = sum(jax.grad(one, shared)(row, coupling, right) for row in loads)
        np.testing.assert_allclose(together, apart, rtol=1e-11)


def test_transposes():
    tree = grown(40, near=1)
    _, x, y = numbers(tree)
    np.testing.assert_allclose(jnp.dot(drops(tree, x), y), jnp.dot(x, divergence(tree, y)), rtol=1e-12)
    index = (3, 3, 7, 0)
    z = y[:4]
    np.testing.assert_allclose(jnp.dot(take(x, index), z), jnp.dot(x, put(z, index, 40)), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(lambda x: jnp.dot(take(x, index), z))(x), put(z, index, 40), rtol=1e-12)
    order = tuple(np.random.default_rng(0).permutation(40).tolist())
    np.testing.assert_array_equal(permute(x, order), x[np.asarray(order)])
    back = jax.grad(lambda x: jnp.dot(permute(x, order), y))(x)
    np.testing.assert_array_equal(back, jnp.zeros(40).at[np.asarray(order)].set(y))


def test_a_strongly_coupled_chain_in_single_precision():
    # Coupled ten million times as strongly as loaded: a diagonal that was added up would have lost the load.
    tree = chain(200)
    load, coupling, right = (jnp.full(200, value, jnp.float32) for value in (1.0, 1e7, -65.0))
    for solve in (contract, eliminate):
        x = jax.jit(solve, static_argnums=0)(tree, load, coupling, right)
        np.testing.assert_allclose(x, -65.0, rtol=2e-5)


@pytest.mark.parametrize("parents", [[-1, 2, 1], [0, 0], [-1, -1], [-1, 5], []])
def test_what_is_no_tree_is_refused(parents):
    with pytest.raises(ValueError, match="parents .*not allowed"):
        Tree(parents)


def test_trees_are_compared_by_value():
    assert grown(30) == grown(30) and hash(grown(30)) == hash(grown(30)) and grown(30) != grown(30, 1)


def test_a_deep_and_a_wide_tree_are_planned_quickly():
    assert len(_plan(star(2_000)).rounds) == 1 and len(_plan(chain(2_000)).rounds) < 15
    for tree in (chain(20_000), star(2_000)):
        load, coupling, right = numbers(tree)
        residual = load * (x := eliminate(tree, load, coupling, right)) + laplacian(tree, coupling, x) - right
        assert float(jnp.max(jnp.abs(residual))) < 1e-11
