"""The resting state of a model under its current parameters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import lineax as lx

from .._model import AbstractNeuron, AbstractSpatial
from .._solver.implicit import Arrangement, LocalElimination
from .._types import FloatArray, State


#: What is solved for: `x` with `x / duration - J x = right` and the Jacobian J at a state, flattened.
_Solve = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def rest_state(model: AbstractNeuron, drive: jax.Array | float = 0.0) -> State:
    """The steady state near `model.init()` under a constant drive, differentiable with respect to every parameter.

    Implicit Euler steps that grow until they are Newton's, then one step that carries the gradient of the implicit function theorem. Where no
    steady state is found every leaf is NaN, so that a run from it reports `non_finite`.
    """
    start, unravel = jax.flatten_util.ravel_pytree(model.init())

    def slope(model, y):
        return jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(y), drive).slope)[0]

    fixed = jax.lax.stop_gradient(model)
    solve = _solver_of(fixed, unravel, drive)
    y = jax.lax.stop_gradient(_relax(lambda y: slope(fixed, y), start, solve))
    step = solve(jnp.asarray(jnp.inf, y.dtype), y, slope(model, y))
    # Along a cell the slope is a small difference of large currents, and says little; the step to where it would be zero does. In single precision their
    # rounding is worth 0.01 mV.
    spatial = isinstance(model, AbstractSpatial)
    error = jnp.max(jnp.abs(step if spatial else slope(fixed, y)))
    found = error < (1e-9 if start.dtype == jnp.float64 else 0.05 if spatial else 1e-3)
    return unravel(jnp.where(found, y + step, jnp.nan))


def rest_response(model: AbstractNeuron, drive: Any, change: Any) -> State:
    """How the steady state near `model.init()` moves with a constant drive, per `change` of it: differentiable with respect to every parameter, once.

    **Arguments:** `drive`, `change`: of one structure, floating arrays.
    """
    state = rest_state(model, drive)
    y, unravel = jax.flatten_util.ravel_pytree(state)

    def moving(y, drive):
        return jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(y), drive).slope)[0]

    def residual(x):
        """Of the linear equations for `x`: the slope moves by nothing."""
        return jax.jvp(moving, (y, drive), (x, change))[1]

    fixed, at = jax.lax.stop_gradient((model, y))
    solve = _solver_of(fixed, unravel, drive)
    infinite = jnp.asarray(jnp.inf, y.dtype)
    x = jax.lax.stop_gradient(solve(infinite, at, residual(jnp.zeros_like(y))))
    return unravel(x + solve(infinite, at, residual(x)))  # a step more, which carries the gradient


def _solver_of(model: AbstractNeuron, unravel: Callable[[FloatArray], State], drive: Any) -> _Solve:
    if isinstance(model, AbstractSpatial):
        return _along_a_cell(model, unravel, drive)
    return _dense(lambda y: jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(y), drive).slope)[0])


def relax(slope: Callable[[FloatArray], FloatArray], y: FloatArray) -> FloatArray:
    """Where a state, flattened, is after a long time if it settles: implicit Euler steps that grow until they are Newton's."""
    return _relax(slope, y, _dense(slope))


def _relax(slope: Callable[[FloatArray], FloatArray], y: FloatArray, solve: _Solve) -> FloatArray:
    durations = 0.1 * 1.5 ** jnp.arange(60, dtype=y.dtype)  # ms, up to some 10^9
    return jax.lax.scan(lambda y, duration: (y + solve(duration, y, slope(y)), None), y, durations)[0]


def _dense(slope: Callable[[FloatArray], FloatArray]) -> _Solve:
    def solve(duration: FloatArray, y: FloatArray, right: FloatArray) -> FloatArray:
        # What a leaf that is at rest whatever its value lacks, or the Jacobian would be singular.
        tiny = float(jnp.finfo(y.dtype).eps)
        matrix = (1 / duration + tiny) * jnp.eye(y.size, dtype=y.dtype) - jax.lax.stop_gradient(jax.jacfwd(slope)(y))
        return jnp.linalg.solve(matrix, right)

    return solve


def _along_a_cell(model: AbstractNeuron, unravel: Callable[[FloatArray], State], drive: Any) -> _Solve:
    """The same without a matrix, for the many states of a cell with a shape."""

    def solve(duration: FloatArray, y: FloatArray, right: FloatArray) -> FloatArray:
        state = jax.lax.stop_gradient(unravel(y))
        found = model.dynamics(0.0, state, drive)
        product = jax.linearize(lambda y: model.dynamics(0.0, y, drive).slope, state)[1]
        tiny = 1 / duration + float(jnp.finfo(y.dtype).eps)
        operator = lx.FunctionLinearOperator(
            lambda x: jax.tree_util.tree_map(lambda x, moved: tiny * x - moved, x, product(x)),
            jax.eval_shape(lambda: state),
        )
        arrangement, coupling = Arrangement.make(model, state, found.decay)
        solver = LocalElimination(arrangement)
        options = {"coupling": coupling, "factor": jnp.ones((), y.dtype)}
        x, *_ = solver.compute(solver.init(operator, options), unravel(right), options)
        return jax.flatten_util.ravel_pytree(x)[0]

    return solve
