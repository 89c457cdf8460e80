"""What split solvers share."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import diffrax as dfx
import jax.tree_util as jtu

from .._model import Problem
from .._types import RealScalar, State
from .own_term import is_own_term


_SolverState: TypeAlias = Any


class AbstractSplit(dfx.AbstractSolver):
    """A solver of constant step that moves the groups of leaves of a model in turn, each by `Linearised.advance`, as a Diffrax solver.

    It looks at the model in `args=Problem(model, drive)` only, and has no error estimate. Time runs forward only.
    """

    term_structure: ClassVar = dfx.ODETerm
    interpolation_cls: ClassVar[Callable[..., dfx.LocalLinearInterpolation]] = dfx.LocalLinearInterpolation

    @abstractmethod
    def move(self, problem: Problem, t0: RealScalar, t1: RealScalar, y: State) -> State:
        """The state at `t1` from that at `t0`."""

    def init(self, terms, t0, t1, y0, args) -> _SolverState:
        return is_own_term(terms, t0, t1, y0, args)

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)

    def step(self, terms, t0: Any, t1: Any, y0, args, solver_state, made_jump):
        del terms, made_jump
        y1 = self.move(args, t0, t1, y0)
        result = dfx.RESULTS.where(solver_state, dfx.RESULTS.successful, dfx.RESULTS.internal_error)
        return y1, None, {"y0": y0, "y1": y1}, solver_state, result


def advance_group(
    problem: Problem, t: RealScalar, y: State, drive: Any, groups: Any, group: int, dt: RealScalar
) -> State:
    """Move the leaves of one group and leave the rest; what the rest would need is not computed (XLA drops it)."""
    moved = problem.model.dynamics(t, y, drive).advance(y, dt)
    return jtu.tree_map(lambda g, old, new: new if g == group else old, groups, y, moved)
