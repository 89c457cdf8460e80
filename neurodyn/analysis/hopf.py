"""Hopf bifurcations: where an equilibrium begins to oscillate."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._model import AbstractNeuron
from .._types import FloatArray, State
from .equilibrium import _equilibrium
from .flow import Pinned, checked, flow_of
from .lyapunov import first_lyapunov_coefficient
from .newton import newton, rooted


class Hopf(eqx.Module):
    """A Hopf bifurcation of an equilibrium. NaN where none was found.

    **Fields:**

    - `drive`: in the model's unit.
    - `state`: the equilibrium there.
    - `frequency`: of the oscillation that is born, Hz.
    - `lyapunov`: the first Lyapunov coefficient, for the eigenvector of length 1. Negative: supercritical, a stable oscillation grows from nothing.
        Positive: subcritical, the oscillation is unstable and separates rest from another, large one. Carries no derivative.
    """

    drive: FloatArray
    state: State
    frequency: FloatArray
    lyapunov: FloatArray


def hopf(model: AbstractNeuron, drive: Any, state: State | None = None) -> Hopf:
    """The Hopf bifurcation near a drive and a state.

    Drive, state and frequency are differentiable, as often as you like and in both modes, with respect to every parameter of the model (implicit function theorem on the extended
    system `f = 0, J q = i w q, <q0, q> = 1`).

    Source: Griewank and Reddien (1983), IMA J. Numer. Anal. 3:295; Kuznetsov (2004), Elements of Applied Bifurcation Theory, section 10.2.

    **Arguments:**

    - `model`: not changed.
    - `drive`: near the bifurcation.
    - `state`: near the equilibrium there; by default the one that `equilibrium` finds at `drive`. `continue_equilibria` finds all.

    **Returns:** a `Hopf`; NaN where Newton's method did not find one.

    **Raises:** `ValueError` for a state that is not the model's.
    """
    drive, y = checked(model, drive, state)
    return _hopf(model, drive, y)


@eqx.filter_jit
def _hopf(model, drive, state) -> Hopf:
    flow = flow_of(model)
    fixed, at, y = jax.lax.stop_gradient((model, drive, state))
    u = flow.flatten(_equilibrium(fixed, at, None) if y is None else y)
    pinned = flow_of(fixed).pinned(u, at)
    n = u.size
    values, vectors = jnp.linalg.eig(jax.jacfwd(pinned)(u, at))
    nearest = jnp.argmin(jnp.where(values.imag > 0, jnp.abs(values.real), jnp.inf))
    speed, q = values[nearest].imag, vectors[:, nearest] / jnp.linalg.norm(vectors[:, nearest])
    real, imaginary = q.real, q.imag

    def extended(field):
        def residual(x):
            u, drive, q, r, speed = x[:n], x[n], x[n + 1 : 2 * n + 1], x[2 * n + 1 : 3 * n + 1], x[-1]
            slope, turn = jax.linearize(lambda u: field(u, drive), u)
            normal = jnp.stack([real @ q + imaginary @ r - 1, real @ r - imaginary @ q])
            return jnp.concatenate([slope, turn(q) + speed * r, turn(r) - speed * q, normal])

        return residual

    x, found = newton(extended(pinned), jnp.concatenate([u, at[None], real, imaginary, speed[None]]))
    found = found & (x[-1] > 0) & (speed > 0)
    moving = Pinned(flow, pinned.values, pinned.mask)
    x = rooted(extended(moving), x, found)
    drive, speed = x[n], x[-1]
    q = jax.lax.complex(x[n + 1 : 2 * n + 1], x[2 * n + 1 : 3 * n + 1])
    here, value = jax.lax.stop_gradient((x[:n], drive))
    lyapunov = first_lyapunov_coefficient(lambda u: pinned(u, value), here, *jax.lax.stop_gradient((q, speed)))
    return Hopf(drive, flow.unflatten(x[:n]), 1e3 * speed / (2 * jnp.pi), lyapunov)
