"""What a fit shows of itself while it goes on."""

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from tqdm import tqdm

from ..._types import FloatArray
from ..batches import each
from ..objectives import AbstractObjective, SpikeTrain, StepResponse
from ..objectives.matching import match_spikes
from ..task import Task
from .phase import Record


_SHARE = 0.05  # of the time that may go into counting spikes
_REACH = 5.0  # ms, within which two spikes match where an objective does not say


class Display:
    """A bar on standard error: the phase, the steps of all attempts (of the present one where it may be the last), the time left at the present pace, and

    - `loss`: the lowest of the last step;
    - `best`: the lowest so far of the losses that mean the same;
    - `spikes`: how many spikes of the data the leading point has a partner for, of how many; and how many too many it has. Where an objective compares
        spikes with the model's own, and no oftener than takes a twentieth of the time.
    """

    def __init__(self, task: Task, total: int, made: int, shown: bool):
        self.shown, self.best, self.meaning, self.spikes = shown, float("inf"), None, ""
        self._due = 0.0  # when spikes may be counted again
        self._counted = False
        self._groups = [group for group in task.groups if _counts_spikes(task.objectives[group[0]])]
        self._bar = tqdm(total=total, initial=made, disable=not shown, unit="step")

    def begin(self, label: str, total: int, made: int) -> None:
        """A step of a phase: `made` of `total` steps are over."""
        if not self.shown:
            return
        self._bar.set_description(label, refresh=False)
        self._bar.total = total
        if made != self._bar.n:  # steps that an earlier phase did without are no pace
            self._bar.n = self._bar.last_print_n = made

    def tell(self, record: Record, meaning: Any, task: Task, leader: Callable[[], Mapping[str, FloatArray]]) -> None:
        """A step was made. **Arguments:** `meaning`: equal for losses that can be compared; `leader`: tells the point with the lowest loss."""
        self._bar.update()
        if not self.shown:
            return
        lowest = record.lowest()
        if meaning != self.meaning:
            self.best, self.meaning, self._due = float("inf"), meaning, 0.0
        better, self.best = lowest < self.best, min(lowest, self.best)
        if better and self._groups and time.monotonic() >= self._due:
            self._count(task, leader)
        shown = {"loss": f"{lowest:.4g}", "best": f"{self.best:.4g}"}
        self._bar.set_postfix(shown | ({"spikes": self.spikes} if self.spikes else {}), refresh=False)

    def _count(self, task: Task, leader: Callable[[], Mapping[str, FloatArray]]) -> None:
        began = time.monotonic()
        try:
            matched, wanted, extra = (int(x) for x in count_spikes(task, leader(), tuple(self._groups)))
        except Exception as error:  # the fit matters more
            self._groups = []
            warnings.warn(f"fit: the spikes cannot be counted ({type(error).__name__}: {error})", stacklevel=4)
            return
        self.spikes = f"{matched}/{wanted}" + (f" +{extra}" if extra else "")
        # The first time it is compiled, which says nothing about the next.
        self._due = time.monotonic() + (time.monotonic() - began) / _SHARE if self._counted else 0.0
        self._counted = True

    def close(self) -> None:
        self._bar.close()


def _counts_spikes(objective: AbstractObjective) -> bool:
    """Whether it compares spikes of the data with the model's own: a likelihood resets the model when the data do."""
    return isinstance(objective, SpikeTrain | StepResponse)


@eqx.filter_jit
def count_spikes(
    task: Task, theta: Mapping[str, FloatArray], groups: tuple[tuple[int, ...], ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How many spikes of the data have a partner at a point, how many there are, and how many of the model's have none, in the objectives of some groups."""
    model, objectives = task.place(theta)
    found = each(objectives, groups, lambda objective: _count(objective, model))
    total = jnp.sum(jnp.concatenate(found), axis=0)
    return total[0], total[1], total[2]


def _count(objective: AbstractObjective, model: Any) -> FloatArray:
    """Matched, wanted and extra spikes, shape (3,)."""
    if isinstance(objective, SpikeTrain):
        off, unit = jnp.abs(objective.misfit(model)), objective.reach / objective.jitter
        real = jnp.isfinite(objective.times)
        paired, extra = off[: real.size] < unit * (1 - 1e-6), off[real.size :] > 0
        return jnp.stack([jnp.sum(real & paired), jnp.sum(real), jnp.sum(extra)])
    assert isinstance(objective, StepResponse)
    own = objective.simulate(model).spikes.times - objective.start
    own = jnp.where((own >= 0) & (own < objective.stop - objective.start), own, jnp.inf)
    _, paired, extra = match_spikes(objective.spikes, own, _REACH)
    return jnp.stack([jnp.sum(paired), jnp.sum(jnp.isfinite(objective.spikes)), jnp.sum(extra)])
