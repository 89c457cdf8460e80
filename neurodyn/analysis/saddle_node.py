"""Saddle-node bifurcations: where two equilibria meet and vanish."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._model import AbstractNeuron
from .._types import FloatArray, State
from .equilibrium import _equilibrium
from .flow import Pinned, checked, flow_of
from .newton import newton, rooted


class SaddleNode(eqx.Module):
    """A saddle-node (fold) of equilibria.

    **Fields:** `drive`: in the model's unit; `state`: there. NaN where none was found.
    """

    drive: FloatArray
    state: State


def saddle_node(model: AbstractNeuron, drive: Any, state: State | None = None) -> SaddleNode:
    """The saddle-node near a drive and a state: the constant current at which an equilibrium vanishes, often the rheobase for slow input.

    Differentiable, as often as you like and in both modes, with respect to every parameter of the model (implicit function theorem on the extended
    system `f = 0, J q = 0, <q0, q> = 1`).

    Source: Moore and Spence (1980), SIAM J. Numer. Anal. 17:567; Kuznetsov (2004), Elements of Applied Bifurcation Theory, section 10.2.

    **Arguments:**

    - `model`: not changed.
    - `drive`: near the bifurcation.
    - `state`: near the equilibrium there; by default the one that `equilibrium` finds at `drive`. `continue_equilibria` finds all.

    **Returns:** a `SaddleNode`; NaN where Newton's method did not find one.

    **Raises:** `ValueError` for a state that is not the model's.
    """
    drive, y = checked(model, drive, state)
    return _saddle_node(model, drive, y)


@eqx.filter_jit
def _saddle_node(model, drive, state) -> SaddleNode:
    flow = flow_of(model)
    fixed, at, y = jax.lax.stop_gradient((model, drive, state))
    u = flow.flatten(_equilibrium(fixed, at, None) if y is None else y)
    pinned = flow_of(fixed).pinned(u, at)
    n = u.size
    direction = jnp.linalg.svd(jax.jacfwd(pinned)(u, at))[2][-1]  # what the Jacobian takes nearest to zero

    def extended(field):
        def residual(x):
            u, drive, q = x[:n], x[n], x[n + 1 :]
            slope, turned = jax.jvp(lambda u: field(u, drive), (u,), (q,))
            return jnp.concatenate([slope, turned, (direction @ q - 1)[None]])

        return residual

    x, found = newton(extended(pinned), jnp.concatenate([u, at[None], direction]))
    moving = Pinned(flow, pinned.values, pinned.mask)
    x = rooted(extended(moving), x, found)
    return SaddleNode(x[n], flow.unflatten(x[:n]))
