"""Solvers whose neighbouring steps merge."""

from abc import abstractmethod

from .._model import Problem
from .._types import RealScalar, State
from .split import AbstractSplit


class AbstractLeapfrog(AbstractSplit):
    """A split solver that ends a step with the sub-step the next one begins with.

    A driver that takes many equal steps may merge the two and carry a state in which part of the leaves lags behind by `lag` ms;
    `synchronise` brings it up to date where it is looked at. The result is the same as that of `step`.
    """

    @abstractmethod
    def leap(self, problem: Problem, t0: RealScalar, t1: RealScalar, y: State, lag: RealScalar) -> State:
        """From `t0` to `t1`. `y` lags by `lag`, the result by `self.lag(t1 - t0)`."""

    @abstractmethod
    def lag(self, dt: RealScalar) -> RealScalar:
        """How far the state lags after a leap of `dt`."""

    @abstractmethod
    def synchronise(self, problem: Problem, t: RealScalar, y: State, lag: RealScalar) -> State:
        """The state at `t` from one that lags by `lag`."""
