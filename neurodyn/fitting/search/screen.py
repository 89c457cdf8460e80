"""Many points looked at once, the best of which are worth going on with."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..devices import spread
from ..task import Task
from .phase import AbstractPhase, Ends, Record, smooth_losses, take


class Screen(AbstractPhase):
    """Evaluates every point it is given, `block` at a time, and keeps the `kept` best; the first, the model as given, always."""

    name: ClassVar[str] = "screen"

    candidates: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    kept: int = eqx.field(static=True)

    def steps(self) -> int:
        return -(-self.candidates // self.block)

    def begin(self, task: Task, ends: Ends) -> Any:
        return {"theta": ends.theta, "loss": np.full(self.candidates, np.inf)}

    def step(self, task: Task, state: Any, index: int) -> tuple[Any, Record]:
        places = np.arange(index * self.block, (index + 1) * self.block)
        real = places[places < self.candidates]
        theta = spread(take(state["theta"], np.minimum(places, self.candidates - 1)), self.block)
        found = np.asarray(smooth_losses(task, theta, jnp.asarray(0.0)))[: real.size]
        loss = np.array(state["loss"])
        loss[real] = found
        return {**state, "loss": loss}, Record.of_losses(real, found, task.stages() == 1)

    def restored(self, state: Any) -> Any:
        return state

    def finished(self, state: Any) -> str | None:
        return None

    def end(self, task: Task, state: Any) -> Ends:
        ranked = np.array(state["loss"])
        ranked[0] = -np.inf
        order = np.sort(np.argsort(ranked, kind="stable")[: self.kept])
        return Ends(take(state["theta"], order), np.arange(order.size), np.asarray(state["loss"])[order])
