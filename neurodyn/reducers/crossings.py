"""Every spike of a run, one after the other, with its time located inside the step."""

import dataclasses
import functools
import math
import operator
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._numerics import anywhere
from .._reducer import Samples
from .._simulate.crossing import root
from .._types import BoolArray, FloatArray
from .counts import silent
from .window import AbstractWindowed, along


class _Seen(eqx.Module):
    """The last steps: the margin at the ends of four (NaN before the run), and the ends of two, ms."""

    margins: tuple[FloatArray, ...]
    ts: tuple[FloatArray, FloatArray]


class _Step(eqx.Module):
    """A step: whether each unit fired, and what is needed to say when.

    **Fields:**

    - `fired`: as it says.
    - `begin`, `end`: ms.
    - `margins`: at the beginning of the step before, at both ends, and at the end of the step after; none for a model that resets, whose spikes are
        located already: `begin` and `end` are when each unit fired.
    """

    fired: BoolArray
    begin: FloatArray
    end: FloatArray
    margins: tuple[FloatArray, ...]

    def time(self) -> FloatArray:
        """When the units fired, ms, on the cubic through the margins. Anything where they did not."""
        if not self.margins:
            return jnp.where(self.fired, self.end, 0.0)
        before, left, right, after = self.margins
        slope = right - left / 2 - before / 3 - after / 6
        curvature = (before + right) / 2 - left
        third = (after - before) / 6 + (left - right) / 2
        zero = jnp.zeros_like(left)
        x = root(lambda x: left + x * (slope + x * (curvature + x * third)), zero, zero + 1, self.fired)
        return self.begin + x * (self.end - self.begin)


class AbstractOfSpikes(AbstractWindowed):
    """A reducer that is told of each spike.

    A crossing is located on the cubic through four samples, as in a run that is recorded, so a step is looked at once the sample after it is known: at
    the beginning of the next chunk, or, with the cubic of the step before, at the end of the run.
    """

    @abstractmethod
    def begin(self, silent: FloatArray) -> Any:
        """What it knows before any spike; `silent` is 0 for each unit."""

    @abstractmethod
    def spike(self, known: Any, time: FloatArray, happened: BoolArray) -> Any:
        """What it knows after the next spike, at `time` (ms), of those units for which it `happened`."""

    @abstractmethod
    def end(self, known: Any) -> Any:
        """What it returns in the end."""

    def needs(self) -> tuple[str, ...]:
        return ()

    def init(self, first: Samples) -> Any:
        known = self.begin(silent(self, first))
        if first.margin is None:
            return None, known
        before = jnp.full_like(first.margin[0], jnp.nan)
        return _Seen((before, before, before, first.margin[0]), (first.ts[0], first.ts[0])), known

    def update(self, carry: Any, samples: Samples) -> Any:
        seen, known = carry
        if seen is None or samples.margin is None:
            return None, _each_spike(self, known, None, samples)
        m = _extended(jnp.concatenate([jnp.stack(seen.margins), samples.margin]), samples.ts.size)
        ts = jnp.concatenate([jnp.stack(seen.ts), samples.ts])
        return _Seen(tuple(m[-4:]), (ts[-2], ts[-1])), _each_spike(self, known, seen, samples)

    def result(self, carry: Any) -> Any:
        seen, known = carry
        if seen is not None:
            before, left, right = seen.margins[1:]
            margins = (before, left, right, _next(seen.margins[::-1]))
            step = _Step((left <= 0) & (right > 0), seen.ts[0], seen.ts[1], margins)
            step = self._inside(step)
            known = self.spike(known, step.time(), step.fired)
        return self.end(known)

    def steps(self, seen: _Seen | None, samples: Samples) -> _Step:
        """The steps that can be looked at now, along a first axis."""
        if seen is None or samples.margin is None:
            assert samples.spikes is not None
            times = samples.spikes.reshape(-1, *samples.spikes.shape[2:])
            return self._inside(_Step(jnp.isfinite(times), times, times, ()))
        m = jnp.concatenate([jnp.stack(seen.margins), samples.margin])
        ts = jnp.concatenate([jnp.stack(seen.ts), samples.ts])
        fired = (m[2:-2] <= 0) & (m[3:-1] > 0)
        m = _extended(m, samples.ts.size)
        return self._inside(_Step(fired, ts[:-2], ts[1:-1], (m[1:-3], m[2:-2], m[3:-1], m[4:])))

    def _inside(self, step: _Step) -> _Step:
        inside = (step.end > self.start) & (step.end <= self.stop)
        return dataclasses.replace(step, fired=step.fired & along(inside, step.fired))


