"""The fixed-step driver: a scan over the solver's own step, in time local to each step."""

import dataclasses
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import AbstractNeuron, AbstractSpikingNeuron, Problem, term
from .._numerics import all_finite, nan_where
from .._solver import AbstractLeapfrog
from .._stimulus import AbstractStimulus, Instant
from .._types import FloatArray, RealScalar, State
from .crossing import compact, upward_crossings
from .lanes import tangents_per_lane
from .method import FixedStep
from .recorder import Recorder
from .solution import Solution, Spikes, Status


class _StepDrive(eqx.Module):
    """The drive during one step, in local time from 0 to dt. Stages of a Runge-Kutta step all see the average, so that an edge inside
    the step delivers the right charge."""

    stimulus: AbstractStimulus
    time: Instant
    dt: float = eqx.field(static=True)

    def __call__(self, t: RealScalar) -> FloatArray:
        del t
        return self.stimulus.over(self.time, self.dt)

    def average(self, t0: RealScalar, t1: RealScalar) -> FloatArray:
        del t0, t1
        return self.stimulus.over(self.time, self.dt)


class _Carry(eqx.Module):
    y: State  # lags behind by the solver's lag, except before the first step
    solver_state: Any
    failed: jax.Array | None  # whether the solver said so; None for one that cannot fail


class _Stepper(eqx.Module):
    """One step of a run, as a function of its integer index."""

    model: AbstractNeuron
    stimulus: AbstractStimulus
    solver: dfx.AbstractSolver
    origin: RealScalar
    dt: float = eqx.field(static=True)
    spikes: bool = eqx.field(static=True)

    def _time(self, k) -> Instant:
        return Instant(self.origin, k, self.dt, 0.0)

    def _problem(self, k) -> Problem:
        return Problem(self.model, _StepDrive(self.stimulus, self._time(k), self.dt))

    def _lag(self, k) -> RealScalar:
        lag = self.solver.lag(self.dt) if isinstance(self.solver, AbstractLeapfrog) else 0.0
        return jnp.where(k == 0, 0.0, lag)

    def init(self, y0: State) -> _Carry:
        if isinstance(self.solver, AbstractLeapfrog):
            return _Carry(y0, None, None)
        state = self.solver.init(term(self.model), 0.0, self.dt, y0, self._problem(0))
        return _Carry(y0, state, jnp.asarray(False))

    def synchronised(self, carry: _Carry, k) -> State:
        """The state at the beginning of step k."""
        if isinstance(self.solver, AbstractLeapfrog):
            return self.solver.synchronise(self._problem(k), 0.0, carry.y, self._lag(k))
        return carry.y

    def sample(self, recorder: Recorder, carry: _Carry, k) -> dict[str, Any]:
        """What is recorded at the beginning of step k; NaN once the state is no longer finite."""
        y = self.synchronised(carry, k)
        record = recorder(self.model, 0.0, y, lambda: self.stimulus.at(self._time(k)))
        # Zero, or NaN where a leaf is not finite: cheaper than asking each of them. What is not finite stays so.
        poison = jax.lax.stop_gradient(0.0 * sum(jnp.sum(x) for x in jtu.tree_leaves(carry.y)))
        return jtu.tree_map(lambda x: x + poison, record)

    def margin(self, carry: _Carry, k) -> FloatArray | None:
        """The margin of a smooth spiking model at the beginning of step k."""
        if self.spikes and isinstance(self.model, AbstractSpikingNeuron) and not self.model.resets:
            return self.model.margin(0.0, self.synchronised(carry, k))
        return None

    def step(self, carry: _Carry, k) -> tuple[_Carry, Any]:
        """The carry after step k, and what it says of spikes: the margin at its end for a smooth model, whether it fired for a
        resetting one."""
        carry = self._integrate(carry, k)
        if isinstance(self.model, AbstractSpikingNeuron) and self.model.resets:
            y, fired = self.model.jump(0.0, carry.y, self.model.margin(0.0, carry.y) > 0)
            return dataclasses.replace(carry, y=y), fired if self.spikes else None
        return carry, self.margin(carry, k + 1)

    def _integrate(self, carry: _Carry, k) -> _Carry:
        problem = self._problem(k)
        if isinstance(self.solver, AbstractLeapfrog):
            return dataclasses.replace(carry, y=self.solver.leap(problem, 0.0, self.dt, carry.y, self._lag(k)))
        # The drive may have changed, so nothing computed at the end of the last step may be used again: hence made_jump.
        y, _, _, state, result = self.solver.step(
            term(self.model), 0.0, self.dt, carry.y, problem, carry.solver_state, jnp.asarray(True)
        )
        return _Carry(y, state, carry.failed | (result != dfx.RESULTS.successful))


