"""Whether gradients can be trusted at a point: where they come from in time, and what breaks them."""

import dataclasses
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from ..._parameter import check_whole
from ..._stimulus import AbstractStimulus, Samples
from ..._table import as_html, as_text
from ..._types import FloatArray
from ..task import Task
from .coordinates import HasTask, as_task, at_bound, element_names


_HEADER = ("objective", "loss", "gradient", "growth back in time", "finding")
_SILENT = 1e-6  # of the largest gradient among the starts
_ALARMING = 4.0  # decades of growth or decay


@dataclasses.dataclass(frozen=True)
class ObjectiveHealth:
    """Of one objective.

    **Fields:**

    - `name`: `objectives[i] (Type)`.
    - `loss`: a number, finite or not.
    - `gradient`: of the loss with respect to theta, by name, shape ().
    - `times`, `drive`: dL/d(drive)(t), per ms, in bins of time that begin at `times`, ms; empty for an objective without a run.
    - `growth`: by how many decades its size is larger in the first fifth of the run than in the last (both by their largest): sensitivity grows
        backwards where it is far above 0 (explodes) and is lost where it is far below (vanishes); nan if unknown.
    """

    name: str
    loss: float
    gradient: dict[str, float]
    times: np.ndarray
    drive: np.ndarray

    @property
    def norm(self) -> float:
        return float(np.linalg.norm(list(self.gradient.values())))

    @property
    def growth(self) -> float:
        size, part = np.abs(self.drive), max(1, self.drive.size // 5)
        if not size.size or not np.isfinite(size).all():
            return np.nan
        # The last bins can act on little of what is still to come, whatever the model.
        first, last = size[:part].max(), size[-part:].max()
        return float(np.log10(first / last)) if first > 0 and last > 0 else np.nan

    @property
    def finding(self) -> str:
        """What is wrong, in words, or an empty string."""
        if not np.isfinite(self.loss):
            return f"the loss is {self.loss}"
        bad = [name for name, x in self.gradient.items() if not np.isfinite(x)]
        if bad:
            return f"the loss is finite but its gradient is not, with respect to {', '.join(bad)}{self._since()}"
        if self.drive.size and not np.isfinite(self.drive).all():
            return f"the gradient with respect to the drive is not finite{self._since()}"
        if self.loss > 0 and not any(self.gradient.values()):
            return "the gradient is zero"
        if self.growth > _ALARMING:
            return "explodes backwards in time: shorten the run, couple the model to the data, or start nearer"
        if self.growth < -_ALARMING:
            return "vanishes backwards in time: the beginning of the run tells nothing"
        return ""

    def _since(self) -> str:
        """Reverse mode carries a NaN from where it arises to all earlier times."""
        bad = np.flatnonzero(~np.isfinite(self.drive))
        return f"; it arises near {self.times[bad[-1]]:g} ms" if bad.size else ""


@dataclasses.dataclass(frozen=True)
class GradientHealth:
    """What `gradient_health` found.

    **Fields:**

    - `objectives`: `ObjectiveHealth` of each.
    - `gradient`: of the whole loss with respect to theta, by name; the share of each shows what a fit would change.
    - `at_bound`: paths of parameters at a bound of their box, where the transformation flattens the loss.
    - `silent`: indices of the given starts whose gradient is zero or less than 1e-6 of the largest.
    - `broken`: indices of those whose loss or gradient is not finite.
    - `starts`: how many were given.
    """

    objectives: tuple[ObjectiveHealth, ...]
    gradient: dict[str, float]
    at_bound: tuple[str, ...]
    silent: tuple[int, ...]
    broken: tuple[int, ...]
    starts: int

    @property
    def findings(self) -> tuple[str, ...]:
        """Everything that is wrong, in words, the first thing to mend first."""
        found = [f"{o.name}: {o.finding}" for o in self.objectives if o.finding]
        found.sort(key=lambda text: "not" not in text)
        if self.at_bound:
            found.append(f"at a bound: {', '.join(self.at_bound)}")
        if self.silent:
            found.append(f"{len(self.silent)} of {self.starts} starts have no gradient: {_listed(self.silent)}")
        if self.broken:
            found.append(f"{len(self.broken)} of {self.starts} starts are not finite: {_listed(self.broken)}")
        return tuple(found)

    @property
    def first_non_finite(self) -> str | None:
        """The first objective with a loss or a gradient that is not finite, and the first parameter of which the derivative is not; None without one."""
        for o in self.objectives:
            bad = [name for name, x in [*o.gradient.items(), ("its loss", o.loss)] if not np.isfinite(x)]
            if bad:
                return f"{o.name}: {bad[0]}"
        return None

    @property
    def healthy(self) -> bool:
        return not self.findings

    def _rows(self) -> list[tuple[str, ...]]:
        def growth(o):
            return "-" if np.isnan(o.growth) else f"{o.growth:+.1f} decades"

        return [(o.name, f"{o.loss:.4g}", f"{o.norm:.3g}", growth(o), o.finding or "-") for o in self.objectives]

    def _gradients(self) -> str:
        order = sorted(self.gradient, key=lambda name: -abs(self.gradient[name]))
        return "d loss / d theta: " + ", ".join(f"{name} {self.gradient[name]:+.3g}" for name in order)

    def __repr__(self) -> str:
        others = [f"- {text}" for text in self.findings if not text.startswith("objectives[")]
        return "\n".join([as_text(_HEADER, self._rows()), self._gradients(), *others])

    def _repr_html_(self) -> str:
        others = [text for text in self.findings if not text.startswith("objectives[")]
        return as_html(_HEADER, self._rows()) + "".join(f"<p>{text}</p>" for text in (self._gradients(), *others))


def gradient_health(
    source: Task | HasTask,
    theta: Mapping[str, FloatArray] | None = None,
    *,
    fraction: float = 0.0,
    starts: Mapping[str, FloatArray] | None = None,
    bins: int = 200,
) -> GradientHealth:
    """Look at the gradient of the loss at a point, objective by objective: its size, how it grows or fades backwards in time, and what breaks it.

    How it moves through time is seen by the derivative with respect to a small current added to the objective's stimulus.

    **Arguments:**

    - `source`: the result of a fit, or a `Task`.
    - `theta`: the point, in the trained space; by default that of the task's own model.
    - `fraction`: of the fit (0 to 1), for objectives that go from easy to exact.
    - `starts`: points with a leading axis, such as `task.space.starts(task.encode(), 32, key)`: which of them are silent or broken.
    - `bins`: of time, in which the added current is constant.
    """
    task = as_task(source)
    check_whole("bins", bins)
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction = {fraction!r} is not allowed: must be from 0 to 1")
    point = dict(task.encode() if theta is None else theta)
    at = jnp.asarray(float(fraction))
    names, found = element_names(point), {}
    for group in task.groups:
        grid = _Grid.of(task.objectives[group[0]], bins)
        losses, slopes, drives = _derivatives(task, point, at, group, grid)
        for k, i in enumerate(group):
            drive = np.asarray(drives[k], float)
            times = np.zeros(0) if grid is None else grid.start + grid.width * np.arange(grid.count)
            gradient = dict(zip(names, map(float, np.asarray(slopes[k])), strict=True))
            name = f"objectives[{i}] ({type(task.objectives[i]).__name__})"
            found[i] = ObjectiveHealth(name, float(losses[k]), gradient, times, drive)
    total = {name: float(np.sum([o.gradient[name] for o in found.values()])) for name in names}
    silent, broken, count = _look_at_starts(task, starts, at)
    objectives = tuple(found[i] for i in range(len(found)))
    return GradientHealth(objectives, total, at_bound(task, point), silent, broken, count)


@dataclasses.dataclass(frozen=True)
class _Grid:
    """The bins of an objective's run: whole numbers of its steps."""

    start: float
    width: float
    count: int

    @classmethod
    def of(cls, objective: object, bins: int) -> "_Grid | None":
        """None for what has no run under a stimulus."""
        start = getattr(objective, "t0", None)
        if not isinstance(getattr(objective, "stimulus", None), AbstractStimulus) or start is None:
            return None
        if hasattr(objective, "method") and hasattr(objective, "t1"):
            step, stop = objective.method.dt, objective.t1  # pyright: ignore[reportAttributeAccessIssue]
        elif hasattr(objective, "target") and hasattr(objective, "substeps"):
            step = objective.dt / objective.substeps  # pyright: ignore[reportAttributeAccessIssue]
            stop = start + objective.dt * (objective.target.size - 1)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            return None
        steps = max(1, round((stop - start) / step))
        each = -(-steps // bins)
        return cls(float(start), each * step, -(-steps // each))


@eqx.filter_jit
def _derivatives(task: Task, theta: Mapping[str, FloatArray], fraction: FloatArray, group, grid: _Grid | None):
    """Of each objective of a group: loss (m,), its derivatives with respect to theta (m, n) and to the drive per ms (m, bins)."""
    vector, unravel = jax.flatten_util.ravel_pytree(dict(theta))

    def one(vector, added, place):
        model, objectives = task.place(unravel(vector))
        objective = objectives[group[0]]
        if len(group) > 1:
            stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves), *(objectives[j] for j in group))
            objective = jtu.tree_map(lambda x: x[place], stacked)
        if grid is not None:
            more = Samples(added, grid.width, grid.start)
            objective = eqx.tree_at(lambda o: o.stimulus, objective, objective.stimulus + more)
        return objective.loss(model, fraction)

    count, width = (0, 1.0) if grid is None else (grid.count, grid.width)
    added = jnp.zeros((len(group), count), vector.dtype)
    each = jax.vmap(jax.value_and_grad(one, argnums=(0, 1)), in_axes=(None, 0, 0))
    losses, (slopes, drives) = each(vector, added, jnp.arange(len(group)))
    return losses, slopes, drives / width


@eqx.filter_jit
def _losses_and_gradients(task: Task, starts: Mapping[str, FloatArray], fraction: FloatArray):
    return jax.vmap(jax.value_and_grad(task.loss), in_axes=(0, None))(dict(starts), fraction)


def _look_at_starts(
    task: Task, starts: Mapping[str, FloatArray] | None, fraction: FloatArray
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Indices of the silent and of the broken ones, and how many there are."""
    if starts is None:
        return (), (), 0
    losses, gradients = _losses_and_gradients(task, starts, fraction)
    rows = np.concatenate([np.asarray(x, float).reshape(len(losses), -1) for x in jtu.tree_leaves(gradients)], axis=1)
    return *silent_and_broken(np.asarray(losses), np.linalg.norm(rows, axis=1)), len(rows)


def silent_and_broken(losses: np.ndarray, norms: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of several points, by their losses and the norms of their gradients, shape (points,): indices of those without a gradient to speak of, and of those that
    are not finite."""
    fine = np.isfinite(losses) & np.isfinite(norms)
    sizes = np.where(fine, norms, 0.0)
    silent = fine & (sizes <= _SILENT * sizes.max(initial=0.0))
    return tuple(map(int, np.flatnonzero(silent))), tuple(map(int, np.flatnonzero(~fine)))


def _listed(indices: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, indices[:12]))
    return shown + (" ..." if len(indices) > 12 else "")
