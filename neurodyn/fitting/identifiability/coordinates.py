"""The trained numbers one by one: their names, units, values and natural scales at a point of the space."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractSpikingNeuron
from ..._paths import named_leaves
from ..._simulate.reset import GridReset, Surrogate
from ..._types import FloatArray
from ..task import Task


class HasTask(Protocol):
    """Such as a `FitResult`."""

    @property
    def task(self) -> Task: ...


def as_task(source: Task | HasTask) -> Task:
    """The task itself, or that of the result of a fit."""
    return source if isinstance(source, Task) else source.task


def element_names(theta: Mapping[str, FloatArray]) -> tuple[str, ...]:
    """Path of each number, with its index in an array, in the order of `ravel_pytree`."""
    return tuple(
        path if x.ndim == 0 else f"{path}[{', '.join(map(str, index))}]"
        for path, x in named_leaves(dict(theta)).items()
        for index in np.ndindex(x.shape)
    )


def at_bound(task: Task, theta: Mapping[str, FloatArray]) -> tuple[str, ...]:
    """The parameters that lie at a bound of their box, also those that `encode` has put just inside."""
    return tuple(task.space.at_bound({path: x * (1 + 1e-4) for path, x in theta.items()}))


def small(dtype: np.dtype) -> float:
    """A singular value below so much of the largest is rounding."""
    return 1e-9 if dtype == np.float64 else 2e-5


def check_likelihood(task: Task) -> None:
    """**Raises:** `ValueError` for objectives whose misfits are no likelihood, and as `check_derivatives`."""
    for i, objective in enumerate(task.objectives):
        if objective.noise_model is None:
            raise ValueError(
                f"objectives[{i}] ({type(objective).__name__}) is no likelihood, since its terms and scales are choices; "
                "fitting.identifiability.curvature tells how fast its loss rises"
            )
    check_derivatives(task)


def check_derivatives(task: Task) -> None:
    """**Raises:** `ValueError` where the spikes of a model that resets carry no derivative, or a surrogate in its place."""
    if not (isinstance(task.model, AbstractSpikingNeuron) and task.model.resets):
        return
    for i, objective in enumerate(task.objectives):
        reset = getattr(getattr(objective, "method", None), "reset", None)
        if isinstance(reset, GridReset | Surrogate):
            raise ValueError(
                f"objectives[{i}] ({type(objective).__name__}) was fitted with {type(reset).__name__}(), under which spike times have no true "
                "derivative: what the data determine can be told with ExactReset() only"
            )


@dataclasses.dataclass(frozen=True)
class Coordinates:
    """Every trained number at a point, arrays of shape (n,) in the order of `ravel_pytree`.

    **Fields:** `values` in `units`; `slope`, d value / d theta; `scale`, a sensible change: the value itself where it is `relative` to a natural zero
    (conductances, time constants), else the spread of its declaration (potentials, shifts).
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    slope: np.ndarray
    scale: np.ndarray
    relative: np.ndarray

    @classmethod
    def of(cls, task: Task, theta: Mapping[str, FloatArray]) -> "Coordinates":
        ones = jax.tree.map(jnp.ones_like, dict(theta))
        values, slopes = jax.jvp(task.space.values, (dict(theta),), (ones,))
        known, paths = task.known(), sorted(theta)

        def each(function):
            return np.concatenate([np.full(theta[path].size, function(known[path].info)) for path in paths])

        value, slope = (np.asarray(jax.flatten_util.ravel_pytree(x)[0], float) for x in (values, slopes))
        relative = each(lambda info: info.lower >= 0).astype(bool) & (value > 0)
        units = tuple(str(unit) for unit in each(lambda info: info.unit))
        scale = np.where(relative, np.abs(value), each(lambda info: info.spread))
        return cls(element_names(theta), units, value, slope, scale, relative)


@eqx.filter_jit
def response_jacobian(task: Task, theta: Mapping[str, FloatArray]) -> FloatArray:
    """Of the responses by forward mode, shape (responses, n)."""
    vector, unravel = jax.flatten_util.ravel_pytree(dict(theta))
    return jax.jacfwd(lambda vector: task.response(unravel(vector)))(vector)


@eqx.filter_jit
def measured_jacobian(task: Task, theta: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Of what is measured by forward mode, shape (data, n), and the misfit."""
    vector, unravel = jax.flatten_util.ravel_pytree(dict(theta))
    return jax.jacfwd(lambda vector: task.measured(unravel(vector)))(vector), task.misfit(theta)


@eqx.filter_jit
def loss_jacobian(task: Task, theta: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Of the residuals of the last phase by forward mode, shape (residuals, n), and these."""
    vector, unravel = jax.flatten_util.ravel_pytree(dict(theta))

    def residuals(vector):
        found = task.exact_residuals(unravel(vector))
        return found, found

    return jax.jacfwd(residuals, has_aux=True)(vector)
