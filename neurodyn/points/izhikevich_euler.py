"""The numerical scheme of Izhikevich's papers."""

from .._model import Problem
from .._solver import AbstractSplit
from .._types import RealScalar, State


class IzhikevichEuler(AbstractSplit):
    """Forward Euler for `v`, then for `u` with the new `v`: the scheme of Izhikevich (2004), figure 1. First order.

    For the results that depend on it, with the step of the paper: `nd.FixedStep(dt, IzhikevichEuler(), nd.GridReset())`. Of the twenty patterns
    five have other spikes, or none, with an accurate solver; for anything else use the default one.
    """

    def order(self, terms) -> int:
        del terms
        return 1

    def move(self, problem: Problem, t0: RealScalar, t1: RealScalar, y: State) -> State:
        dt, drive = t1 - t0, problem.drive.average(t0, t1)
        v = y["v"] + dt * problem.model.dynamics(t0, y, drive).slope["v"]
        u = y["u"] + dt * problem.model.dynamics(t0, {**y, "v": v}, drive).slope["u"]
        return {"v": v, "u": u}
