"""Gradient descent from many points at once."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax

from ..._types import BoolArray, FloatArray
from ..batches import draw
from ..devices import spread
from ..task import Task
from .parts import in_parts
from .phase import AbstractPhase, Ends, Record, take


class _Walk(eqx.Module):
    """Everything of a block of points that changes; the leading axis is that of the points."""

    theta: dict[str, FloatArray]
    optimiser: Any
    good: dict[str, FloatArray]  # the last point whose loss and gradient were finite
    best: dict[str, FloatArray]
    best_loss: FloatArray


class Descent(AbstractPhase):
    """Steps of an Optax optimiser on each point's normalised gradient; after equal parts of the steps the worse half of the points is given up.

    The points go through one compiled program in blocks, so that giving some up costs no compilation. An update whose loss or gradient is not finite is
    never applied: the point goes half of the way back to its last good place.
    """

    name: ClassVar[str] = "descent"

    count: int = eqx.field(static=True)
    starts: int = eqx.field(static=True)
    halvings: int = eqx.field(static=True)
    batch: int | None = eqx.field(static=True)  # how many objectives a step looks at; None for all
    seed: int = eqx.field(static=True)  # of the choice
    optimiser: optax.GradientTransformation = eqx.field(static=True)

    @property
    def block(self) -> int:
        return self.starts // 2**self.halvings

    def steps(self) -> int:
        return self.count

    def begin(self, task: Task, ends: Any) -> Any:
        n = self.block
        blocks = [take(ends.theta, np.arange(i * n, (i + 1) * n)) for i in range(self.starts // n)]
        return {
            "walks": [self._walk(theta) for theta in blocks],
            "start": np.asarray(ends.start),
            "loss": np.full(self.starts, np.inf),
        }

    def _walk(self, theta: dict[str, FloatArray]) -> _Walk:
        theta = spread(theta, self.block)
        unknown = jnp.full((self.block,), jnp.inf, dtype=jtu.tree_leaves(theta)[0].dtype)
        return _Walk(theta, jax.vmap(self.optimiser.init)(theta), theta, theta, unknown)

    def step(self, task: Task, state: Any, index: int) -> tuple[Any, Record]:
        fraction = index / self.count
        final = fraction >= 1 - 1 / task.stages() - 1e-9
        if index in self._cuts():
            state = self._halve(state, self._active(index) * 2)
        chosen = None
        if self.batch is not None:
            chosen = draw(task.groups, self.batch, np.random.default_rng([self.seed, index]))
        return self._advance(task, state, self._active(index), fraction, final, chosen)

    def _advance(
        self, task: Task, state: Any, active: int, fraction: float, final: bool, chosen: Any
    ) -> tuple[Any, Record]:
        """A step of the first `active` blocks."""
        # A part of the objectives says nothing about which place is best.
        comparable = final and chosen is None and (self.batch is None or fraction == 1.0)
        at, last = jnp.asarray(fraction), jnp.asarray(comparable)
        walks = state["walks"]
        done = [in_parts(_update, walk, task, self.optimiser, at, last, chosen) for walk in walks[:active]]
        loss, norm, finite = (np.concatenate([np.asarray(record[i]) for _, record in done]) for i in range(3))
        every = np.concatenate([loss, state["loss"][loss.size :]])
        state = {**state, "walks": [*(walk for walk, _ in done), *walks[active:]], "loss": every}
        return state, Record(state["start"][: loss.size], loss, norm, ~finite, comparable)

    def _cuts(self) -> list[int]:
        """The steps before which half of the points are given up."""
        return [self.count * (i + 1) // (self.halvings + 1) for i in range(self.halvings)]

    def _active(self, index: int) -> int:
        """How many blocks still walk at step `index`."""
        return 2 ** (self.halvings - sum(index >= cut for cut in self._cuts()))

    def _halve(self, state: Any, active: int) -> Any:
        """The better half of the first `active` blocks comes to the front, by the loss of the last step; the others rest."""
        n = active * self.block
        order = np.argsort(state["loss"][:n], kind="stable")
        order = np.concatenate([np.sort(order[: n // 2]), np.sort(order[n // 2 :]), np.arange(n, self.starts)])
        every = _gather(state["walks"])
        walks = [take(every, order[i : i + self.block]) for i in range(0, self.starts, self.block)]
        return self.restored({"walks": walks, "start": state["start"][order], "loss": state["loss"][order]})

    def stage(self, task: Task, index: int) -> int:
        return int(index / self.count * task.stages() + 1e-9)

    def leader(self, task: Task, state: Any, index: int) -> Mapping[str, FloatArray]:
        loss = state["loss"][: self._active(index) * self.block]
        place = int(np.argmin(np.where(np.isfinite(loss), loss, np.inf)))
        walk = state["walks"][place // self.block]
        # Where its loss was taken, unless that was not finite; it has moved since.
        return {path: x[place % self.block] for path, x in walk.good.items()}

    def restored(self, state: Any) -> Any:
        return {**state, "walks": [spread(walk, self.block) for walk in state["walks"]]}

    def finished(self, state: Any) -> str | None:
        return None

    def end(self, task: Task, state: Any) -> Ends:
        """The best places of the last stage, the last place of all among them."""
        state, _ = self._advance(task, state, self._active(self.count - 1), 1.0, True, None)
        every = _gather(state["walks"])
        return Ends(jtu.tree_map(jnp.asarray, every.best), state["start"], np.asarray(every.best_loss))


def _gather(walks: list[_Walk]) -> _Walk:
    return jtu.tree_map(lambda *parts: np.concatenate([np.asarray(x) for x in parts]), *walks)


@eqx.filter_jit
def _update(walk: _Walk, task: Task, optimiser, fraction: FloatArray, final: BoolArray, chosen: Any):
    """One step of every point. The best is kept of the last stage only: earlier losses mean something else."""
    values, gradients = jax.vmap(jax.value_and_grad(task.loss), in_axes=(0, None, None))(walk.theta, fraction, chosen)
    finite = jnp.isfinite(values)
    for gradient in jtu.tree_leaves(gradients):
        finite = finite & jnp.all(jnp.isfinite(gradient.reshape(gradient.shape[0], -1)), axis=1)

    def choose(a, b):
        return jtu.tree_map(lambda a, b: jnp.where(_column(finite, a), a, b), a, b)

    gradients = choose(gradients, jtu.tree_map(jnp.zeros_like, gradients))
    norms = jnp.sqrt(sum(jnp.sum(g.reshape(g.shape[0], -1) ** 2, axis=1) for g in jtu.tree_leaves(gradients)))
    unit = jtu.tree_map(lambda g: g / _column(jnp.where(norms > 0, norms, 1.0), g), gradients)
    updates, moved = jax.vmap(optimiser.update)(unit, walk.optimiser, walk.theta)
    back = jtu.tree_map(lambda x, good: (x + good) / 2, walk.theta, walk.good)
    theta = choose(optax.apply_updates(walk.theta, updates), back)
    good = choose(walk.theta, walk.good)
    better = final & finite & (values < walk.best_loss)
    best = jtu.tree_map(lambda new, old: jnp.where(_column(better, new), new, old), walk.theta, walk.best)
    best_loss = jnp.where(better, values, walk.best_loss)
    return _Walk(theta, choose(moved, walk.optimiser), good, best, best_loss), (values, norms, finite)


def _column(flags: jax.Array, like: jax.Array) -> jax.Array:
    return flags.reshape((-1,) + (1,) * (like.ndim - 1))


def falling_rate(rate: float, steps: int) -> optax.Schedule:
    """A learning rate that stays for two thirds of the steps and then falls to a tenth."""
    return optax.piecewise_interpolate_schedule("cosine", rate, {2 * steps // 3: 1.0, max(steps, 1): 0.1})
