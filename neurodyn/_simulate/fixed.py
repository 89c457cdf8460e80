"""The fixed-step driver: a scan over the solver's own step, in time local to each step."""

import dataclasses
from typing import Any, TypeGuard

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from .._model import AbstractCoherent, AbstractNeuron, AbstractSpikingNeuron, Problem, term
from .._numerics import all_finite, nan_where
from .._reducer import AbstractReducer, Samples
from .._solver import AbstractLeapfrog
from .._stimulus import AbstractStimulus, Instant
from .._types import FloatArray, RealScalar, State
from .crossing import compact, upward_crossings
from .derivatives import tangents_per_lane
from .memory import GradientPlan, kept_per_step
from .method import FixedStep
from .recorder import Recorder
from .reset import AbstractReset, Events, Span
from .solution import Solution, Spikes, Status


class _StepDrive(eqx.Module):
    """The drive during a step, or a part of one, in the step's local time. Stages of a Runge-Kutta step all see the average, so that an edge inside the
    step delivers the right charge.

    **Fields:** `time`: when it begins; `width`: its length, ms.
    """

    stimulus: AbstractStimulus
    time: Instant
    width: RealScalar

    def __call__(self, t: RealScalar) -> FloatArray:
        del t
        return self.stimulus.over(self.time, self.width)

    def average(self, t0: RealScalar, t1: RealScalar) -> FloatArray:
        del t0, t1
        return self.stimulus.over(self.time, self.width)

    def part(self, begin: RealScalar, length: RealScalar) -> "_StepDrive":
        """The drive during a part of the step; that of no length is a hair long."""
        time = dataclasses.replace(self.time, offset=begin, longest=self.width)
        if not isinstance(length, float):
            length = jnp.maximum(length, 1e-6 * self.width)
        return _StepDrive(self.stimulus, time, length)


_NEVER = np.iinfo(np.int32).max  # a step


class _Carry(eqx.Module):
    y: State  # lags behind by the solver's lag, except before the first step
    solver_state: Any
    failed: jax.Array | None  # whether the solver said so; None for one that cannot fail
    # The first step with too many events, `_NEVER` without; None for a model that does not reset.
    storm: jax.Array | None = None


class _Stepper(eqx.Module):
    """One step of a run, as a function of its integer index."""

    model: AbstractNeuron
    stimulus: AbstractStimulus
    solver: dfx.AbstractSolver
    reset: AbstractReset
    origin: RealScalar
    dt: float = eqx.field(static=True)
    spikes: bool = eqx.field(static=True)

    @property
    def _leapfrog(self) -> AbstractLeapfrog | None:
        """The solver if the state lags. That of a model that resets does not: it may jump at any time."""
        return self.solver if isinstance(self.solver, AbstractLeapfrog) and not resets(self.model) else None

    def _time(self, k) -> Instant:
        return Instant(self.origin, k, self.dt, 0.0)

    def _drive(self, k) -> _StepDrive:
        return _StepDrive(self.stimulus, self._time(k), self.dt)

    def _problem(self, k) -> Problem:
        return Problem(self.model, self._drive(k))

    def _lag(self, k) -> RealScalar:
        return jnp.where(k == 0, 0.0, self._leapfrog.lag(self.dt) if self._leapfrog else 0.0)

    def init(self, y0: State) -> _Carry:
        if self._leapfrog:
            return _Carry(y0, None, None)
        state = self.solver.init(term(self.model), 0.0, self.dt, y0, self._problem(0))
        if resets(self.model):
            return _Carry(y0, state, None, jnp.asarray(_NEVER))
        return _Carry(y0, state, jnp.asarray(False))

    def synchronised(self, carry: _Carry, k) -> State:
        """The state at the beginning of step k."""
        if self._leapfrog:
            return self._leapfrog.synchronise(self._problem(k), 0.0, carry.y, self._lag(k))
        return carry.y

    def sample(self, recorder: Recorder, carry: _Carry, k) -> dict[str, Any]:
        """What is recorded at the beginning of step k; NaN once the state is no longer finite."""
        y = self.synchronised(carry, k)
        record = recorder(self.model, 0.0, y, lambda: self.stimulus.at(self._time(k)))
        # Zero, or NaN where a leaf is not finite: cheaper than asking each of them. What is not finite stays so.
        leaves = jtu.tree_leaves(carry.y)
        seen = [x.reshape(-1)[0] for x in leaves] if isinstance(self.model, AbstractCoherent) else map(jnp.sum, leaves)
        poison = jax.lax.stop_gradient(0.0 * sum(seen))
        return jtu.tree_map(lambda x: x + poison, record)

    def margin(self, carry: _Carry, k) -> FloatArray | None:
        """The margin of a smooth spiking model at the beginning of step k."""
        if self.spikes and isinstance(self.model, AbstractSpikingNeuron) and not self.model.resets:
            return self.model.margin(0.0, self.synchronised(carry, k))
        return None

    def step(self, carry: _Carry, k) -> tuple[_Carry, Any]:
        """The carry after step k, and what it says of spikes: the margin at its end for a smooth model, the `Events` of a resetting one."""
        if resets(self.model):
            assert carry.storm is not None
            span = Span(self.model, self._drive(k), self.solver, carry.solver_state, self.dt)
            y, events = self.reset.step(span, carry.y, carry.storm < k)
            storm = jnp.where(events.storm, jnp.minimum(carry.storm, k), carry.storm)
            carry = dataclasses.replace(carry, y=y, storm=storm)
            return carry, dataclasses.replace(events, storm=None) if self.spikes else None
        carry = self._integrate(carry, k)
        return carry, self.margin(carry, k + 1)

    def _integrate(self, carry: _Carry, k) -> _Carry:
        problem = self._problem(k)
        if self._leapfrog:
            return dataclasses.replace(carry, y=self._leapfrog.leap(problem, 0.0, self.dt, carry.y, self._lag(k)))
        # The drive may have changed, so nothing computed at the end of the last step may be used again: hence made_jump.
        y, _, _, state, result = self.solver.step(
            term(self.model), 0.0, self.dt, carry.y, problem, carry.solver_state, jnp.asarray(True)
        )
        failed = result != dfx.RESULTS.successful
        return _Carry(y, state, failed if carry.failed is None else carry.failed | failed)


