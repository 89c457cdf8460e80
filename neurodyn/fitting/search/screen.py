"""Where a fit begins: points spread over the whole space, the best of which are worth going on with."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._types import FloatArray
from ..devices import spread
from ..task import Task
from .phase import AbstractPhase, Ends, Record, smooth_losses, take


class Screen(AbstractPhase):
    """Draws `candidates` points, the model as given the first of them, and where these are more than `kept` looks at all, a block at a time, and keeps the
    best; the first always."""

    name: ClassVar[str] = "screen"

    candidates: int = eqx.field(static=True)
    kept: int = eqx.field(static=True)
    key: jax.Array  # the data of a random key

    def steps(self) -> int:
        return -(-self.candidates // self.kept) if self.candidates > self.kept else 0

    def begin(self, task: Task, ends: Any) -> Any:
        theta = task.space.starts(task.encode(), self.candidates, jax.random.wrap_key_data(self.key))
        return {"theta": theta, "loss": np.full(self.candidates, np.inf)}

    def step(self, task: Task, state: Any, index: int) -> tuple[Any, Record]:
        places = np.arange(index * self.kept, (index + 1) * self.kept)
        real = places[places < self.candidates]
        theta = spread(take(state["theta"], np.minimum(places, self.candidates - 1)), self.kept)
        found = np.asarray(smooth_losses(task, theta, jnp.asarray(0.0)))[: real.size]
        loss = np.array(state["loss"])
        loss[real] = found
        return {**state, "loss": loss}, Record.of_losses(real, found, False)

    def stage(self, task: Task, index: int) -> int:
        return 0

    def leader(self, task: Task, state: Any, index: int) -> Mapping[str, FloatArray]:
        return {path: x[int(np.argmin(state["loss"]))] for path, x in state["theta"].items()}

    def restored(self, state: Any) -> Any:
        return state

    def finished(self, state: Any) -> str | None:
        return None

    def end(self, task: Task, state: Any) -> Ends:
        ranked = np.array(state["loss"])
        ranked[0] = -np.inf
        order = np.sort(np.argsort(ranked, kind="stable")[: self.kept])
        return Ends(take(state["theta"], order), np.arange(order.size), np.full(order.size, np.inf))
