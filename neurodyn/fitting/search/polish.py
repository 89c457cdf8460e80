"""Least squares from the best points."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from ..._types import FloatArray
from ..devices import spread
from ..task import Task
from .phase import AbstractPhase, Ends, Record, exact_losses


_LADDER = np.array([0.1, 1.0, 10.0, 100.0])  # dampings tried at once, times the present one
_LARGEST = 0.5  # step in a parameter's natural unit
_HOPELESS = 1e8  # damping beyond which a point stays where it is


class Polish(AbstractPhase):
    """Levenberg-Marquardt on the objectives' exact residuals (distances of spike times, not a smooth stand-in), with forward-mode Jacobians: a few parameters
    and many residuals.

    Four dampings are tried at once and the best is taken, because the batch makes them cheap and because a step that loses or gains a spike is seen
    in the loss only. Damping is relative to the diagonal (Marquardt 1963, SIAM J. Appl. Math. 11:431).
    """

    name: ClassVar[str] = "polish"

    count: int = eqx.field(static=True)
    kept: int = eqx.field(static=True)  # how many of the best ends are polished

    def steps(self) -> int:
        return self.count

    def begin(self, task: Task, ends: Ends) -> Any:
        best = ends.best(self.kept)
        return {
            "theta": {path: np.asarray(x) for path, x in best.theta.items()},
            "start": best.start,
            "loss": np.full(best.start.size, np.inf),
            "damping": np.full(best.start.size, 1e-2),
            "done": np.zeros(best.start.size, bool),
        }

    def step(self, task: Task, state: Any, index: int) -> tuple[Any, Record]:
        theta, points = state["theta"], state["start"].size
        loss, hessian, slope = (np.asarray(x, float) for x in _normal(task, spread(theta, points)))
        loss = np.where(np.isfinite(loss), loss, np.inf)
        flat, unflatten = flatten(theta)
        dampings = state["damping"][:, None] * _LADDER
        moves = np.stack([_moves(h, g, d) for h, g, d in zip(hessian, slope, dampings, strict=True)])
        tried = flat[:, None, :] + moves  # (points, dampings, parameters)
        many = unflatten(tried.reshape(-1, tried.shape[-1]))
        losses = np.asarray(exact_losses(task, spread(many, points * _LADDER.size)), float).reshape(points, -1)
        which = np.argmin(losses, axis=1)
        reached = losses[np.arange(points), which]
        better = (reached < loss) & ~state["done"]
        flat = np.where(better[:, None], tried[np.arange(points), which], flat)
        damping = np.where(
            better, np.maximum(dampings[np.arange(points), which], 1e-9), state["damping"] * _LADDER[-1] * 10
        )
        small = better & (loss - reached < 1e-7 * loss)
        after = np.where(better, reached, loss)
        done = state["done"] | small | (damping > _HOPELESS) | (after < 1e-24)
        state = {**state, "theta": unflatten(flat), "loss": after, "damping": damping, "done": done}
        return state, Record.of_losses(state["start"], after, True)

    def restored(self, state: Any) -> Any:
        return state

    def finished(self, state: Any) -> str | None:
        return "no end gets better" if state["done"].all() else None

    def end(self, task: Task, state: Any) -> Ends:
        return Ends({path: jnp.asarray(x) for path, x in state["theta"].items()}, state["start"], state["loss"])


@eqx.filter_jit
def _normal(task: Task, theta: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Loss, `J^T J` and `J^T r` of the exact residuals at each of several points."""

    def one(point):
        vector, unravel = jax.flatten_util.ravel_pytree(point)

        def residuals(vector):
            r = task.exact_residuals(unravel(vector))
            return r, r

        jacobian, r = jax.jacfwd(residuals, has_aux=True)(vector)
        return jnp.sum(r**2), jacobian.T @ jacobian, jacobian.T @ r

    return jax.vmap(one)(dict(theta))


def flatten(theta: Mapping[str, np.ndarray]):
    """The points as rows, and the way back; in the order of `ravel_pytree`."""
    paths = sorted(theta)
    shapes = [theta[path].shape[1:] for path in paths]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    dtype = theta[paths[0]].dtype

    def unflatten(rows: np.ndarray) -> dict[str, np.ndarray]:
        parts = np.split(rows, ends, axis=1)
        return {p: x.reshape(-1, *s).astype(dtype) for p, x, s in zip(paths, parts, shapes, strict=True)}

    return np.concatenate([theta[p].reshape(theta[p].shape[0], -1) for p in paths], axis=1), unflatten


def _moves(hessian: np.ndarray, slope: np.ndarray, dampings: np.ndarray) -> np.ndarray:
    """A step for each damping, shape (dampings, parameters); none where the numbers are not finite."""
    if not (np.isfinite(hessian).all() and np.isfinite(slope).all()):
        return np.zeros((dampings.size, slope.size))
    scale = np.diag(hessian) + 1e-9 * max(np.trace(hessian), 1e-30)
    moves = [np.linalg.lstsq(hessian + d * np.diag(scale), -slope, rcond=None)[0] for d in dampings]
    return np.clip(np.stack(moves), -_LARGEST, _LARGEST)
