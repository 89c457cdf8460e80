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
    failed: jax.Array


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
        state = None
        if not isinstance(self.solver, AbstractLeapfrog):
            state = self.solver.init(term(self.model), 0.0, self.dt, y0, self._problem(0))
        return _Carry(y0, state, jnp.asarray(False))

    def synchronised(self, carry: _Carry, k) -> State:
        """The state at the beginning of step k."""
        if isinstance(self.solver, AbstractLeapfrog):
            return self.solver.synchronise(self._problem(k), 0.0, carry.y, self._lag(k))
        return carry.y

    def sample(self, recorder: Recorder, carry: _Carry, k) -> dict[str, Any]:
        y = self.synchronised(carry, k)
        return recorder(self.model, 0.0, y, lambda: self.stimulus.at(self._time(k)))

    def step(self, carry: _Carry, k) -> tuple[_Carry, Any]:
        """The next carry, and the spikes of this step: the margin at its beginning for a smooth model, whether it fired at its end for a
        resetting one."""
        event = None
        if self.spikes and isinstance(self.model, AbstractSpikingNeuron) and not self.model.resets:
            event = self.model.margin(0.0, self.synchronised(carry, k))
        carry = self._integrate(carry, k)
        if isinstance(self.model, AbstractSpikingNeuron) and self.model.resets:
            y, event = self.model.jump(0.0, carry.y, self.model.margin(0.0, carry.y) > 0)
            carry = dataclasses.replace(carry, y=y)
        return carry, event

    def _integrate(self, carry: _Carry, k) -> _Carry:
        problem = self._problem(k)
        if isinstance(self.solver, AbstractLeapfrog):
            y = self.solver.leap(problem, 0.0, self.dt, carry.y, self._lag(k))
            return _Carry(y, None, carry.failed)
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
    """`count` steps from step `first`; each recorded at its beginning, or none."""

    def body(carry, k):
        sample = stepper.sample(recorder, carry, k) if record else {}
        carry, event = stepper.step(carry, k)
        return carry, (sample, event)

    return jax.lax.scan(jax.checkpoint(body, prevent_cse=False), carry, first + jnp.arange(count))


def _run(stepper: _Stepper, recorder: Recorder, y0: State, steps: int, every: int):
    """Samples at steps 0, every, 2 every, ... and the event of every step."""
    carry = stepper.init(y0)
    if every == 1:
        carry, (samples, events) = _scan(stepper, recorder, carry, 0, steps, True)
    else:
        blocks, rest = divmod(steps, every)

        def block(carry, j):
            sample = stepper.sample(recorder, carry, j * every)
            carry, (_, events) = _scan(stepper, recorder, carry, j * every, every, False)
            return carry, (sample, events)

        carry, (samples, events) = jax.lax.scan(block, carry, jnp.arange(blocks))
        events = jtu.tree_map(lambda x: x.reshape(blocks * every, *x.shape[2:]), events)
        if rest:
            extra = stepper.sample(recorder, carry, blocks * every)
            samples = jtu.tree_map(lambda a, b: jnp.concatenate([a, b[None]]), samples, extra)
            carry, (_, more) = _scan(stepper, recorder, carry, blocks * every, rest, False)
            events = jtu.tree_map(lambda a, b: jnp.concatenate([a, b]), events, more)
    if steps % every == 0:
        last = stepper.sample(recorder, carry, steps)
        samples = jtu.tree_map(lambda a, b: jnp.concatenate([a, b[None]]), samples, last)
    return carry, samples, events


def _spikes(model: AbstractNeuron, events, y_final: State, ts: FloatArray, max_spikes: int) -> Spikes | None:
    if not isinstance(model, AbstractSpikingNeuron) or max_spikes == 0:
        return None
    if not model.resets:
        margins = jnp.concatenate([events, model.margin(0.0, y_final)[None]])
        return upward_crossings(ts, margins, max_spikes)
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
    carry, samples, events = _run(stepper, recorder, y0, steps, every)
    final = stepper.synchronised(carry, steps)
    grid = t0 + dt * jnp.arange(steps + 1, dtype=dtype)
    spikes = _spikes(model, events, final, grid, max_spikes)
    bad = ~all_finite(final) | carry.failed
    status = jnp.where(carry.failed, Status.solver_failed, jnp.where(bad, Status.non_finite, Status.ok))
    if spikes is not None:
        status = jnp.where((status == Status.ok) & jnp.any(spikes.overflow), Status.spike_overflow, status)
    samples = _mask_failed(samples, carry.failed)
    if ts is not None:
        return Solution(ts, _interpolate(grid, samples, ts), spikes, status, nan_where(bad, final))
    return Solution(grid[::every], samples, spikes, status, nan_where(bad, final))


def _mask_failed(samples: dict[str, Any], failed: jax.Array) -> dict[str, Any]:
    """NaN from the first record that is not finite on, in every quantity."""
    bad = jnp.asarray(False)
    for x in samples.values():
        bad = bad | ~jnp.all(jnp.isfinite(x.reshape(x.shape[0], -1)), axis=1)
    first = jnp.where(jnp.any(bad), jnp.argmax(bad), bad.shape[0])
    bad = jnp.arange(bad.shape[0]) >= first

    def mask(x):
        return jnp.where(bad.reshape((-1,) + (1,) * (x.ndim - 1)) | failed, jnp.nan, x)

    return jtu.tree_map(mask, samples)
