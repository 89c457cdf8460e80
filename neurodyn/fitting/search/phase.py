"""What every phase of a fit is: a number of steps from a set of points to a better one."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from ..._types import FloatArray, RealScalar
from ..task import Task
from .parts import in_parts


class SumsOfSquares(Protocol):
    """What a search needs of a `Task`: residuals whose squares add up to a loss, at a point of the trained space."""

    def residuals(self, theta: Mapping[str, FloatArray], fraction: RealScalar, /) -> FloatArray: ...

    def exact_residuals(self, theta: Mapping[str, FloatArray], /) -> FloatArray: ...

    def loss(self, theta: Mapping[str, FloatArray], fraction: RealScalar, /) -> FloatArray: ...

    def exact_loss(self, theta: Mapping[str, FloatArray], /) -> FloatArray: ...


class Ends(eqx.Module):
    """Where a phase ended: points with a leading axis, which start each came from, and their losses (inf where unknown), in no order."""

    theta: dict[str, FloatArray]
    start: np.ndarray
    loss: np.ndarray

    def best(self, count: int) -> "Ends":
        """The `count` best of them, the best first."""
        order = np.argsort(self.loss, kind="stable")[:count]
        return Ends(
            {path: jnp.asarray(np.asarray(x)[order]) for path, x in self.theta.items()},
            self.start[order],
            self.loss[order],
        )


class Record(eqx.Module):
    """What one step says of each point that took part: all of shape (points,).

    **Fields:** `start`, where it came from; `loss`; `gradient_norm` and `skipped` (whether an update was not made, its gradient not being finite),
    NaN and False in a phase without gradients; `comparable`, whether the losses mean what those at the end of the fit mean.
    """

    start: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    skipped: np.ndarray
    comparable: bool

    def lowest(self) -> float:
        """The lowest finite loss, inf without one."""
        return float(np.min(self.loss, initial=np.inf, where=np.isfinite(self.loss) & ~self.skipped))

    @classmethod
    def of_losses(cls, start: np.ndarray, loss: Any, comparable: bool) -> "Record":
        loss = np.asarray(loss, float)
        return cls(start, loss, np.full(loss.shape, np.nan), np.zeros(loss.shape, bool), comparable)


class AbstractPhase(eqx.Module):
    """A phase: its state is a pytree of arrays, so that it can be stored and gone on with."""

    name: ClassVar[str]

    @abstractmethod
    def steps(self) -> int:
        """How many steps it makes at most."""

    @abstractmethod
    def begin(self, task: Task, ends: Any) -> Any:
        """The state before the first step, from where the phase before ended (None: there was none)."""

    @abstractmethod
    def step(self, task: Task, state: Any, index: int) -> tuple[Any, Record]:
        """Step number `index`, counted from 0."""

    @abstractmethod
    def stage(self, task: Task, index: int) -> int:
        """Losses of the steps that have the same number mean the same."""

    @abstractmethod
    def leader(self, task: Task, state: Any, index: int) -> Mapping[str, FloatArray]:
        """The point whose loss was the lowest in step number `index`, just made."""

    @abstractmethod
    def restored(self, state: Any) -> Any:
        """A state that was read from disk, with its arrays where they belong."""

    @abstractmethod
    def finished(self, state: Any) -> str | None:
        """Why there is nothing left to do, or None."""

    @abstractmethod
    def end(self, task: Task, state: Any) -> Ends:
        """The best points found."""


def smooth_losses(task: SumsOfSquares, theta: Mapping[str, FloatArray], fraction: FloatArray) -> FloatArray:
    """The loss of each of several points when `fraction` of the fit is over, shape (points,); inf where it is not finite."""
    return in_parts(_smooth_losses, dict(theta), task, fraction)


def exact_losses(task: SumsOfSquares, theta: Mapping[str, FloatArray]) -> FloatArray:
    """The loss of the last phase of each of several points, shape (points,); inf where it is not finite."""
    return in_parts(_exact_losses, dict(theta), task)


@eqx.filter_jit
def _smooth_losses(theta: Mapping[str, FloatArray], task: SumsOfSquares, fraction: FloatArray) -> FloatArray:
    losses = jax.vmap(lambda point: task.loss(point, fraction))(dict(theta))
    return jnp.where(jnp.isfinite(losses), losses, jnp.inf)


@eqx.filter_jit
def _exact_losses(theta: Mapping[str, FloatArray], task: SumsOfSquares) -> FloatArray:
    losses = jax.vmap(lambda point: task.exact_loss(point))(dict(theta))
    return jnp.where(jnp.isfinite(losses), losses, jnp.inf)


def take(tree: Any, places: np.ndarray) -> Any:
    """The members at `places` along the leading axis of every array, gathered on the host."""
    return jtu.tree_map(lambda x: jnp.asarray(np.asarray(x)[places]), tree)
