"""The operations on trees as JAX primitives, differentiable any number of times: the derivative of a solve is another solve, and no gradient runs through an
elimination."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .contraction import contract
from .elimination import eliminate
from .topology import Tree


def drops(tree: Tree, x: jax.Array) -> jax.Array:
    """`x` of each node minus that of its parent, 0 for the root; shape (n,)."""
    return _drops.bind(x, tree=tree)


def divergence(tree: Tree, flow: jax.Array) -> jax.Array:
    """What leaves each node if `flow` runs from each node to its parent: the transpose of `drops`; shape (n,)."""
    return _divergence.bind(flow, tree=tree)


def laplacian(tree: Tree, coupling: jax.Array, x: jax.Array) -> jax.Array:
    """What leaves each node when its potential is `x` and the conductance to its parent is `coupling`; shape (n,)."""
    return divergence(tree, coupling * drops(tree, x))


def tree_solve(tree: Tree, load: jax.Array, coupling: jax.Array, right: jax.Array) -> jax.Array:
    """The solution x of `load x + laplacian(tree, coupling, x) = right`.

    Written with the load of each node, its conductance to ground, instead of the diagonal of the matrix: nothing is subtracted in the elimination, so that single
    precision is enough where neighbours are coupled a thousand times as strongly as they are loaded.

    **Arguments:** `load`, `coupling` (to the parent; that of the root has no meaning) and `right` of each node, shape (n,).

    Sources: Hines (1984), Int. J. Biomed. Comput. 15:69, for the order of the elimination; Grassmann, Taksar and Heyman (1985), Oper. Res. 33:1107, for one without
    subtractions.
    """
    return _solve.bind(load, coupling, right, tree=tree)


def take(x: jax.Array, index: tuple[int, ...]) -> jax.Array:
    """`x[index]` along the first axis; shape (m,)."""
    return _take.bind(x, index=index, size=x.shape[-1])


def put(x: jax.Array, index: tuple[int, ...], size: int) -> jax.Array:
    """The sums of the elements of `x`, shape (m,), that go to each of `size` places: the transpose of `take`; shape (size,)."""
    return _put.bind(x, index=index, size=size)


def permute(x: jax.Array, order: tuple[int, ...]) -> jax.Array:
    """`x[order]`, for an order that has every index once: unlike that of `take` its derivative is gathered too, where a processor scatters one by one."""
    return _permute.bind(x, order=order)


def _permute_of(x: jax.Array, *, order: tuple[int, ...]) -> jax.Array:
    return x[..., np.asarray(order)]


def _take_of(x: jax.Array, *, index: tuple[int, ...], size: int) -> jax.Array:
    del size
    return x[..., np.asarray(index)]


def _put_of(x: jax.Array, *, index: tuple[int, ...], size: int) -> jax.Array:
    return jnp.zeros((*x.shape[:-1], size), x.dtype).at[..., np.asarray(index)].add(x)


def _drops_of(x: jax.Array, *, tree: Tree) -> jax.Array:
    return x - x[..., np.where(tree.parents < 0, tree.root, tree.parents)]


def _divergence_of(flow: jax.Array, *, tree: Tree) -> jax.Array:
    flow = jnp.where(np.arange(tree.size) == tree.root, 0, flow)
    padded = jnp.concatenate([flow, jnp.zeros_like(flow[..., :1])], axis=-1)
    total = flow - sum(padded[..., child] for child in _ranked_children(tree, 2))
    more = [(node, child) for node, children in enumerate(tree.children) for child in children[2:]]
    if more:
        nodes, children = np.asarray(more).T
        total = total.at[..., nodes].add(-flow[..., children])
    return total


def _ranked_children(tree: Tree, count: int) -> list[np.ndarray]:
    """The first, second, ... child of each node; the size of the tree where there is none."""
    return [
        np.asarray([children[k] if len(children) > k else tree.size for children in tree.children])
        for k in range(count)
    ]


def _solution_of(load: jax.Array, coupling: jax.Array, right: jax.Array, *, tree: Tree) -> jax.Array:
    return contract(tree, load, coupling, right)


def _solution_on_cpu(load: jax.Array, coupling: jax.Array, right: jax.Array, *, tree: Tree) -> jax.Array:
    # One lane: many nodes at once fill the vectors of the processor. Many lanes: node by node is less work.
    return (contract if right.size == tree.size else eliminate)(tree, load, coupling, right)


def _primitive(name: str, function: Callable, length: Callable[..., int], on_cpu: Callable | None = None) -> Primitive:
    """A primitive over nodes along the last axis of its arguments; axes before it are lanes, of one or of all. The length of its result follows from its
    parameters."""
    primitive = Primitive(name)

    @functools.lru_cache(maxsize=256)
    def compiled(params):
        return jax.jit(lambda *args: primitive.bind(*args, **dict(params)))

    primitive.def_impl(lambda *args, **params: compiled(tuple(sorted(params.items())))(*args))

    @primitive.def_abstract_eval
    def _(*avals, **params):
        lanes = np.broadcast_shapes(*(aval.shape[:-1] for aval in avals))
        return avals[0].update(shape=(*lanes, length(**params)), weak_type=False)

    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    if on_cpu is not None:
        mlir.register_lowering(primitive, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")

    def batched(args, axes, **params):
        args = [x[None] if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(args, axes, strict=True)]
        return primitive.bind(*args, **params), 0

    batching.primitive_batchers[primitive] = batched
    return primitive


def _size_of(*, tree: Tree) -> int:
    return tree.size


_take = _primitive("take", _take_of, lambda *, index, size: len(index))
_put = _primitive("put", _put_of, lambda *, index, size: size)
_permute = _primitive("permute", _permute_of, lambda *, order: len(order))
_drops = _primitive("tree_drops", _drops_of, _size_of)
_divergence = _primitive("tree_divergence", _divergence_of, _size_of)
_solve = _primitive("tree_solve", _solution_of, _size_of, _solution_on_cpu)

ad.deflinear2(_take, lambda ct, _, *, index, size: [put(ct, index, size)])
ad.deflinear2(_put, lambda ct, _, *, index, size: [take(ct, index)])
ad.deflinear2(_permute, lambda ct, _, *, order: [permute(ct, tuple(np.argsort(order).tolist()))])
ad.deflinear2(_drops, lambda ct, _, *, tree: [divergence(tree, ct)])
ad.deflinear2(_divergence, lambda ct, _, *, tree: [drops(tree, ct)])


def _solve_jvp(primals, tangents, *, tree):
    load, coupling, _ = primals
    x = tree_solve(tree, *primals)
    d_load, d_coupling, d_right = tangents
    moved = [] if isinstance(d_right, ad.Zero) else [d_right]
    if not isinstance(d_load, ad.Zero):
        moved.append(-d_load * x)
    if not isinstance(d_coupling, ad.Zero):
        moved.append(-laplacian(tree, d_coupling, x))
    return x, tree_solve(tree, load, coupling, sum(moved[1:], start=moved[0]))


def _solve_transpose(ct, load, coupling, right, *, tree):
    assert ad.is_undefined_primal(right) and not ad.is_undefined_primal(load) and not ad.is_undefined_primal(coupling)
    ct = tree_solve(tree, load, coupling, ct)
    alike = tuple(i for i, size in enumerate(right.aval.shape) if size != ct.shape[i])  # one for all lanes
    return None, None, jnp.sum(ct, alike, keepdims=True)


ad.primitive_jvps[_solve] = _solve_jvp
ad.primitive_transposes[_solve] = _solve_transpose
