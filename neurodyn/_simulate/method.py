"""How a run is integrated."""

import math
from typing import Any, TypeAlias, get_args

import diffrax as dfx
import equinox as eqx

from .._model import AbstractNeuron
from .._parameter import check_positive, check_whole
from .._solver import Staggered
from .._types import State
from .blocks import tree_bytes
from .memory import Checkpoint, GradientPlan, kept_per_step, plan
from .reset import AbstractReset, ExactReset


class FixedStep(eqx.Module):
    """Equal steps: the fast path and the default.

    **Fields:**

    - `dt`: step, ms. It is shortened a little where it does not divide the run, so that the run ends on time.
    - `solver`: a Diffrax solver. `Staggered()` is second order and as fast as a hand-written loop; explicit Runge-Kutta solvers work too (the drive
        is averaged over each step, which limits them to second order where it varies).
    - `reset`: what happens when a resetting model crosses its threshold: `ExactReset()` inside the step, `GridReset()` at its end, `Surrogate()` at its end
        with a surrogate derivative.
    - `checkpoint`: what is kept for a gradient: see `GradientPlan`. `"auto"` keeps the state before each step if that fits into `memory`, and else
        nests, at the price of one more forward pass, or uses forward mode for a derivative by one or two numbers.
    - `memory`: bytes that one member of a batch may keep for its gradient; None for a quarter of the device's memory over 256 members.
    """

    dt: float = eqx.field(static=True, default=0.025)
    solver: dfx.AbstractSolver = Staggered()
    reset: AbstractReset = ExactReset()
    checkpoint: Checkpoint = eqx.field(static=True, default="auto")
    memory: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_positive("FixedStep.dt", self.dt, "ms")
        _check_solver("FixedStep.solver", self.solver, "nd.Staggered() or diffrax.Heun()")
        if self.checkpoint not in get_args(Checkpoint):
            raise ValueError(
                f"FixedStep.checkpoint = {self.checkpoint!r} is not allowed: must be one of {', '.join(get_args(Checkpoint))}"
            )
        if not isinstance(self.reset, AbstractReset):
            raise ValueError(
                f"FixedStep.reset = {self.reset!r} is not allowed: must be nd.ExactReset(), nd.GridReset() or nd.Surrogate()"
            )
        if self.memory is not None:
            check_positive("FixedStep.memory", self.memory, "bytes")

    def plan(self, y0: State, steps: int) -> GradientPlan:
        """What a run of `steps` steps from the state `y0` keeps for its gradient."""
        return plan(self.checkpoint, self.memory, tree_bytes(y0), steps)

    def gradient_plan(self, model: AbstractNeuron, duration: float) -> GradientPlan:
        """What a run of a model for `duration` ms keeps for its gradient."""
        state = kept_per_step(model, eqx.filter_eval_shape(type(model).init, model))
        return self.plan(state, math.ceil(duration / self.dt * (1 - 1e-9)))


class Adaptive(eqx.Module):
    """Error-controlled steps, by Diffrax: the accurate path.

    **Fields:**

    - `rtol`, `atol`: tolerances per step. Tolerances finer than about 50 units in the last place of the precision are refused.
    - `solver`: a Diffrax solver with an error estimate. The default, Tsitouras' explicit method, is for point neurons. Along the compartments of a cell its steps are limited by
        stability, to 0.001 ms in compartments of 10 um, whatever the tolerance: take `nd.Rodas5P()` there, which is implicit.
    - `max_step`: largest step, ms. A spike lasts about 1 ms: longer steps can jump over it.
    - `max_steps`: budget for the whole run, or up to the next event of a model that resets; None for 4096 and 200 more per ms.
    - `max_events`: how many events a model that resets may have in a run, ends of refractory periods included: each is a solve of its own. None for two for
        each spike that there is room for, and at least one spike of every unit in 2 ms. A run with more ends in `Status.event_storm`.
    - `adjoint`: how gradients are made: `diffrax.RecursiveCheckpointAdjoint()` for reverse mode, once, `diffrax.ForwardMode()` for forward mode, also twice, and
        `diffrax.DirectAdjoint()` for both together, as in `jax.hessian`: it keeps, and goes through, all the steps that `max_steps` allows, so say how many the run needs.
    """

    rtol: float = eqx.field(static=True, default=1e-5)
    atol: float = eqx.field(static=True, default=1e-5)
    solver: dfx.AbstractSolver = dfx.Tsit5()
    max_step: float = eqx.field(static=True, default=0.5)
    max_steps: int | None = eqx.field(static=True, default=None)
    max_events: int | None = eqx.field(static=True, default=None)
    adjoint: dfx.AbstractAdjoint = dfx.RecursiveCheckpointAdjoint()

    def __check_init__(self):
        _check_solver("Adaptive.solver", self.solver, "diffrax.Tsit5() or nd.Rodas5P()")
        check_positive("Adaptive.rtol", self.rtol, "")
        check_positive("Adaptive.atol", self.atol, "mV or 1")
        check_positive("Adaptive.max_step", self.max_step, "ms", infinite=True)
        if self.max_steps is not None:
            check_whole("Adaptive.max_steps", self.max_steps)
        if self.max_events is not None:
            check_whole("Adaptive.max_events", self.max_events)
        if isinstance(self.adjoint, dfx.BacksolveAdjoint):
            raise ValueError(
                "Adaptive.adjoint = BacksolveAdjoint is not allowed: neurons are unstable backwards in time and its gradients are "
                "wrong; use RecursiveCheckpointAdjoint or ForwardMode"
            )
        if not isinstance(self.adjoint, dfx.RecursiveCheckpointAdjoint | dfx.ForwardMode | dfx.DirectAdjoint):
            raise ValueError(
                f"Adaptive.adjoint = {self.adjoint!r} is not allowed: must be diffrax.RecursiveCheckpointAdjoint(), diffrax.ForwardMode() or "
                "diffrax.DirectAdjoint(); others are not those of a run"
            )
        if not isinstance(self.solver, dfx.AbstractAdaptiveSolver):
            name = type(self.solver).__name__
            raise ValueError(f"Adaptive.solver = {name} is not allowed: it has no error estimate; use FixedStep")


def _check_solver(name: str, solver: Any, examples: str) -> None:
    if not isinstance(solver, dfx.AbstractSolver):
        raise ValueError(f"{name} = {solver!r} is not allowed: must be a Diffrax solver such as {examples}")


Method: TypeAlias = FixedStep | Adaptive
