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
from .parts import in_parts
from .phase import AbstractPhase, Ends, Record, SumsOfSquares, exact_losses, smooth_losses


_LADDER = np.array([0.1, 1.0, 10.0, 100.0])  # dampings tried at once, times the present one
_LARGEST = 0.5  # step in a parameter's natural unit
_HOPELESS = 1e8  # damping beyond which a point stays where it is
_BLOCK = 4  # points that go through the compiled programs together
_PROBE = 0.1  # of a step, at which its curvature is measured
_BENT = 0.75  # curvature of a step, relative to its length, beyond which it is not corrected


class Polish(AbstractPhase):
    """Levenberg-Marquardt on the objectives' exact residuals (distances of spike times, not a smooth stand-in), with forward-mode Jacobians: a few parameters
    and many residuals.

    Four dampings are tried at once and the best is taken, because the batch makes them cheap and because a step that loses or gains a spike is seen
    in the loss only. Each step is bent along the valley it goes through, which in problems with sloppy directions saves most of the steps. After an
    eighth and a quarter of the steps the worse half of the points is given up.

    Without a descent before it (`annealed`), two thirds of the steps go through the stages of the objectives first, where they have several, from easy to exact.

    Sources: Marquardt (1963), SIAM J. Appl. Math. 11:431 (damping relative to the diagonal); Transtrum and Sethna (2012), arXiv:1201.5885 (geodesic
    acceleration).
    """

    name: ClassVar[str] = "polish"

    count: int = eqx.field(static=True)
    kept: int = eqx.field(static=True)  # how many of the best ends are polished
    annealed: bool = eqx.field(static=True)

    def steps(self) -> int:
        return self.count

    @property
    def _exact_from(self) -> int:
        """The first step on the exact residuals."""
        return 2 * self.count // 3 if self.annealed else 0

    def begin(self, task: SumsOfSquares, ends: Any) -> Any:
        best = ends.best(self.kept)
        return {
            "theta": {path: np.asarray(x) for path, x in best.theta.items()},
            "start": best.start,
            "loss": np.full(best.start.size, np.inf),
            "damping": np.full(best.start.size, 1e-2),
            "done": np.zeros(best.start.size, bool),
        }

    def step(self, task: SumsOfSquares, state: Any, index: int) -> tuple[Any, Record]:
        flat, unflatten = flatten(state["theta"])
        loss, damping, done = state["loss"].copy(), state["damping"].copy(), state["done"].copy()
        exact = self._exact_from
        fraction = jnp.asarray(index / exact) if index < exact else None
        if index in (exact + (self.count - exact) // 8, exact + (self.count - exact) // 4):
            done |= _worse_half(loss, done)
        active = np.flatnonzero(~done)
        for first in range(0, active.size, _BLOCK):
            real = active[first : first + _BLOCK]
            places = np.resize(real, min(_BLOCK, done.size))  # a block is always full, or it would be compiled again
            before, reached, points, used = _advance(task, fraction, flat[places], damping[places], unflatten)
            n = real.size
            before, reached = before[:n], reached[:n]
            better = reached < before
            flat[real] = np.where(better[:, None], points[:n], flat[real])
            loss[real] = np.where(better, reached, before)
            damping[real] = np.where(better, np.maximum(used[:n], 1e-9), damping[real] * 10 * _LADDER[-1])
            if fraction is not None:
                damping[real] = np.minimum(damping[real], _HOPELESS / 1e4)  # there is another chance at the next stage
                continue
            small = better & (before - reached < 1e-6 * before)
            done[real] = small | (damping[real] > _HOPELESS) | (loss[real] < 1e-24)
        state = {**state, "theta": unflatten(flat), "loss": loss, "damping": damping, "done": done}
        return state, Record.of_losses(state["start"], loss, fraction is None)

    def stage(self, task: Task, index: int) -> int:
        exact = self._exact_from
        return task.stages() if index >= exact else int(index / exact * task.stages() + 1e-9)

    def leader(self, task: Task, state: Any, index: int) -> Mapping[str, FloatArray]:
        return {path: x[int(np.argmin(state["loss"]))] for path, x in state["theta"].items()}

    def restored(self, state: Any) -> Any:
        return state

    def finished(self, state: Any) -> str | None:
        return "no end gets better" if state["done"].all() else None

    def end(self, task: Task, state: Any) -> Ends:
        return Ends({path: jnp.asarray(x) for path, x in state["theta"].items()}, state["start"], state["loss"])


def _advance(
    task: SumsOfSquares, fraction: FloatArray | None, flat: np.ndarray, damping: np.ndarray, unflatten: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The best of several steps from each point. **Returns:** the losses before and after, the points reached, and the
    dampings that led there."""
    k = flat.shape[0]
    theta = spread(unflatten(flat), k)
    residuals, jacobian, hessian, slope = in_parts(_linearise, theta, task, fraction)
    before = np.asarray(jnp.sum(residuals**2, axis=1), float)
    h, g = np.asarray(hessian, float), np.asarray(slope, float)
    usable = np.asarray(np.isfinite(h).all(axis=(1, 2)) & np.isfinite(g).all(axis=1) & np.isfinite(before))
    h, g = np.where(usable[:, None, None], h, np.eye(g.shape[1])), np.where(usable[:, None], g, 0.0)
    scale = np.diagonal(h, axis1=1, axis2=2) + 1e-9 * np.trace(h, axis1=1, axis2=2)[:, None] + 1e-300
    dampings = damping[:, None] * _LADDER
    damped = h[:, None] + dampings[..., None, None] * (scale[:, None, :, None] * np.eye(g.shape[1]))
    moves = _solve(damped, np.broadcast_to(-g[:, None], (k, _LADDER.size, g.shape[1])))
    moves /= np.maximum(1.0, np.abs(moves).max(-1, keepdims=True) / _LARGEST)
    along = spread(jnp.asarray(moves, residuals.dtype), k)
    curvature = in_parts(_curvature, (theta, along, residuals, jacobian), task, fraction)
    bend = _solve(damped, -np.asarray(curvature, float))
    weight = np.sqrt(scale)[:, None]
    bent = 2 * np.linalg.norm(bend * weight, axis=-1) / (np.linalg.norm(moves * weight, axis=-1) + 1e-300)
    moves = np.where((bent < _BENT)[..., None], moves + bend / 2, moves)
    tried = flat[:, None] + moves
    many = spread(unflatten(tried.reshape(-1, g.shape[1])), k * _LADDER.size)
    found = exact_losses(task, many) if fraction is None else smooth_losses(task, many, fraction)
    losses = np.asarray(found, float)
    losses = losses.reshape(k, -1)
    each, which = np.arange(k), np.argmin(losses, axis=1)
    before = np.where(usable, before, np.inf)
    return before, losses[each, which], tried[each, which], dampings[each, which]


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Solutions of symmetric systems, zero where they have none; shapes (..., n, n) and (..., n)."""
    good = np.isfinite(vectors).all(axis=-1, keepdims=True)
    vectors = np.where(good, vectors, 0.0)
    try:
        solved = np.linalg.solve(matrices, vectors[..., None])[..., 0]
    except np.linalg.LinAlgError:  # a parameter that changes nothing
        solved = np.einsum("...ij,...j", np.linalg.pinv(matrices, hermitian=True), vectors)
    return np.where(np.isfinite(solved), solved, 0.0)


def _worse_half(loss: np.ndarray, done: np.ndarray) -> np.ndarray:
    """Which of the points that are under way are in the worse half of all, a block at least being left."""
    order = np.argsort(np.where(done, np.inf, loss), kind="stable")
    left = max(_BLOCK, -(-int((~done).sum()) // 2))
    worse = np.zeros(loss.size, bool)
    worse[order[left:]] = True
    return worse


def _residuals(task: SumsOfSquares, theta: Mapping[str, FloatArray], fraction: FloatArray | None) -> FloatArray:
    return task.exact_residuals(theta) if fraction is None else task.residuals(theta, fraction)


@eqx.filter_jit
def _linearise(theta: Mapping[str, FloatArray], task: SumsOfSquares, fraction: FloatArray | None):
    """Residuals r and their Jacobian J at each of several points, `J^T J` and `J^T r`."""

    def one(point):
        vector, unravel = jax.flatten_util.ravel_pytree(point)

        def residuals(vector):
            r = _residuals(task, unravel(vector), fraction)
            return r, r

        jacobian, r = jax.jacfwd(residuals, has_aux=True)(vector)
        return r, jacobian, jacobian.T @ jacobian, jacobian.T @ r

    return jax.vmap(one)(dict(theta))


@eqx.filter_jit
def _curvature(points: Any, task: SumsOfSquares, fraction: FloatArray | None):
    """`J^T r''`, the second derivative of the residuals along each of several moves from each point, from a difference.

    **Arguments:** `points`: theta, moves, residuals and their Jacobian, each with a leading axis.
    """
    theta, moves, residuals, jacobian = points

    def one(point, moves, r, jacobian):
        vector, unravel = jax.flatten_util.ravel_pytree(point)

        def along(move):
            probed = _residuals(task, unravel(vector + _PROBE * move), fraction)
            return jacobian.T @ (2 / _PROBE * ((probed - r) / _PROBE - jacobian @ move))

        return jax.vmap(along)(moves)

    return jax.vmap(one)(dict(theta), moves, residuals, jacobian)


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
