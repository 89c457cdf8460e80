"""The adaptive driver of models that reset: a loop of Diffrax solves, each up to the next event."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._numerics import all_finite, anywhere, nan_where
from .._types import FloatArray, State
from .adaptive import AdaptiveRun, save_state
from .bracketed_newton import BracketedNewton
from .crossing import compact, default_room
from .fixed import for_scan
from .reset import jump, select
from .solution import Solution, Status, failed


class _Watchful(dfx.AbstractWrappedSolver):
    """A solver that refuses a step in which a margin rises above zero and falls again: Diffrax looks for events at the ends of steps only. The step is
    repeated with a smaller one until an end of it falls into the excursion."""

    solver: dfx.AbstractSolver  # pyright: ignore[reportIncompatibleVariableOverride]
    tolerance: float = eqx.field(static=True)

    @property
    def term_structure(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.solver.term_structure

    @property
    def interpolation_cls(self):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.solver.interpolation_cls

    @property
    def scan_kind(self):
        return getattr(self.solver, "scan_kind", None)

    def order(self, terms):
        return self.solver.order(terms)

    def strong_order(self, terms):
        return self.solver.strong_order(terms)

    def error_order(self, terms):
        return self.solver.error_order(terms)

    def init(self, terms, t0, t1, y0, args):
        return self.solver.init(terms, t0, t1, y0, args)

    def func(self, terms, t0, y0, args):
        return self.solver.func(terms, t0, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        y1, error, info, solver_state, result = self.solver.step(terms, t0, t1, y0, args, solver_state, made_jump)
        before, rise = _margin(terms, t0, y0, args)
        after, fall = _margin(terms, t1, y1, args)
        hidden = jax.lax.stop_gradient(_peak(before, rise * (t1 - t0), after, fall * (t1 - t0)) > self.tolerance)
        hidden = jnp.any(hidden & (before <= 0) & (after <= 0))
        error = jtu.tree_map(lambda x: jnp.where(hidden, 1e6, x), error)
        return y1, error, info, solver_state, result


def _margin(terms, t, y, args) -> tuple[FloatArray, FloatArray]:
    """The margins of a state and their rates, 1/ms."""
    model = args.problem.model
    return jax.jvp(lambda y: model.margin(t, y), (y,), (terms.vf(t, y, args),))


def _peak(before, rise, after, fall) -> FloatArray:
    """The highest value, between its ends, of the cubic with these values and slopes; -inf where it has no peak there."""
    square, linear = 3 * (rise + fall - 2 * (after - before)), 2 * (3 * (after - before) - 2 * rise - fall)
    hump = (rise > 0) & (fall < 0)
    root = jnp.sqrt(jnp.where(hump, linear**2 - 4 * square * rise, 1.0))
    place = jnp.where(hump, 2 * rise / jnp.where(hump, root - linear, 1.0), 0.0)
    return jnp.where(hump, before + place * (rise + place * (linear / 2 + place * square / 3)), -jnp.inf)


class _Progress(eqx.Module):
    """How far a run has got: solver time, ms, state, what was saved, and how the solver fared."""

    s: FloatArray
    y: State
    saved: State
    status: jax.Array


def simulate_events(run: AdaptiveRun, y0: State, ts: FloatArray, max_spikes: int) -> Solution:
    """Run a model that resets for `run.span` ms and record at `ts`. Arguments as in `simulate`, already checked."""
    model: Any = run.args.problem.model
    local = ts - run.origin
    span = jnp.asarray(run.span, local.dtype)
    units = jax.eval_shape(lambda: model.margin(0.0, y0))
    most = run.method.max_events
    if most is None:
        # Each spike may be followed by the end of a refractory period, and there may be more spikes than are kept.
        most = 2 * units.size * max(max_spikes, default_room(run.span)) + 1

    def turn(progress: _Progress, _):
        # A condition of one member would become a choice between two results under `vmap`, which Diffrax's derivative at an event does not survive.
        unfinished = anywhere(progress.s < span)
        return jax.lax.cond(unfinished, lambda p: _to_next_event(run, y0, p, local), lambda p: (p, silent), progress)

    silent = jnp.full(units.shape, jnp.inf, units.dtype)
    nothing = jtu.tree_map(lambda x: jnp.full((local.size, *x.shape), jnp.nan, x.dtype), y0)
    start = _Progress(jnp.zeros_like(span), y0, nothing, jnp.asarray(int(Status.ok)))
    progress, times = jax.lax.scan(turn, start, length=most)
    status = jnp.where((progress.status == Status.ok) & (progress.s < span), int(Status.event_storm), progress.status)
    status = jnp.where((status == Status.ok) & ~all_finite(progress.y), int(Status.non_finite), status)
    reached = jnp.where(status == Status.ok, jnp.inf, progress.s)
    records = jax.vmap(lambda t, y: run.record(t, y, t <= reached))(local, progress.saved)
    spikes = compact(jnp.isfinite(times), times, max_spikes) if max_spikes else None
    if spikes is not None:
        status = jnp.where((status == Status.ok) & jnp.any(spikes.overflow), int(Status.spike_overflow), status)
    return Solution(ts, records, spikes, status, nan_where(failed(status), progress.y))


def _to_next_event(run: AdaptiveRun, y0: State, progress: _Progress, local: FloatArray) -> tuple[_Progress, FloatArray]:
    """On to the next event of any unit, or to the end, and when the units fired, ms (infinite where not)."""
    model: Any = run.args.problem.model
    above = model.margin(0.0, progress.y) > 0  # lifted by the last jump, or from the beginning
    at_once = jnp.any(above)
    # A solve of no length has no derivative, so one that is not wanted goes over some other stretch.
    idle = at_once | ~(progress.s < run.span)
    begin, end = jnp.where(idle, 0.0, progress.s), jnp.where(idle, 1e-3 * run.span, run.span)
    y = select(idle, jax.lax.stop_gradient(y0), progress.y)

    def largest_margin(t, y, args, **kwargs):
        del t, kwargs
        return jnp.max(args.problem.model.margin(0.0, y))

    solver = run.method.solver
    if not isinstance(run.method.adjoint, dfx.RecursiveCheckpointAdjoint):
        solver = for_scan(solver)  # which Diffrax does for its own solvers only
    tight = 1e-10 if local.dtype == jnp.float64 else 1e-5
    here = jnp.clip(local, *jax.lax.stop_gradient((begin, end)))
    solution = run.solve(
        begin,
        end,
        y,
        [dfx.SubSaveAt(ts=here, fn=save_state), dfx.SubSaveAt(t1=True, fn=save_state)],
        solver=_Watchful(solver, run.method.atol),
        event=dfx.Event(largest_margin, BracketedNewton(tight, tight), direction=True),
    )
    times: Any = solution.ts
    saved: Any = solution.ys
    s = jnp.where(idle, progress.s, times[1][0])
    y = select(idle, progress.y, jtu.tree_map(lambda x: x[0], saved[1]))
    occurred = ~idle & (solution.result == dfx.RESULTS.event_occurred)
    margin = model.margin(0.0, y)
    together = jnp.where(at_once, above, occurred & (margin >= jnp.max(margin) - run.method.atol))
    y, emitted = jump(model, y, jax.lax.stop_gradient(together))
    spikes = jnp.where((emitted > 0) & together, run.origin + run.warp.model_time(s), jnp.inf)
    fresh = ~idle & (local >= progress.s) & (times[0] <= s) & jnp.isfinite(times[0])
    merged = jtu.tree_map(
        lambda new, old: jnp.where(fresh.reshape((-1,) + (1,) * (new.ndim - 1)), new, old), saved[0], progress.saved
    )
    result = dfx.RESULTS.where(idle, dfx.RESULTS.successful, solution.result)
    status = jnp.where(progress.status == Status.ok, run.status(result, all_finite(y)), progress.status)
    s = jnp.where(status == Status.ok, s, jnp.inf)  # no further
    return _Progress(s, y, merged, status), spikes