def _for_scan(solver: dfx.AbstractSolver) -> dfx.AbstractSolver:
    """Diffrax's explicit solvers need a bounded inner loop for forward mode to go through when they are stepped by hand."""
    if isinstance(solver, dfx.AbstractRungeKutta) and solver.scan_kind is None:
        return dataclasses.replace(solver, scan_kind="bounded")
    return solver


def _scan(stepper: _Stepper, recorder: Recorder, carry: _Carry, first, count: int, record: bool):
    """`count` steps from step `first`; each recorded at its end, or none."""

    def body(carry, k):
        carry, event = stepper.step(carry, k)
        return carry, (stepper.sample(recorder, carry, k + 1) if record else {}, event)

    return jax.lax.scan(jax.checkpoint(body, prevent_cse=False), carry, first + jnp.arange(count))


def _concatenate(*parts: Any) -> Any:
    return jtu.tree_map(lambda *x: jnp.concatenate(x), *parts)


def _run(stepper: _Stepper, recorder: Recorder, y0: State, steps: int, every: int):
    """Samples at steps 0, every, 2 every, ... and the event of every step."""
    carry = stepper.init(y0)
    first = jtu.tree_map(lambda x: x[None], stepper.sample(recorder, carry, 0))
    if every == 1:
        carry, (samples, events) = _scan(stepper, recorder, carry, 0, steps, bool(first))
        return carry, _concatenate(first, samples), events
    blocks, rest = divmod(steps, every)

    def block(carry, j):
        carry, (_, events) = _scan(stepper, recorder, carry, j * every, every, False)
        return carry, (stepper.sample(recorder, carry, (j + 1) * every), events)

    carry, (samples, events) = jax.lax.scan(block, carry, jnp.arange(blocks))
    events = jtu.tree_map(lambda x: x.reshape(blocks * every, *x.shape[2:]), events)
    if rest:
        carry, (_, more) = _scan(stepper, recorder, carry, blocks * every, rest, False)
        events = _concatenate(events, more)
    return carry, _concatenate(first, samples), events


def _spikes(stepper: _Stepper, events, y0: State, ts: FloatArray, max_spikes: int) -> Spikes | None:
    if not isinstance(stepper.model, AbstractSpikingNeuron) or max_spikes == 0:
        return None
    if not stepper.model.resets:
        return upward_crossings(ts, jnp.concatenate([stepper.margin(stepper.init(y0), 0)[None], events]), max_spikes)
    times = jnp.broadcast_to(ts[1:].reshape((-1,) + (1,) * (events.ndim - 1)), events.shape)
    return compact(events > 0, times, max_spikes)


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
        return (1 - w) * x[left] + w * x[left + 1]

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
) -> Solution:
    """Run `steps` steps of `dt` from the state `y0`. Arguments as in `simulate`, already checked."""
    dtype = jtu.tree_leaves(y0)[0].dtype
    stepper = _Stepper(model, stimulus, _for_scan(method.solver), jnp.asarray(t0, dtype), dt, max_spikes > 0)
    @tangents_per_lane
    def run(stepper, y0):
        return _run(stepper, recorder, y0, steps, every)

    carry, samples, events = run(stepper, y0)
    final = stepper.synchronised(carry, steps)
    grid = t0 + dt * jnp.arange(steps + 1, dtype=dtype)
    spikes = _spikes(stepper, events, y0, grid, max_spikes)
    bad = ~all_finite(final)
    status = jnp.where(bad, Status.non_finite, Status.ok)
    if carry.failed is not None:
        bad = bad | carry.failed
        status = jnp.where(carry.failed, Status.solver_failed, status)
        samples = nan_where(carry.failed, samples)
    if spikes is not None:
        status = jnp.where((status == Status.ok) & jnp.any(spikes.overflow), Status.spike_overflow, status)
    if ts is not None:
        return Solution(ts, _interpolate(grid, samples, ts), spikes, status, nan_where(bad, final))
    return Solution(grid[::every], samples, spikes, status, nan_where(bad, final))
