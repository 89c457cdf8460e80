"""Rosenbrock methods: implicit, with one linear equation per stage and no iteration."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import lineax as lx
import numpy as np
from jax.flatten_util import ravel_pytree

from .._model import AbstractProblem
from .._numerics import polynomial
from .._types import FloatArray, State
from .implicit import Arrangement, LocalElimination
from .own_term import is_own_term


if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


@dataclasses.dataclass(frozen=True)
class RosenbrockTableau:
    """The coefficients of a Rosenbrock method of s stages, in the form without products of the Jacobian J and a stage:

    `(1 - gamma h J) u_i = gamma (h f(t0 + c_i h, y0 + sum_j a_ij u_j) + h^2 d_i df/dt + sum_j coupling_ij u_j)`, `y1 = y0 + sum_i b_i u_i`.

    **Fields:**

    - `order`: of `y1`.
    - `gamma`; `a`, `coupling`: shape (s, s), lower triangles without the diagonal; `b`, `c`, `d`: shape (s,). `c` and `d` begin with 0 and `gamma`.
    - `error`: shape (s,), the weights of the stages in the difference from the embedded method.
    - `dense`: shape (degree, s), their weights in the coefficients of a `RosenbrockInterpolation`.

    Source of the form: Hairer and Wanner (1996), Solving Ordinary Differential Equations II, section IV.7.
    """

    order: int
    gamma: float
    a: np.ndarray
    coupling: np.ndarray
    b: np.ndarray
    error: np.ndarray
    c: np.ndarray
    d: np.ndarray
    dense: np.ndarray


class RosenbrockInterpolation(dfx.AbstractLocalInterpolation):
    """`(1 - x) y0 + x (y1 + (1 - x) p(x))`, x going from 0 to 1 over the step.

    **Fields:** `t0`, `t1`, `y0`, `y1`: ends of the step; `inner`: the coefficients of the polynomial p, the constant first: a pytree like the state with an axis of these in front.
    """

    t0: Any
    t1: Any
    y0: State
    y1: State
    inner: State

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True) -> State:
        if t1 is not None:
            return jtu.tree_map(lambda a, b: a - b, self.evaluate(t1, None, left), self.evaluate(t0, None, left))
        width = self.t1 - self.t0
        x = jnp.where(width == 0, 0.0, (t0 - self.t0) / jnp.where(width == 0, 1.0, width))

        def at(y0, y1, inner):
            own = x.astype(y0.dtype)
            return (1 - own) * y0 + own * (y1 + (1 - own) * polynomial(own, list(inner)))

        return jtu.tree_map(at, self.y0, self.y1, self.inner)


class AbstractRosenbrock(dfx.AbstractAdaptiveSolver):
    """A Rosenbrock method as a Diffrax solver: implicit, with one linear equation per stage instead of an iteration. A subclass has a tableau.

    The equations are solved by `LocalElimination`, so the `args` have to be an `AbstractProblem`. Time runs forward only.
    """

    tableau: AbstractClassVar[RosenbrockTableau]
    term_structure: ClassVar = dfx.ODETerm
    interpolation_cls: ClassVar[Callable[..., RosenbrockInterpolation]] = RosenbrockInterpolation

    def order(self, terms) -> int:
        del terms
        return self.tableau.order

    def init(self, terms, t0, t1, y0, args) -> Any:
        return is_own_term(terms, t0, t1, y0, args)

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0: Any, t1: Any, y0, args, solver_state, made_jump):
        del made_jump
        method = self.tableau
        flat, unravel = ravel_pytree(y0)
        u = self._stages(terms, t0, t1, y0, args)
        y1 = unravel(flat + _combine(method.b, u))
        dense = {"y0": y0, "y1": y1, "inner": jax.vmap(unravel)(_combine(method.dense, u))}
        result = dfx.RESULTS.where(solver_state, dfx.RESULTS.successful, dfx.RESULTS.internal_error)
        return y1, unravel(_combine(method.error, u)), dense, solver_state, result

    def _stages(self, terms, t0: Any, t1: Any, y0: State, args: AbstractProblem) -> FloatArray:
        """The increments of all stages, each of the state as a vector; shape (stages, unknowns)."""
        method = self.tableau
        flat, unravel = ravel_pytree(y0)
        dtype, count = flat.dtype, method.b.size
        t0, h = jnp.asarray(t0), jnp.asarray(t1 - t0, dtype)

        def slope(t, y):
            return ravel_pytree(terms.vf(t, unravel(y), args))[0]

        rate, tangent = jax.linearize(slope, t0, flat)
        by_time = h * tangent(jnp.ones_like(t0), jnp.zeros_like(flat))
        solve = _stage_solver(lambda x: tangent(jnp.zeros_like(t0), x), method.gamma * h, t0, y0, args)

        def stage(u, row):
            i, a, coupling, c, d = row
            # Not t0 + h, which may round to the other side of an edge.
            t = jnp.where(c == 1, t1, t0 + c.astype(t0.dtype) * (t1 - t0))
            moved = h * (slope(t, flat + _combine(a, u)) + d * by_time) + _combine(coupling, u)
            return u.at[i].set(solve(method.gamma * moved)), None

        first = solve(method.gamma * h * (rate + jnp.asarray(method.d[0], dtype) * by_time))
        u = jnp.zeros((count, flat.size), dtype).at[0].set(first)
        table = (jnp.asarray(x[1:], dtype) for x in (method.a, method.coupling, method.c, method.d))
        return jax.lax.scan(stage, u, (jnp.arange(1, count), *table))[0]


def _stage_solver(
    tangent: Callable[[FloatArray], FloatArray], factor: FloatArray, t: Any, y: State, args: AbstractProblem
) -> Callable[[FloatArray], FloatArray]:
    """The solution of `x - factor J x = right` as a function of the right-hand side, with J as the product `tangent` with a vector."""
    unravel = ravel_pytree(y)[1]

    def product(x: FloatArray) -> FloatArray:
        return x - factor * tangent(x)

    def flat(tree: State) -> FloatArray:
        return ravel_pytree(tree)[0]

    def frozen(tree: Any) -> Any:
        return jtu.tree_map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)

    arrangement, coupling = Arrangement.make(args.neuron(), y, args.dynamics(t, y).decay)
    solver = LocalElimination(arrangement)
    shifted = lx.FunctionLinearOperator(lambda x: unravel(product(flat(x))), jax.eval_shape(lambda: y))
    factors = solver.init(frozen(shifted), frozen({"coupling": coupling, "factor": factor}))
    transposed, _ = solver.transpose(factors, {})
    # The derivative rule is that of `lineax.linear_solve`, which raises, however, where a tangent is not finite: that of a step that is rejected, or of one
    # member of a batch, would end the program.
    return lambda right: jax.lax.custom_linear_solve(
        product,
        right,
        solve=lambda _, b: flat(solver.compute(factors, unravel(b), {})[0]),
        transpose_solve=lambda _, b: flat(solver.compute(transposed, unravel(b), {})[0]),
    )


def _combine(weights: Any, u: FloatArray) -> FloatArray:
    """The sums of the stages with these weights."""
    exact = (
        jax.lax.Precision.HIGHEST
    )  # some accelerators would round float32 to ten bits: the weights are large and of both signs
    return jnp.matmul(jnp.asarray(weights, u.dtype), u, precision=exact)
