"""Batches in blocks whose state stays in the processor's cache."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from .._parameter import check_whole


_VECTOR = 16  # lanes of the widest vector instructions
_FEWEST = 8

#: Members of a block whose time step does something more, such as a reset, if any of them has reason to: with many there is always one that has.
_FEW = 64

#: Members of a block whose time step solves equations on a tree: as fast as it gets from so many on, and not much slower from four on.
_CELLS = 16

#: How many bytes of state the members of a block have together. On a CPU a value needs the state and little else, a gradient about fifteen times as much;
#: all that should stay in the fastest cache. Accelerators want all the members they can get at once.
_STATE = {"value": 2**14, "gradient": 2**12}
_STATE_ON_ACCELERATORS = {"value": 2**24, "gradient": 2**20}


def vmap(
    function: Callable[..., Any], in_axes: Any = 0, out_axes: int = 0, *, block: int | None = None
) -> Callable[..., Any]:
    """`jax.vmap`, in blocks of members: the way to run a large population.

    All time steps of one block are done before the next one begins, so that its state stays in cache. A gradient through it runs each block once more
    and keeps the memory of one block only. The results are those of `jax.vmap`.

    **Arguments:**

    - `function`: of one member, such as one that calls `simulate`.
    - `in_axes`: as in `jax.vmap`.
    - `out_axes`: where the results have the mapped axis. For traces 1 is the fast one: time first, as a run produces them.
    - `block`: largest number of members per block. By default it follows from the size of the state that the time loop of a member carries, and is larger
        where no gradient is taken (256 and 1024 Hodgkin-Huxley neurons in single precision on a CPU, 65,536 and a million on an accelerator). The last
        block overlaps the one before if the members do not fill it.

    **Raises:** `ValueError` for a block smaller than 1, arguments without a mapped axis, or mapped axes of different length.
    """
    if block is not None:
        check_whole("block", block)

    def mapped(*args):
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        flat_axes = _flatten_axes(axes, args)
        leaves, treedef = jtu.tree_flatten(args)
        moved = [x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(leaves, flat_axes, strict=True)]
        sizes = {x.shape[0] for x, axis in zip(moved, flat_axes, strict=True) if axis is not None}
        if len(sizes) != 1:
            raise ValueError(
                f"mapped axes of lengths {sorted(sizes)} are not allowed: there must be one length, of one argument at least"
            )
        batched = tuple(axis is not None for axis in flat_axes)
        example = [x[0] if b else x for x, b in zip(moved, batched, strict=True)]
        # Traced once and for all: what the function closes over becomes an argument, and its loops can be looked at.
        traced, out = jax.make_jaxpr(lambda *leaves: function(*jtu.tree_unflatten(treedef, leaves)), return_shape=True)(
            *example
        )
        members = _Members(traced.jaxpr, batched, out_axes, sizes.pop())

        def size(purpose: Literal["value", "gradient"]) -> int:
            return block_size(traced.jaxpr, purpose) if block is None else block

        @eqx.filter_custom_jvp
        def run(consts, leaves):
            return members(consts, leaves, size("value"))

        @run.def_jvp
        def _(primals, tangents):
            return eqx.filter_jvp(lambda c, x: members(c, x, size("gradient")), primals, tangents)

        return jtu.tree_unflatten(jtu.tree_structure(out), run(traced.consts, moved))

    return eqx.filter_jit(mapped)  # or each call outside of jit would compile the loop over blocks again


class _Members(eqx.Module):
    """A function of one member, to be applied to all of them."""

    jaxpr: Any = eqx.field(static=True)
    batched: tuple[bool, ...] = eqx.field(static=True)
    out_axes: int = eqx.field(static=True)
    count: int = eqx.field(static=True)

    def __call__(self, consts: Sequence[Any], leaves: Sequence[Any], block: int) -> list[jax.Array]:
        """The results, flattened, in blocks of at most so many."""
        axes = [0 if b else None for b in self.batched]
        together = jax.vmap(jaxpr_as_fun(ClosedJaxpr(self.jaxpr, consts)), axes, self.out_axes)
        if self.count <= block:
            return together(*leaves)
        blocks = math.ceil(self.count / block)
        size = min(block, _VECTOR * math.ceil(self.count / blocks / _VECTOR))
        first = np.minimum(np.arange(blocks) * size, self.count - size)
        rows = [x[first[:, None] + np.arange(size)] for x, b in zip(leaves, self.batched, strict=True) if b]

        @jax.checkpoint  # recomputed in the reverse pass: keeping what every block computed would fill memory and is slower
        def compute(rows):
            rows = iter(rows)
            return together(*(next(rows) if b else x for x, b in zip(leaves, self.batched, strict=True)))

        def place(whole, item):
            start, rows = item
            parts = zip(whole, compute(rows), strict=True)
            return [jax.lax.dynamic_update_slice_in_dim(w, x, start, self.out_axes % x.ndim) for w, x in parts], None

        def empty(x):
            axis = self.out_axes % x.ndim
            return jnp.zeros((*x.shape[:axis], self.count, *x.shape[axis + 1 :]), x.dtype)

        shapes = jax.eval_shape(compute, [jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for x in rows])
        return jax.lax.scan(place, [empty(x) for x in shapes], (first, rows))[0]


def block_size(jaxpr: Any, purpose: Literal["value", "gradient"]) -> int:
    """How many members of a program a block has."""
    if _on_cpu() and _solves_trees(jaxpr):
        return _CELLS
    _, state, most = _longest_loop(jaxpr, 1)
    return min(lanes(state, purpose), most)


def lanes(state: int, purpose: Literal["value", "gradient"]) -> int:
    """How many members with so many bytes of state a block has."""
    bytes_of = _STATE if _on_cpu() else _STATE_ON_ACCELERATORS
    count = bytes_of[purpose] // max(state, 1)
    return count // _VECTOR * _VECTOR if count >= _VECTOR else _FEWEST


def _longest_loop(jaxpr: Any, times: int) -> tuple[int, int, int]:
    """Of the loop that goes round most often: how often its body is executed, the bytes it carries from one time to the next, which is the state of a
    member, and how many members a block should have at most."""
    found = [(0, 0, _ANY)]
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "while":  # nobody knows how often: that settles it, unless it is a part of each step
            if times == 1:
                return _ANY, _bytes(eqn.params["body_jaxpr"].in_avals[eqn.params["body_nconsts"] :]), _ANY
            continue
        inner = times
        if eqn.primitive.name == "scan":
            inner = times * eqn.params["length"]
            begin, count = eqn.params["num_consts"], eqn.params["num_carry"]
            body = eqn.params["jaxpr"]
            most = _FEW if _on_cpu() and _branches(body.jaxpr) else _ANY
            found.append((inner, _bytes(body.in_avals[begin : begin + count]), most))
        if eqn.primitive.name == "cond":
            continue  # what is done now and then does not count
        for part in _parts(eqn):
            found.append(_longest_loop(part, inner))
    return max(found)


def _solves_trees(jaxpr: Any) -> bool:
    """Whether there is a tree of compartments."""
    return any(eqn.primitive.name == "tree_solve" or any(map(_solves_trees, _parts(eqn))) for eqn in jaxpr.eqns)


def _branches(jaxpr: Any) -> bool:
    """Whether there is a condition, outside of loops."""
    return any(
        eqn.primitive.name == "cond"
        or (eqn.primitive.name not in ("scan", "while") and any(map(_branches, _parts(eqn))))
        for eqn in jaxpr.eqns
    )


def _parts(eqn: Any) -> list[Any]:
    """The programs within an operation."""
    values = [v for value in eqn.params.values() for v in (value if isinstance(value, tuple | list) else (value,))]
    parts = [getattr(value, "jaxpr", value) for value in values]
    return [part for part in parts if hasattr(part, "eqns")]


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


_ANY = 10**12


def _bytes(avals: Sequence[Any]) -> int:
    return sum(x.size * x.dtype.itemsize for x in avals)


def tree_bytes(tree: Any) -> int:
    """The size of the arrays of a pytree."""
    return _bytes(jtu.tree_leaves(tree))


def _flatten_axes(axes: Any, args: Any) -> list[int | None]:
    """One axis (or None) for each leaf of the arguments, from a prefix tree of axes."""
    flat: list[int | None] = []

    def spread(axis, part):
        flat.extend([axis] * len(jtu.tree_leaves(part)))

    jtu.tree_map(spread, tuple(axes), tuple(args), is_leaf=lambda x: x is None)
    return flat
