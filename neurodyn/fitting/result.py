"""What a fit returns."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .identifiability import RankReport
from .objectives import AbstractObjective
from .search import AbstractPhase, Course, Descent, Ends, Polish, Record
from .task import Task


@dataclasses.dataclass(frozen=True)
class History:
    """Per step of one phase and per start, shape (steps made, starts); NaN (False) where a start did not take part.

    **Fields:** `loss`; `gradient_norm`; `skipped`, whether the gradient was not finite and no update was made; `fraction`, how much of the phase was
    over, shape (steps made,): losses are comparable within a stage.
    """

    loss: np.ndarray
    gradient_norm: np.ndarray
    skipped: np.ndarray
    fraction: np.ndarray

    @classmethod
    def of(cls, phase: AbstractPhase, records: list[Record], starts: int) -> "History":
        shape = len(records), starts
        loss, norm, skipped = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
        for i, record in enumerate(records):
            loss[i, record.start], norm[i, record.start] = record.loss, record.gradient_norm
            skipped[i, record.start] = record.skipped
        return cls(loss, norm, skipped, np.arange(len(records)) / phase.steps())


@dataclasses.dataclass(frozen=True)
class FittedParameter:
    """One trained parameter before and after."""

    path: str
    unit: str
    before: Any
    after: Any
    at_bound: bool


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The outcome of `fit`.

    **Fields:**

    - `model`: the best model found; a model like the one given.
    - `objectives`: as given, with fitted nuisance parameters in place.
    - `loss`: the model's loss: that of the last stage, or the exact one where the fit was polished.
    - `reason`: why the fit stopped.
    - `parameters`: the trained parameters before and after.
    - `best_start`: which start it came from.
    - `losses`: the best loss of every start at the last stage, shape (starts,); inf where a start never had one.
    - `polished`: the exact losses of the starts that were polished (inf for the others), or None.
    - `values`: the trained values of every start, by path, shape (starts, ...).
    - `history`: `History` of the descent, or of the last phase of a fit without one.
    - `phases`: `History` of every phase by name.
    - `rank`: `RankReport` at the model given, or None when it was not asked for.
    - `seconds`: how long it took, compilation and earlier processes included.
    - `task`: what was minimised, at the model found: where uncertainties begin.
    """

    model: Any
    objectives: tuple[AbstractObjective, ...]
    loss: float
    reason: str
    parameters: tuple[FittedParameter, ...]
    best_start: int
    losses: np.ndarray
    polished: np.ndarray | None
    values: dict[str, np.ndarray]
    history: History
    phases: dict[str, History]
    rank: RankReport | None
    seconds: float
    task: Task

    @property
    def skipped(self) -> int:
        """How many updates were skipped because a gradient was not finite."""
        return int(self.history.skipped.sum())

    def __repr__(self) -> str:
        width = max(len(p.path) for p in self.parameters)
        lines = [
            f"FitResult: loss {self.loss:.4g} ({self.reason}), {self.seconds:.1f} s, {self.skipped} updates skipped"
        ]
        for p in self.parameters:
            text = f"{_shown(p.before)} -> {_shown(p.after)} {p.unit}"
            lines.append(f"  {p.path:{width}}  {text.rstrip()}{'  (at a bound)' if p.at_bound else ''}")
        return "\n".join(lines)


_FEW = 4  # numbers of an array that are shown one by one


def _shown(value: Any) -> str:
    """A number, the few numbers of an array, or from where to where its many numbers go."""
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array:.5g}"
    if array.size <= _FEW:
        return f"[{', '.join(f'{x:.5g}' for x in array.ravel())}]"
    return f"{array.size} from {array.min():.5g} to {array.max():.5g}"


def make_result(course: Course, reason: str, rank: RankReport | None) -> FitResult:
    """The result of a fit, wherever it was ended: that of its best attempt."""
    if course.phase % course.per_attempt or not course.phase:
        course.close()
    task, best, walked, polished = course.task, *_best_attempt(course)
    starts = max(int(walked.start.max()) + 1, *(p.starts for p in course.phases if isinstance(p, Descent)), 0)
    index = int(np.argmin(best.loss))
    theta = {path: jnp.asarray(np.asarray(x)[index]) for path, x in best.theta.items()}
    fitted, objectives = task.place(theta)
    after = dataclasses.replace(task, model=fitted, objectives=objectives)
    known, known_after, at_bound = task.known(), after.known(), task.space.at_bound(theta)
    table = tuple(
        FittedParameter(path, known[path].info.unit, known[path].value, known_after[path].value, path in at_bound)
        for path in task.space.bijections
    )
    histories = {
        course.label(i): History.of(phase, records, max(int(r.start.max()) + 1 for r in records))
        for i, (phase, records) in enumerate(zip(course.phases, course.records, strict=True))
        if records
    }
    main = next((name for name in ("descent", "evolution") if name in histories), next(iter(histories), None))
    return FitResult(
        model=fitted,
        objectives=objectives,
        loss=float(best.loss[index]),
        reason=reason,
        parameters=table,
        best_start=int(best.start[index]),
        losses=_by_start(walked, starts),
        polished=_by_start(best, starts) if polished else None,
        values=_values(task, walked, best, starts),
        history=histories[main] if main else History.of(course.phases[0], [], starts),
        phases=histories,
        rank=rank,
        seconds=course.seconds,
        task=after,
    )


def _best_attempt(course: Course) -> tuple[Ends, Ends, bool]:
    """Of the attempt with the lowest loss: where it ended, where it was before the polish, and whether it was polished."""
    found = []
    for first in range(0, course.phase, course.per_attempt):
        ends = course.ends[first : first + course.per_attempt]
        last = course.phases[first + len(ends) - 1]
        if isinstance(last, Polish) and np.isfinite(ends[-1].loss).any():
            found.append((ends[-1], ends[-2], True))
        else:  # no polish, or interrupted before its first step
            walked = ends[-2] if isinstance(last, Polish) else ends[-1]
            found.append((walked, walked, False))
    whole = [item for item in found if item[2] == found[0][2]]  # losses of unlike phases do not compare
    return min(whole, key=lambda item: np.min(item[0].loss))


def _by_start(ends: Ends, starts: int) -> np.ndarray:
    losses = np.full(starts, np.inf)
    losses[ends.start] = np.where(np.isfinite(ends.loss), ends.loss, np.inf)
    return losses


def _values(task: Task, walked: Ends, best: Ends, starts: int) -> dict[str, np.ndarray]:
    """The values every start ended at, those of the polish where it took part; NaN for one that never walked."""
    values = {}
    for path, bijection in task.space.bijections.items():
        shape = np.asarray(walked.theta[path]).shape[1:]
        values[path] = np.full((starts, *shape), np.nan)
        for ends in (walked, best):
            values[path][ends.start] = np.asarray(jax.vmap(bijection.value)(ends.theta[path]))
    return values
