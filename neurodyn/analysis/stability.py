"""Stability of equilibria."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._model import AbstractNeuron
from .._types import State
from .flow import checked, flow_of


def eigenvalues(model: AbstractNeuron, state: State, drive: Any = 0.0) -> Any:
    """The eigenvalues (1/ms) of the Jacobian of a model's slope, the one with the largest real part first; differentiable.

    A resetting model is looked at below its threshold. A leaf that stays whatever the state is (a refractory period that is over) has eigenvalue 0.

    **Arguments:** `model`; `state`: usually an equilibrium; `drive`: constant.

    **Returns:** complex, shape (size of the state,).

    **Raises:** `ValueError` for a state that is not the model's.
    """
    drive, y = checked(model, drive, state)
    return _eigenvalues(model, y, drive)


@eqx.filter_jit
def _eigenvalues(model, y, drive):
    flow = flow_of(model)
    return spectrum(flow.jacobian(flow.flatten(y), drive))


def spectrum(jacobian: Any) -> Any:
    """The eigenvalues of a matrix, the one with the largest real part first."""
    values = jnp.linalg.eigvals(jacobian)
    return values[jnp.argsort(-values.real)]


def classify(values: Any) -> str:
    """The type of an equilibrium by its eigenvalues (1/ms): `"stable node"`, `"stable focus"` (when some are complex, so that it rings),
    `"unstable node"`, `"unstable focus"`, `"saddle"` or `"saddle-focus"`; `"non-hyperbolic"` when one lies on the imaginary axis, but for those that
    are exactly zero: leaves that stay whatever the state is."""
    values = np.asarray(values)
    values = values[values != 0]
    size = np.abs(values).max(initial=0.0)
    if values.size == 0 or np.any(np.abs(values.real) <= 1e-9 * size):
        return "non-hyperbolic"
    rings = bool(np.any(np.abs(values.imag) > 1e-9 * size))
    if np.all(values.real < 0) or np.all(values.real > 0):
        return f"{'stable' if values.real[0] < 0 else 'unstable'} {'focus' if rings else 'node'}"
    return "saddle-focus" if rings else "saddle"


def is_stable(values: Any) -> Any:
    """Whether all eigenvalues (along the last axis) that are not exactly zero have negative real parts."""
    return np.all((values.real < 0) | (values == 0), axis=-1)