@eqx.filter_custom_jvp
def _each_spike(reducer: AbstractOfSpikes, known: Any, seen: _Seen | None, samples: Samples) -> Any:
    """What a reducer knows after all spikes of some steps, in as many turns as the unit with most spikes needs."""
    steps = reducer.steps(seen, samples)
    rows = [jtu.tree_map(lambda x, i=i: x[i], steps) for i in range(steps.fired.shape[0])]

    def turn(state):
        known, fired = state
        first, rest = _split([dataclasses.replace(step, fired=f) for step, f in zip(rows, fired, strict=True)])
        return reducer.spike(known, first.time(), first.fired), rest

    def left(state):
        return anywhere(jnp.any(functools.reduce(operator.or_, state[1])))

    return jax.lax.while_loop(left, turn, (known, [step.fired for step in rows]))[0]


@_each_spike.def_jvp
def _(primals, tangents):
    return eqx.filter_jvp(_each_spike_differentiable, primals, tangents)


def _each_spike_differentiable(reducer: AbstractOfSpikes, known: Any, seen: _Seen | None, samples: Samples) -> Any:
    """The same in one turn and, where that does not do, as many as there are steps: a loop of unknown length has no derivative."""
    steps = reducer.steps(seen, samples)

    def turn(state, _=None):
        known, fired = state
        here = fired & (jnp.cumsum(fired, axis=0) == 1)
        first = jtu.tree_map(lambda x: jnp.sum(jnp.where(here, along(x, here), 0), axis=0), steps)
        first = dataclasses.replace(first, fired=jnp.any(fired, axis=0))
        return (reducer.spike(known, first.time(), first.fired), fired & ~here), None

    state, _ = turn((known, steps.fired))
    count = steps.fired.shape[0]
    if count == 1:
        return state[0]
    others = lambda state: jax.lax.scan(turn, state, length=count - 1)[0]
    return jax.lax.cond(anywhere(jnp.any(state[1])), others, lambda state: state, state)[0]


def _split(steps: list[_Step]) -> tuple[_Step, list[BoolArray]]:
    """The step in which each unit fires first, and when it fires after that. Step by step: an axis of steps costs several times as much."""
    first = jtu.tree_map(lambda x: jnp.broadcast_to(x, steps[-1].fired.shape), steps[-1])
    for step in steps[-2::-1]:
        first = jtu.tree_map(lambda x, y, fired=step.fired: jnp.where(fired, x, y), step, first)
    rest, past = [], jnp.zeros_like(first.fired)
    for step in steps:
        rest.append(step.fired & past)
        past = past | step.fired
    return first, rest


def _next(x: Sequence[FloatArray]) -> FloatArray:
    """The value that continues a sequence, nearest first, as a polynomial."""
    n = len(x)
    return sum(((-1) ** i * math.comb(n, i + 1) * x[i] for i in range(1, n)), n * x[0])


def _extended(m: FloatArray, n: int) -> FloatArray:
    """Margins of which the last n + 1 are known, with what comes before the run (NaN) put on the curve of its beginning."""
    rows = list(m[: 4 + min(n, 3)])
    for i in (2, 1, 0):
        rows[i] = jnp.where(jnp.isnan(rows[i]), _next(rows[i + 1 : i + 2 + min(n, 3)]), rows[i])
    return jnp.concatenate([jnp.stack(rows[:3]), m[3:]])
