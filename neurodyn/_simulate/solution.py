"""What a run returns."""

import enum
from typing import Any

import equinox as eqx

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
    #: A parameter outside its physical range, or NaN: `sweep` does not run such a member.
    invalid_parameter = 6
    #: A resetting model had more spikes or other events in one step than `ExactReset` allows, or in a run more than `Adaptive` allows: a smaller step or
    #: larger bounds help, unless it fires without end.
    event_storm = 7


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
    - `spikes`: `Spikes`; an error for a model without them or when none were asked for.
    - `status`: an integer, see `Status`; has the batch shape under `vmap`.
    - `final`: the state at the end, to continue from (`simulate(..., y0=sol.final)`).
    - `reduced`: the results of the reducers, by name.
    - `emitted`: what each step emitted, 0 or 1 with the derivative of the `Surrogate`, shape (steps, ...); an error without one.
    """

    ts: FloatArray
    ys: dict[str, Any]
    located: Spikes | None
    status: IntArray
    final: State
    reduced: dict[str, Any] = eqx.field(default_factory=dict)
    surrogate: FloatArray | None = None

    @property
    def v(self) -> FloatArray:
        """The recorded voltage."""
        if "v" not in self.ys:
            raise AttributeError(f"the voltage was not recorded; recorded: {', '.join(self.ys)}")
        return self.ys["v"]

    @property
    def spikes(self) -> Spikes:
        """The spikes."""
        if self.located is None:
            raise AttributeError("there are no spikes: the model emits none, or the run was made with max_spikes=0")
        return self.located

    @property
    def emitted(self) -> FloatArray:
        """What each step emitted."""
        if self.surrogate is None:
            raise AttributeError("only nd.FixedStep(dt, reset=nd.Surrogate()) says what each step emitted")
        return self.surrogate

    @property
    def ok(self) -> BoolArray:
        """Whether the run succeeded."""
        return self.status == Status.ok


def failed(status: Any) -> BoolArray:
    """Whether values are missing; spikes that were lost are no failure in this sense."""
    return (status != Status.ok) & (status != Status.spike_overflow)
