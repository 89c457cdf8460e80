"""What a run returns."""

import enum
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import BoolArray, FloatArray, IntArray, State


class Status(enum.IntEnum):
    """How a run ended. Anything but `ok` means that values after the failure are NaN."""

    ok = 0
    #: A state became NaN or infinite.
    non_finite = 1
    #: The adaptive solver used up `max_steps`.
    max_steps = 2
    #: The adaptive solver wanted a step too small to make.
    min_step = 3
    #: An implicit solver's root finder failed, or another failure of the solver.
    solver_failed = 4
    #: More spikes than `max_spikes`: the first ones are kept, and `spikes.count` says how many there were.
    spike_overflow = 5


class Spikes(eqx.Module):
    """Spikes of one unit or several.

    **Fields:**

    - `times`: ms, shape (..., max_spikes), in order, padded with inf. Differentiable.
    - `count`: how many there were, also those that did not fit; shape (...,).
    """

    times: FloatArray
    count: IntArray

    @property
    def overflow(self) -> BoolArray:
        """Whether spikes were lost."""
        return self.count > self.times.shape[-1]


class Solution(eqx.Module):
    """The outcome of `simulate`: a pytree, so it can be returned from `jit`, `vmap` and `grad`.

    **Fields:**

    - `ts`: times of the records, ms, shape (n,).
    - `ys`: what was recorded, by path: states (`"v"`, `"na.m"`) and observables (`"i_na"`), shape (n, ...).
    - `spikes`: `Spikes`, or None for a model without them or when none were asked for.
    - `status`: an integer, see `Status`; has the batch shape under `vmap`.
    - `final`: the state at the end, to continue from (`simulate(..., y0=sol.final)`).
    """

    ts: FloatArray
    ys: dict[str, Any]
    spikes: Spikes | None
    status: IntArray
    final: State

    @property
    def v(self) -> FloatArray:
        """The recorded voltage."""
        if "v" not in self.ys:
            raise AttributeError(f"the voltage was not recorded; recorded: {', '.join(self.ys)}")
        return self.ys["v"]

    @property
    def ok(self) -> BoolArray:
        """Whether the run succeeded."""
        return self.status == Status.ok


def compact(fired: BoolArray, times: FloatArray, max_spikes: int) -> Spikes:
    """The first `max_spikes` spikes of each unit, from arrays of shape (steps, ...) that say when it fired."""

    def one(fired, times):
        (index,) = jnp.nonzero(fired, size=max_spikes, fill_value=fired.shape[0])
        found = index < fired.shape[0]
        safe = jnp.where(found, index, 0)
        return jnp.where(found, times[safe], jnp.inf), jnp.sum(fired)

    steps, batch = fired.shape[0], fired.shape[1:]
    flat = fired.reshape(steps, -1), times.reshape(steps, -1)
    kept, count = jax.vmap(one, in_axes=1)(*flat)
    return Spikes(kept.reshape(*batch, max_spikes), count.reshape(batch))


def upward_crossings(ts: FloatArray, margins: FloatArray, max_spikes: int) -> Spikes:
    """Spikes where a margin, sampled at `ts` (shape (n, ...)), goes from below or on zero to above, by linear interpolation."""
    before, after = margins[:-1], margins[1:]
    fired = (before <= 0) & (after > 0)
    rise = jnp.where(fired, after - before, 1.0)
    column = (-1,) + (1,) * (margins.ndim - 1)
    start, width = ts[:-1].reshape(column), jnp.diff(ts).reshape(column)
    times = start - width * jnp.where(fired, before, 0.0) / rise
    return compact(fired, times, max_spikes)
