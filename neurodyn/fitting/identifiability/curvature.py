"""How fast the loss rises around an optimum: what a fit determines where its loss is no likelihood."""

import dataclasses

import numpy as np

from ..._table import as_html, as_text
from ..task import Task
from .coordinates import Coordinates, HasTask, as_task, at_bound, check_derivatives, loss_jacobian, small
from .fisher import covariance_of
from .rank import decompose, describe_direction, name_direction


_HEADER = ("parameter", "value", "unit", "alone", "with the others")
_RISE = 0.1  # of the loss, that changes are told for
_FAR = 10.0  # scales, beyond which a linear prediction says no more than that something is open


@dataclasses.dataclass(frozen=True)
class Curvature:
    """The quadratic model of a loss at an optimum, `loss + s^T (J^T J) s` for changes s in scales, J being the Jacobian of the residuals. Arrays of shape (n,)
    or (n, n).

    **Fields:**

    - `names`, `units`, `values`: of the trained numbers; an element of an array is called `path[i]`.
    - `scale`: what counts as one step of each: the value of a parameter with a natural zero (`relative`), the spread of its declaration otherwise.
    - `loss`: without the prior that bounds may make.
    - `alone`: the change of each, in its unit, that raises the loss by a tenth when nothing else moves.
    - `together`: the one that does when the others make up for it as well as they can; inf where they can wholly.
    - `eigenvalues`, `directions`: of `J^T J`, from stiff to sloppy; directions as rows.
    - `rank`: how many directions change the loss.
    - `at_bound`: paths that lie at a bound.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    scale: np.ndarray
    relative: np.ndarray
    loss: float
    alone: np.ndarray
    together: np.ndarray
    eigenvalues: np.ndarray
    directions: np.ndarray
    rank: int
    at_bound: tuple[str, ...]

    def sloppy(self, count: int = 3) -> tuple[tuple[float, dict[str, float]], ...]:
        """The combinations that the loss tells least of, the worst first: how far each goes, in scales, until the loss has risen by a tenth (inf for one that
        changes nothing), and the shares above a tenth by name."""
        found = []
        for i in range(self.values.size - 1, max(-1, self.values.size - 1 - count), -1):
            reach = np.sqrt(_RISE * self.loss / self.eigenvalues[i]) if i < self.rank else np.inf
            found.append((float(reach), name_direction(self.directions[i], self.names)))
        return tuple(found)

    def _rows(self) -> list[tuple[str, ...]]:
        rows = []
        for i, name in enumerate(self.names):
            bound = " (at a bound)" if name.split("[")[0] in self.at_bound else ""
            changes = [self._change(x[i], i) for x in (self.alone, self.together)]
            rows.append((name + bound, f"{self.values[i]:.6g}", self.units[i] or "-", *changes))
        return rows

    def _change(self, change: float, i: int) -> str:
        share = change / self.scale[i]
        if share > _FAR:
            return "-"
        return f"{change:.2g}" + (f" ({100 * share:.{0 if share > 0.1 else 1}f} %)" if self.relative[i] else "")

    def _notes(self) -> list[str]:
        reach, shares = self.sloppy(1)[0]
        return [
            "alone, with the others: the change that raises the loss by a tenth, by the data and to first order, when nothing else moves and when the others "
            f"make up for it; -: more than {_FAR:g} times its scale",
            f"{self.rank} of {self.values.size} directions change the loss; sloppiest: {describe_direction(shares)} (by {reach:.2g})",
        ]

    def __repr__(self) -> str:
        return "\n".join([as_text(_HEADER, self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        return as_html(_HEADER, self._rows()) + "".join(f"<p>{note}</p>" for note in self._notes())


def curvature(source: Task | HasTask) -> Curvature:
    """How far parameters can move from an optimum until the loss has risen by a tenth, by the Gauss-Newton model of the loss of the last phase.

    For objectives that are no likelihood, such as `StepResponse`: it ranks parameters and their combinations, and says nothing about probabilities. Where there
    is a likelihood, `uncertainty` says more.

    **Arguments:** `source`: the result of a fit, or a `Task` at the optimum.

    **Raises:** `ValueError` when spikes carry no derivative, and when a derivative is not finite, naming the parameters.
    """
    task = dataclasses.replace(as_task(source), box_prior=None)
    check_derivatives(task)
    theta = task.encode()
    found, residuals = loss_jacobian(task, theta)
    at, matrix, loss = Coordinates.of(task, theta), np.asarray(found, float), float(np.sum(np.asarray(residuals) ** 2))
    bad = [name for name, column in zip(at.names, matrix.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise ValueError(
            f"the derivative of the loss is not finite with respect to {', '.join(bad)}; see gradient_health"
        )
    matrix = matrix * (at.scale / at.slope)
    values, directions = decompose(matrix)
    rank = int(np.sum(values > small(found.dtype) * values[0])) if values[0] > 0 else 0
    covariance, determined = covariance_of(values[:rank], directions, float(np.sqrt(small(found.dtype))))
    rise, stiff = np.sqrt(_RISE * loss), np.linalg.norm(matrix, axis=0)
    return Curvature(
        at.names,
        at.units,
        at.values,
        at.scale,
        at.relative,
        loss,
        np.where(stiff > 0, rise / np.where(stiff > 0, stiff, 1.0), np.inf) * at.scale,
        np.where(determined, rise * np.sqrt(np.diagonal(covariance)), np.inf) * at.scale,
        np.concatenate([values[:rank] ** 2, np.zeros(values.size - rank)]),
        directions,
        rank,
        at_bound(task, theta),
    )