def resets(model: AbstractNeuron) -> TypeGuard[AbstractSpikingNeuron]:
    """Whether a model's spikes change its state."""
    return isinstance(model, AbstractSpikingNeuron) and model.resets


def for_scan(solver: dfx.AbstractSolver) -> dfx.AbstractSolver:
    """Diffrax's explicit solvers need a bounded inner loop for forward mode to go through when they are stepped by hand."""
    if isinstance(solver, dfx.AbstractRungeKutta) and solver.scan_kind is None:
        return dataclasses.replace(solver, scan_kind="bounded")
    return solver


def _keep(primitive: Any, *avals: Any, **params: Any) -> bool:
    """Which results within a step are kept for the reverse pass and not computed again: those that cost far more than their size."""
    return primitive.name == "tree_solve"


class _Run(eqx.Module):
    """A run of some steps: what is sampled, and what is kept for the reverse pass."""

    stepper: _Stepper
    sampler: Recorder
    plan: GradientPlan = eqx.field(static=True)

    def scan(self, carry: _Carry, first, count: int, sample: bool):
        """`count` steps from step `first`; each sampled at its end, or none."""

        def body(carry, k):
            carry, event = self.stepper.step(carry, k)
            return carry, (self.stepper.sample(self.sampler, carry, k + 1) if sample else {}, event)

        def steps(carry, first, count):
            if self.plan.checkpoint in ("step", "nested"):
                return jax.lax.scan(
                    jax.checkpoint(body, prevent_cse=False, policy=_keep), carry, first + jnp.arange(count)
                )
            return jax.lax.scan(body, carry, first + jnp.arange(count))

        segment = self.plan.segment
        whole, rest = divmod(count, segment)
        if self.plan.checkpoint != "nested" or whole < 2:
            return steps(carry, first, count)
        one = jax.checkpoint(lambda carry, j: steps(carry, first + j * segment, segment), prevent_cse=False)
        carry, out = jax.lax.scan(one, carry, jnp.arange(whole))
        out = jtu.tree_map(lambda x: x.reshape(whole * segment, *x.shape[2:]), out)
        if rest:
            carry, more = steps(carry, first + whole * segment, rest)
            out = _concatenate(out, more)
        return carry, out

    def every_step(self, y0: State, steps: int):
        """The samples at steps 0, 1, 2, ... and the event of every step."""
        carry = self.stepper.init(y0)
        first = self.stepper.sample(self.sampler, carry, 0)
        carry, (samples, events) = self.scan(carry, 0, steps, bool(first))
        return carry, _concatenate(_as_row(first), samples), events

    def every_few(self, y0: State, steps: int, every: int):
        """The samples at steps 0, every, 2 every, ... and the event of every step."""
        carry = self.stepper.init(y0)
        first = self.stepper.sample(self.sampler, carry, 0)
        blocks, rest = divmod(steps, every)

        def block(carry, j):
            carry, (_, events) = self.scan(carry, j * every, every, False)
            return carry, (self.stepper.sample(self.sampler, carry, (j + 1) * every), events)

        carry, (samples, events) = jax.lax.scan(block, carry, jnp.arange(blocks))
        events = jtu.tree_map(lambda x: x.reshape(blocks * every, *x.shape[2:]), events)
        if rest:
            carry, (_, more) = self.scan(carry, blocks * every, rest, False)
            events = _concatenate(events, more)
        return carry, _concatenate(_as_row(first), samples), events

    def reduced(self, y0: State, steps: int, reducers: dict[str, tuple[AbstractReducer, tuple[str, ...]]]):
        """The reducers' results. A chunk of steps at a time is sampled, and recomputed in the reverse pass."""
        stepper = self.stepper
        carry = stepper.init(y0)

        def samples(first, count, values, happened):
            ts = stepper.origin + stepper.dt * (first + jnp.arange(1, 1 + count, dtype=jnp.result_type(stepper.origin)))
            return {
                name: Samples(ts, {path: values[path] for path in paths}, **happened)
                for name, (_, paths) in reducers.items()
            }

        def chunk(state, first, count):
            carry, margin, known = state
            carry, (values, events) = self.scan(carry, first, count, True)
            begins = stepper.origin + stepper.dt * (first + jnp.arange(count, dtype=jnp.result_type(stepper.origin)))
            happened, margin = _happened(margin, events, begins)
            given = samples(first, count, values, happened)
            known = {name: reducer.update(known[name], given[name]) for name, (reducer, _) in reducers.items()}
            return carry, margin, known

        margin = stepper.margin(carry, 0)
        nothing = _nothing_happened(stepper, y0, margin)
        begin = samples(-1, 1, _as_row(stepper.sample(self.sampler, carry, 0)), nothing)
        state = (carry, margin, {name: reducer.init(begin[name]) for name, (reducer, _) in reducers.items()})
        whole, rest = divmod(steps, _CHUNK)
        one = jax.checkpoint(lambda state, j: (chunk(state, j * _CHUNK, _CHUNK), None), prevent_cse=False)
        state, _ = jax.lax.scan(one, state, jnp.arange(whole))
        if rest:
            state = chunk(state, whole * _CHUNK, rest)
        carry, _, known = state
        return carry, {name: reducer.result(known[name]) for name, (reducer, _) in reducers.items()}


