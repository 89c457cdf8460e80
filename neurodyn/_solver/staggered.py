"""The default solver: gates and voltages in turn, each by its own exponential or implicit step."""

import jax.tree_util as jtu

from .._model import Problem
from .._types import RealScalar, State
from .base import AbstractLeapfrog
from .split import advance_group


class Staggered(AbstractLeapfrog):
    """Palindromic splitting over the model's groups of leaves: half a step of the gates, a step of the voltages, half a step of the
    gates, each by `Linearised.advance`. Second order in every leaf, from any state, one vector-field evaluation per step in a run.

    Needs `args=Problem(model, drive)` and a constant step. Time runs forward only.

    Sources: Strang (1968); Hines (1984) for the idea, whose lagged gates are first order.
    """

    def order(self, terms) -> int:
        del terms
        return 2

    def move(self, problem: Problem, t0: RealScalar, t1: RealScalar, y: State) -> State:
        y = self.leap(problem, t0, t1, y, 0.0 * (t1 - t0))
        return self.synchronise(problem, t1, y, self.lag(t1 - t0))

    def lag(self, dt: RealScalar) -> RealScalar:
        return dt / 2

    def leap(self, problem: Problem, t0: RealScalar, t1: RealScalar, y: State, lag: RealScalar) -> State:
        dt = t1 - t0
        drive = problem.drive.average(t0, t1)
        groups = problem.model.groups()
        last = max(jtu.tree_leaves(groups))
        if last == 0:
            return advance_group(problem, t0, y, drive, groups, 0, dt)
        y = advance_group(problem, t0, y, drive, groups, 0, dt / 2 + lag)
        for group in range(1, last):
            y = advance_group(problem, t0, y, drive, groups, group, dt / 2)
        y = advance_group(problem, t0, y, drive, groups, last, dt)
        for group in range(last - 1, 0, -1):
            y = advance_group(problem, t1, y, drive, groups, group, dt / 2)
        return y

    def synchronise(self, problem: Problem, t: RealScalar, y: State, lag: RealScalar) -> State:
        groups = problem.model.groups()
        if max(jtu.tree_leaves(groups)) == 0:
            return y
        return advance_group(problem, t, y, problem.drive(t), groups, 0, lag)
