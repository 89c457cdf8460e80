"""A model under a constant drive as a vector field: what equilibria and bifurcations need to know of it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree

from .._model import AbstractNeuron, check_shapes
from .._parameter import as_floating, validate
from .._paths import match, named_leaves
from .._types import BoolArray, FloatArray, State


class Flow(eqx.Module):
    """The slope of a model as a function of its flattened state (in the order of `ravel_pytree`) and a constant drive.

    Continuous leaves only move between jumps, so resetting models are described below their threshold.

    **Fields:** `model`; `example`: a state of it.
    """

    model: AbstractNeuron
    example: State

    def flatten(self, y: State) -> FloatArray:
        """A state as a vector."""
        return ravel_pytree(y)[0]

    def unflatten(self, u: FloatArray) -> State:
        """A vector as a state."""
        return ravel_pytree(self.example)[1](u)

    def __call__(self, u: FloatArray, drive: FloatArray) -> FloatArray:
        """du/dt in units of the state per ms."""
        return self.flatten(self.model.dynamics(0.0, self.unflatten(u), drive).slope)

    def jacobian(self, u: FloatArray, drive: FloatArray) -> FloatArray:
        """The derivative of the slope by the state, 1/ms."""
        return jax.jacfwd(self)(u, drive)

    def idle(self, u: FloatArray, drive: FloatArray) -> BoolArray:
        """Which entries stay whatever the state is, such as the countdown of a refractory period that is over."""
        slope, jacobian = jax.lax.stop_gradient((self(u, drive), self.jacobian(u, drive)))
        return jnp.all(jacobian == 0, axis=1) & (slope == 0)

    def pinned(self, u: FloatArray, drive: FloatArray) -> "Pinned":
        """The flow with its idle entries pinned to their values at `u`, so that its equilibria are isolated."""
        return Pinned(self, jax.lax.stop_gradient(u), self.idle(u, drive))


class Pinned(eqx.Module):
    """A flow some of whose entries are drawn to given values instead: zero where the flow is and those values are taken.

    **Fields:** `flow`; `values`: shape (n,); `mask`: which entries, shape (n,).
    """

    flow: Flow
    values: FloatArray
    mask: BoolArray

    def __call__(self, u: FloatArray, drive: FloatArray) -> FloatArray:
        return jnp.where(self.mask, self.values - u, self.flow(u, drive))


def flow_of(model: AbstractNeuron) -> Flow:
    """The flow of a model."""
    return Flow(model, model.init())


def checked(model: AbstractNeuron, drive: Any = 0.0, state: State | None = None) -> tuple[FloatArray, State | None]:
    """The drive, and the state if there is one, as floating arrays that fit the model.

    **Raises:** `ValueError` for what is no neuron, impossible parameters, a drive that is not one number, or a state of another structure.
    """
    if not isinstance(model, AbstractNeuron):
        raise ValueError(f"model = {type(model).__name__} is not allowed: must be a neuron (an AbstractNeuron)")
    validate(model, "model")
    drive = jnp.asarray(drive, dtype=float)
    if not isinstance(drive, Tracer) and not np.isfinite(np.asarray(drive)).all():
        raise ValueError(f"drive = {drive!s} is not allowed: must be finite")
    expected = eqx.filter_eval_shape(type(model).init, model)
    if state is not None:
        paths = {path: jnp.shape(leaf) for path, leaf in named_leaves(state).items()}
        wanted = {path: leaf.shape for path, leaf in named_leaves(expected).items()}
        if jax.tree_util.tree_structure(state) != jax.tree_util.tree_structure(expected) or paths != wanted:
            raise ValueError(f"state is not allowed: has {paths}, must have {wanted}")
        state = jax.tree_util.tree_map(as_floating, state)
    check_shapes(model, expected if state is None else state, drive)
    return drive, state


def entry(model: AbstractNeuron, path: str, name: str) -> int:
    """The place of a scalar leaf of the state in the flattened state.

    **Raises:** `ValueError` for a path that does not name one scalar, naming near ones.
    """
    leaves = named_leaves(eqx.filter_eval_shape(type(model).init, model))
    (found, *more) = match(path, leaves, "state")
    if more or leaves[found].ndim:
        scalars = ", ".join(path for path, leaf in leaves.items() if not leaf.ndim)
        there = f"there are: {scalars}" if scalars else f"{type(model).__name__} has none, being several units"
        raise ValueError(f"{name} = {path!r} is not allowed: must name one scalar state; {there}")
    before = list(leaves)[: list(leaves).index(found)]
    return sum(leaves[path].size for path in before)
