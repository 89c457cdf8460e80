"""Evolution: a search without gradients, for a landscape that has none to offer yet."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._types import FloatArray
from ..devices import spread
from ..task import Task
from .phase import AbstractPhase, Ends, Record, exact_losses, smooth_losses
from .polish import flatten


_WIDTH = 0.4  # of the first generation: a fifth of a box, or of a parameter's natural unit


class Evolution(AbstractPhase):
    """CMA-ES by `cma` (extra `evolution`), each generation evaluated as one batch.

    It searches in the boxes that bounds make, reflected at their sides. It begins at the best of the points it is given and hands on its last generation,
    with the best point ever seen in the place of the worst.

    The state is what every generation's losses were: the same random numbers and the same losses lead to the same search, so that it is gone on with
    by telling them again.

    Source: Hansen and Ostermeier (2001), Evolutionary Computation 9:159.
    """

    name: ClassVar[str] = "evolution"

    count: int = eqx.field(static=True)
    population: int = eqx.field(static=True)
    seed: int = eqx.field(static=True)
    fraction: float = eqx.field(static=True)  # of the fit that counts as over: which stage's losses
    exact: bool = eqx.field(static=True)  # whether the losses are those of the last phase instead

    def steps(self) -> int:
        return self.count

    def begin(self, task: Task, ends: Any) -> Any:
        losses = self._losses(task, spread(ends.theta, ends.start.size))
        first = int(np.argmin(losses))
        origin = {path: np.asarray(x)[first] for path, x in _places(task, ends.theta).items()}
        return {"origin": origin, "told": np.full((self.count, self.population), np.nan), "live": None}

    def _losses(self, task: Task, theta: Any) -> np.ndarray:
        found = exact_losses(task, theta) if self.exact else smooth_losses(task, theta, jnp.asarray(self.fraction))
        return np.asarray(found, float)

    def stage(self, task: Task, index: int) -> int:
        return 0

    def leader(self, task: Task, state: Any, index: int) -> Mapping[str, FloatArray]:
        live = state["live"]
        best = live.unflatten(live.points[int(np.argmin(live.losses))][None])
        return {path: x[0] for path, x in _points(task, best).items()}

    def restored(self, state: Any) -> Any:
        return state

    def _live(self, state: Any, made: int) -> "_Live":
        """The strategy after `made` generations."""
        if state["live"] is not None:
            return state["live"]
        live = _Live.begin(state["origin"], self.population, self.seed)
        for losses in state["told"][:made]:
            live.tell(live.ask(), losses)
        return live

    def step(self, task: Task, state: Any, index: int) -> tuple[Any, Record]:
        live = self._live(state, index)
        points = live.ask()
        losses = self._losses(task, spread(_points(task, live.unflatten(points)), self.population))
        told = np.array(state["told"])
        told[index] = np.where(np.isfinite(losses), losses, 1e30)  # a number that sorts last
        live.tell(points, told[index])
        return {**state, "told": told, "live": live}, Record.of_losses(np.arange(self.population), losses, self.exact)

    def finished(self, state: Any) -> str | None:
        return None

    def end(self, task: Task, state: Any) -> Ends:
        """The last generation and the best point ever seen."""
        live = self._live(state, int(np.isfinite(state["told"][:, 0]).sum()))
        points, losses = np.array(live.points), np.array(live.losses)
        worst = int(np.argmax(losses))
        points[worst], losses[worst] = live.strategy.result.xbest, live.strategy.result.fbest
        return Ends(_points(task, live.unflatten(points)), np.arange(self.population), losses)


def _places(task: Task, theta: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The coordinates of the search: places in the box, where bounds are as near as anything else, for parameters that have one."""
    return {
        path: b.place_in_box(theta[path]) if b.kind == "box" else theta[path]
        for path, b in task.space.bijections.items()
    }


def _points(task: Task, places: Mapping[str, np.ndarray]) -> dict[str, FloatArray]:
    return {path: b.from_box(jnp.asarray(places[path])) for path, b in task.space.bijections.items()}


class _Live:
    """A strategy at work, with its last generation."""

    def __init__(self, strategy: Any, unflatten: Any):
        self.strategy, self.unflatten = strategy, unflatten
        self.points = self.losses = np.zeros((0,))

    @classmethod
    def begin(cls, origin: dict[str, np.ndarray], population: int, seed: int) -> "_Live":
        try:
            import cma
        except ImportError:
            raise ImportError("evolution needs cma: pip install 'neurodyn[evolution]'") from None
        flat, unflatten = flatten({path: x[None] for path, x in origin.items()})
        generator = np.random.default_rng(seed)
        options = {
            "popsize": population,
            "randn": lambda *shape: generator.standard_normal(shape),
            "seed": np.nan,  # leaves NumPy's global generator alone
            "verbose": -9,
        }
        return cls(cma.CMAEvolutionStrategy(flat[0], _WIDTH, options), unflatten)

    def ask(self) -> np.ndarray:
        return np.stack(self.strategy.ask())

    def tell(self, points: np.ndarray, losses: np.ndarray) -> None:
        self.strategy.tell(list(points), list(losses))
        self.points, self.losses = points, losses