_CHUNK = 16  # steps: a block of lanes stays in the fastest cache


def _as_row(tree: Any) -> Any:
    return jtu.tree_map(lambda x: x[None], tree)


def _concatenate(*parts: Any) -> Any:
    return jtu.tree_map(lambda *x: jnp.concatenate(x), *parts)


def _happened(margin: FloatArray | None, events: Any, begins: FloatArray) -> tuple[dict[str, Any], FloatArray | None]:
    """What `Samples` hold of the spikes in some steps, which begin at `begins`, and the margin of a smooth model at their end, from that at their
    beginning."""
    if isinstance(events, Events):
        return {"spikes": _times(events, begins), "emitted": events.emitted}, None
    if margin is None:
        return {}, None
    margins = jnp.concatenate([margin[None], events])
    return {"fired": (margins[:-1] <= 0) & (margins[1:] > 0), "margin": events}, margins[-1]


def _nothing_happened(stepper: _Stepper, y0: State, margin: FloatArray | None) -> dict[str, Any]:
    """The same of an instant without spikes."""
    if resets(stepper.model):
        carry = stepper.init(y0)
        _, events = jax.eval_shape(stepper.step, carry, 0)
        none = jtu.tree_map(lambda x: jnp.zeros((1, *x.shape), x.dtype), events)
        return {"spikes": jnp.full_like(none.offsets, jnp.inf), "emitted": none.emitted}
    return {} if margin is None else {"fired": jnp.zeros_like(margin, bool)[None], "margin": margin[None]}


def _times(events: Events, begins: FloatArray) -> FloatArray:
    """When the spikes of some steps happened, ms, shape (steps, slots, ...)."""
    return begins.reshape((-1,) + (1,) * (events.offsets.ndim - 1)) + events.offsets


