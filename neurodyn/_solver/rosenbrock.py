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

from .._model import AbstractProblem
from .._numerics import polynomial
from .._types import FloatArray, RealScalar, State
from .implicit import Arrangement, LocalElimination


if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


@dataclasses.dataclass(frozen=True)
class RosenbrockTableau:
    """The coefficients of a Rosenbrock method with s stages, in the form that needs no product with the Jacobian J:

    `(1 - gamma h J) u_i = gamma h (f(t0 + c_i h, y0 + sum_j a_ij u_j) + h d_i df/dt) + gamma sum_j coupling_ij u_j`, `y1 = y0 + sum_i b_i u_i`.

    **Fields:** `gamma`; `a`, `coupling`: strictly lower triangular, (s, s); `b`, `error`, `c`, `d`: (s,); `dense`: the shares of the stages in the polynomial of
    `RosenbrockInterpolation`, (degree - 1, s). `order`.

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
    """`(1 - x) y0 + x (y1 + (1 - x) (p_0 + p_1 x + ...))` over a step, x going from 0 to 1."""

    t0: RealScalar
    t1: RealScalar
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
    """A Rosenbrock method as a Diffrax solver, for runs with `args` that are an `AbstractProblem`. A subclass has a tableau."""

    tableau: AbstractClassVar[RosenbrockTableau]
    term_structure: ClassVar = dfx.ODETerm
    interpolation_cls: ClassVar[Callable[..., RosenbrockInterpolation]] = RosenbrockInterpolation

    def order(self, terms) -> int:
        del terms
        return self.tableau.order

    def init(self, terms, t0, t1, y0, args) -> Any:
        del t1
        return _is_own_term(terms, t0, y0, args)

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0: Any, t1: Any, y0, args, solver_state, made_jump):
        del made_jump
        u = self._stages(terms, t0, t1, y0, args)
        method = self.tableau
        y1 = jtu.tree_map(jnp.add, y0, _combine(method.b, u))
        dense = {"y0": y0, "y1": y1, "inner": _combine(method.dense, u)}
        result = dfx.RESULTS.where(solver_state, dfx.RESULTS.successful, dfx.RESULTS.internal_error)
        return y1, _combine(method.error, u), dense, solver_state, result

    def _stages(self, terms, t0: Any, t1: Any, y0: State, args: AbstractProblem) -> State:
        """The increments of all stages: a pytree like the state with an axis of stages in front."""
        method = self.tableau
        t0, h = jnp.asarray(t0), t1 - t0

        def slope(t, y):
            return terms.vf(t, y, args)

        rate, tangent = jax.linearize(slope, t0, y0)
        by_time = tangent(jnp.ones_like(t0), jtu.tree_map(jnp.zeros_like, y0))
        solve = _stage_solver(lambda x: tangent(jnp.zeros_like(t0), x), method.gamma * h, t0, y0, args)

        def right(rate, d, before):
            def leaf(rate, by_time, before):
                own = jnp.asarray(h, rate.dtype)
                return method.gamma * (own * (rate + own * d.astype(rate.dtype) * by_time) + before)

            return jtu.tree_map(leaf, rate, by_time, before)

        def stage(u, row):
            i, a, coupling, c, d = row
            y = jtu.tree_map(jnp.add, y0, _combine(a, u))
            # Not t0 + h, which may round to the other side of an edge.
            t = jnp.where(c == 1, t1, t0 + c * h)
            new = solve(right(slope(t, y), d, _combine(coupling, u)))
            return jtu.tree_map(lambda old, x: old.at[i].set(x), u, new), None

        first = solve(right(rate, jnp.asarray(method.d[0]), jtu.tree_map(jnp.zeros_like, y0)))
        count = method.b.size
        u = jtu.tree_map(lambda x: jnp.zeros((count, *x.shape), x.dtype).at[0].set(x), first)
        table = [jnp.asarray(x[1:], t0.dtype) for x in (method.a, method.coupling, method.c, method.d)]
        return jax.lax.scan(stage, u, (jnp.arange(1, count), *table))[0]


def _stage_solver(
    tangent: Callable[[State], State], factor: RealScalar, t: Any, y: State, args: AbstractProblem
) -> Callable[[State], State]:
    """The solution of `x - factor J x = right` as a function of the right-hand side, with J as the product `tangent` with a state."""

    def product(x: State) -> State:
        return jtu.tree_map(lambda x, moved: x - jnp.asarray(factor, x.dtype) * moved, x, tangent(x))

    frozen = lambda tree: jtu.tree_map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)
    arrangement, flow = Arrangement.make(args.model, y, args.dynamics(t, y).decay)
    solver = LocalElimination(arrangement)
    structure = jax.eval_shape(lambda: y)
    operator = frozen(lx.FunctionLinearOperator(product, structure))
    dtype = jtu.tree_leaves(y)[0].dtype
    factors = solver.init(operator, {"flow": frozen(flow), "factor": jax.lax.stop_gradient(jnp.asarray(factor, dtype))})
    transposed, _ = solver.transpose(factors, {})
    # Not Lineax's own rule, which raises where a tangent is not finite: that of one rejected step, or of one member of a batch, would end the program.
    return lambda right: jax.lax.custom_linear_solve(
        product,
        right,
        solve=lambda _, b: solver.compute(factors, b, {})[0],
        transpose_solve=lambda _, b: solver.compute(transposed, b, {})[0],
    )


def _combine(weights: Any, u: State) -> State:
    """The sums of the stages with these weights."""
    return jtu.tree_map(lambda x: jnp.tensordot(jnp.asarray(weights, x.dtype), x, axes=1), u)


def _is_own_term(terms: Any, t: Any, y: State, args: AbstractProblem) -> jax.Array:
    """Whether a Diffrax term is the model's own: Diffrax solves backwards in time by negating the term, and the coupling of voltages, which the model gives,
    would have the wrong sign."""
    given, expected = terms.vf(t, y, args), args.dynamics(t, y).slope
    same = [jnp.all(a == b) for a, b in zip(jtu.tree_leaves(given), jtu.tree_leaves(expected), strict=True)]
    return jnp.all(jnp.stack(same))


_GAMMA = 0.21193756319429014


def _rodas5p() -> RosenbrockTableau:
    a = np.zeros((8, 8))
    a[1, :1] = [3.0]
    a[2, :2] = [2.849394379747939, 0.45842242204463923]
    a[3, :3] = [-6.954028509809101, 2.489845061869568, -10.358996098473584]
    a[4, :4] = [2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641]
    a[5, :5] = [-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946]
    a[6] = a[5] + np.eye(8)[5]
    a[7] = a[6] + np.eye(8)[6]
    coupling = np.zeros((8, 8))
    coupling[1, :1] = [-14.155112264123755]
    coupling[2, :2] = [-17.97296035885952, -2.859693295451294]
    coupling[3, :3] = [147.12150275711716, -1.41221402718213, 71.68940251302358]
    coupling[4, :4] = [165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306]
    coupling[5, :5] = [24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471]
    coupling[6, :6] = [30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623, -28.087943162872662]
    coupling[7, :7] = [
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ]
    dense = [
        [
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ],
        [
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ],
        [
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ],
    ]
    return RosenbrockTableau(
        order=5,
        gamma=_GAMMA,
        a=a,
        coupling=coupling,
        b=a[7] + np.eye(8)[7],
        error=np.eye(8)[7],
        c=np.asarray([0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0, 1.0, 1.0]),
        d=np.asarray([_GAMMA, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069, 0.0, 0.0, 0.0]),
        dense=np.asarray(dense),
    )


class Rodas5P(AbstractRosenbrock):
    """TODO"""

    tableau: ClassVar[RosenbrockTableau] = _rodas5p()
