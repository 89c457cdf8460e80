"""What a reset is: how the spikes of a step, and what they do to the state, are worked out."""

from abc import abstractmethod
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu

from ..._model import AbstractConnected, AbstractSpikingNeuron, Problem, term
from ..._numerics import nan_where
from ..._types import BoolArray, FloatArray, RealScalar, State


class Span(eqx.Module):
    """One time step of a run, of which the solver's own step can take any part.

    **Fields:** `dt`: its length, ms; times in it are local, from 0 to `dt`.
    """

    model: AbstractSpikingNeuron
    drive: Any
    solver: dfx.AbstractSolver
    solver_state: Any
    dt: float = eqx.field(static=True)

    def __call__(self, y: State, begin: RealScalar, length: RealScalar) -> State:
        """The state `length` ms after it was `y` at `begin`. NaN if the solver gives up."""
        problem = Problem(self.model, self.drive.part(begin, length))
        # Nothing computed at the end of the last step may be used again, since state and drive may have jumped.
        y, _, _, _, result = self.solver.step(
            term(self.model), begin, begin + length, y, problem, self.solver_state, jnp.asarray(True)
        )
        return nan_where(result != dfx.RESULTS.successful, y)

    def slope(self, y: State, begin: RealScalar, length: RealScalar) -> State:
        """The rate of change of a state, under the drive of a part of the step."""
        return self.model.dynamics(begin, y, self.drive.part(begin, length)(begin)).slope


class Events(eqx.Module):
    """What happened in a step.

    **Fields:**

    - `offsets`: the spikes of each unit, ms since the step began, in order and padded with inf; shape (slots, ...).
    - `storm`: whether there were more events than the reset allows in one step.
    - `emitted`: what each unit emitted, 1 for a spike, with the derivative of a surrogate; None without one.
    """

    offsets: FloatArray
    storm: BoolArray
    emitted: FloatArray | None = None


class AbstractReset(eqx.Module):
    """What happens when a resetting model crosses its threshold within a step."""

    @abstractmethod
    def step(self, span: Span, y: State, failed: BoolArray) -> tuple[State, Events]:
        """The state at the end of a step, from that at its beginning, and what happened: no spikes once the run has `failed` by a storm of events."""


def at_end(span: Span, y: State) -> tuple[State, FloatArray]:
    """The state at the end of a step before any reset, and the margin there."""
    y = span(y, 0.0, span.dt)
    return y, span.model.margin(0.0, y)


def heard(model: AbstractSpikingNeuron, y: State, emitted: BoolArray | FloatArray) -> State:
    """The state after a jump, once the spikes emitted in it have been heard by other units of the model."""
    return model.hear(y, emitted) if isinstance(model, AbstractConnected) else y


def jump(model: AbstractSpikingNeuron, y: State, fired: BoolArray) -> tuple[State, BoolArray | FloatArray]:
    """The state after the event of the units where `fired`, all its consequences included, and what was emitted."""
    y, emitted = model.jump(0.0, y, fired)
    return heard(model, y, emitted), emitted


def select(condition: BoolArray, then: Any, otherwise: Any) -> Any:
    """Leaf by leaf, one pytree or the other."""
    return jtu.tree_map(lambda a, b: jnp.where(condition, a, b), then, otherwise)