def _spikes(stepper: _Stepper, events, y0: State, ts: FloatArray, max_spikes: int) -> Spikes | None:
    if not isinstance(stepper.model, AbstractSpikingNeuron) or max_spikes == 0:
        return None
    if not resets(stepper.model):
        return upward_crossings(ts, jnp.concatenate([stepper.model.margin(0.0, y0)[None], events]), max_spikes)
    times = _times(events, ts[:-1])
    times = times.reshape(-1, *times.shape[2:])
    return compact(jnp.isfinite(times), times, max_spikes)


def _nan_from(late: jax.Array, samples: Any) -> Any:
    """Samples, shape (n, ...), with NaN where `late`, shape (n,)."""
    return jtu.tree_map(lambda x: jnp.where(late.reshape((-1,) + (1,) * (x.ndim - 1)), jnp.nan, x), samples)


def _interpolate(grid: FloatArray, samples: Any, ts: FloatArray) -> Any:
    """Linear interpolation of samples on an even grid; exact on the grid."""
    dt = (grid[-1] - grid[0]) / (grid.shape[0] - 1)
    position = (ts - grid[0]) / dt
    nearest = jax.lax.stop_gradient(jnp.round(position))
    position = jnp.where(jnp.abs(position - nearest) < 1e-3, nearest, position)
    left = jnp.clip(jnp.floor(jax.lax.stop_gradient(position)), 0, grid.shape[0] - 2).astype(int)
    weight = position - left

    def pick(x):
        w = weight.reshape((-1,) + (1,) * (x.ndim - 1))
        # Alone where it is on the grid: what comes next may be NaN.
        return jnp.where(w == 0, x[left], (1 - w) * x[left] + w * x[left + 1])

    return jtu.tree_map(pick, samples)


def simulate_fixed(
    model: AbstractNeuron,
    stimulus: AbstractStimulus,
    y0: State,
    t0: float,
    steps: int,
    dt: float,
    method: FixedStep,
    recorder: Recorder,
    ts: FloatArray | None,
    every: int,
    max_spikes: int,
    reducers: dict[str, tuple[AbstractReducer, tuple[str, ...]]],
) -> Solution:
    """Run `steps` steps of `dt` from the state `y0`. Arguments as in `simulate`, already checked."""
    dtype = jtu.tree_leaves(y0)[0].dtype
    origin = jnp.asarray(t0, dtype)
    stepper = _Stepper(
        model, stimulus, for_scan(method.solver), method.reset, origin, dt, max_spikes > 0 or bool(reducers)
    )
    plan = method.plan(kept_per_step(model, y0), steps)

    def run(stepper, y0):
        if every == 1:
            return _Run(stepper, recorder, plan).every_step(y0, steps)
        return _Run(stepper, recorder, plan).every_few(y0, steps, every)

    def reduce(stepper, y0, reducers):
        return _Run(stepper, recorder, plan).reduced(y0, steps, reducers)

    if reducers:
        carry, reduced = tangents_per_lane(reduce, plan.forward)(stepper, y0, reducers)
        samples, events = {}, None
    else:
        carry, samples, events = tangents_per_lane(run, plan.forward)(stepper, y0)
        reduced = {}
    final = stepper.synchronised(carry, steps)
    grid = t0 + dt * jnp.arange(steps + 1, dtype=dtype)
    spikes = None if reducers else _spikes(stepper, events, y0, grid, max_spikes)
    bad = ~all_finite(final)
    status = jnp.where(bad, Status.non_finite, Status.ok)
    if carry.storm is not None:
        stormy = carry.storm < _NEVER
        bad = bad | stormy
        status = jnp.where(stormy, Status.event_storm, status)
        samples = _nan_from(every * jnp.arange(1 + steps // every) > carry.storm, samples)
    if carry.failed is not None:
        bad = bad | carry.failed
        status = jnp.where(carry.failed, Status.solver_failed, status)
        samples = nan_where(carry.failed, samples)
    lost = [x.overflow for x in (spikes, *reduced.values()) if isinstance(x, Spikes)]
    for overflow in lost:
        status = jnp.where((status == Status.ok) & jnp.any(overflow), Status.spike_overflow, status)
    reduced = nan_where(bad, reduced)
    if ts is not None:
        grid, samples = ts, _interpolate(grid, samples, ts)
    else:
        grid = grid[:0] if reducers else grid[::every]
    emitted = events.emitted if isinstance(events, Events) else None
    return Solution(grid, samples, spikes, status, nan_where(bad, final), reduced, emitted)
