"""Equilibria under a constant drive."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._model import AbstractNeuron
from .._simulate import relax
from .._types import BoolArray, FloatArray, State
from .flow import Pinned, checked, flow_of
from .newton import newton, rooted


def equilibrium(model: AbstractNeuron, drive: Any = 0.0, start: State | None = None) -> State:
    """A state at which nothing changes under a constant drive, stable or not. Differentiable, as often as you like and in both modes, with respect
    to drive and parameters (implicit function theorem).

    **Arguments:**

    - `model`: not changed.
    - `drive`: constant.
    - `start`: where Newton's method starts from. By default `model.init()`, from which the state first relaxes as it would in time, by ever longer
        implicit Euler steps, so that a stable equilibrium is preferred.

    **Returns:** a state; NaN where none was found (from a stranded start: try another, or `continue_equilibria`).

    **Raises:** `ValueError` for a state that is not the model's.
    """
    drive, y = checked(model, drive, start)
    return _equilibrium(model, drive, y)


@eqx.filter_jit
def _equilibrium(model, drive, start):
    flow = flow_of(model)
    fixed, at = jax.lax.stop_gradient((model, drive))
    first = jax.lax.stop_gradient(flow.flatten(model.init() if start is None else start))
    pinned = flow_of(fixed).pinned(first, at)
    x = relax(lambda u: pinned(u, at), first) if start is None else first
    x, found = newton(lambda u: pinned(u, at), x)
    moving = Pinned(flow, pinned.values, pinned.mask)
    return flow.unflatten(rooted(lambda u: moving(u, drive), x, found))


def settle(flow: Pinned, held: BoolArray, u: FloatArray, drive: FloatArray) -> FloatArray:
    """The state with the other entries at their steady state while some are held; NaN where there is none near `u`."""
    rest = Pinned(flow.flow, jnp.where(held, u, flow.values), held | flow.mask)
    x, found = newton(lambda x: rest(x, drive), u)
    return jnp.where(found, x, jnp.nan)
