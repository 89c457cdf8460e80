"""How well the data determine each parameter: the Cramer-Rao bound."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..._table import as_html, as_text
from ..objectives import AbstractObjective
from ..task import Task
from .coordinates import Coordinates, HasTask, as_task, at_bound, check_likelihood, measured_jacobian, small
from .rank import decompose, describe_direction, name_direction


_HEADER = ("parameter", "value", "sd", "unit", "relative", "tied most to")


@dataclasses.dataclass(frozen=True)
class Direction:
    """A combination of parameters, each in its scale: how well it is determined (`sd`, inf if not at all) and the `shares` above a tenth by name."""

    sd: float
    shares: dict[str, float]

    def __str__(self) -> str:
        return f"{describe_direction(self.shares)} (sd {self.sd:.2g})"


@dataclasses.dataclass(frozen=True)
class Uncertainty:
    """The smallest standard deviations that any unbiased estimate can have, near a model. Arrays of shape (n,) or (n, n).

    **Fields:**

    - `names`, `units`, `values`: of the trained numbers; an element of an array is called `path[i]`.
    - `sd`: standard deviation in the parameter's unit, inf for one that is not determined.
    - `covariance`, `correlation`: of the values; nan where one of the two is not determined.
    - `scale`: what counts as one step of each: the value of a parameter with a natural zero (`relative`), the spread of its declaration otherwise.
    - `eigenvalues`, `directions`: of the Fisher information per scale, from stiff to sloppy; directions as rows.
    - `rank`: how many directions are determined.
    - `at_bound`: paths that lie at a bound, where a symmetric uncertainty means little.
    - `misfit`: sum of squared misfits per degree of freedom: 1 when the model is right and the noise as assumed.
    - `data`: how many numbers carry information.
    - `noise`: what was assumed of the noise.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    sd: np.ndarray
    covariance: np.ndarray
    correlation: np.ndarray
    scale: np.ndarray
    relative: np.ndarray
    eigenvalues: np.ndarray
    directions: np.ndarray
    rank: int
    at_bound: tuple[str, ...]
    misfit: float
    data: int
    noise: str

    @property
    def relative_sd(self) -> np.ndarray:
        """Standard deviations in units of `scale`."""
        return self.sd / self.scale

    @property
    def condition(self) -> float:
        """Largest over smallest eigenvalue; inf when something is not determined."""
        return float(self.eigenvalues[0] / self.eigenvalues[-1]) if self.rank == self.sd.size else np.inf

    @property
    def undetermined(self) -> tuple[str, ...]:
        """The names of parameters about which the data say nothing."""
        return tuple(name for name, sd in zip(self.names, self.sd, strict=True) if not np.isfinite(sd))

    def sloppy(self, count: int = 3) -> tuple[Direction, ...]:
        """The worst determined combinations, the worst first."""
        found = []
        for i in range(self.sd.size - 1, max(-1, self.sd.size - 1 - count), -1):
            sd = 1 / np.sqrt(self.eigenvalues[i]) if i < self.rank else np.inf
            found.append(Direction(float(sd), name_direction(self.directions[i], self.names)))
        return tuple(found)

    def rescaled(self) -> "Uncertainty":
        """As if the noise had been as large as the misfits are: a stopgap for noise that is not known, wrong where the model is."""
        factor = self.misfit
        return dataclasses.replace(
            self,
            sd=self.sd * np.sqrt(factor),
            covariance=self.covariance * factor,
            eigenvalues=self.eigenvalues / factor,
            misfit=1.0,
            noise=f"{self.noise}, times {np.sqrt(factor):.3g}",
        )

    def _rows(self) -> list[tuple[str, ...]]:
        rows = []
        for i, name in enumerate(self.names):
            share = f"{100 * self.relative_sd[i]:.2g} %" if self.relative[i] and np.isfinite(self.sd[i]) else "-"
            others = np.abs(np.where(np.isnan(self.correlation[i]), 0.0, self.correlation[i]))
            others[i] = 0.0
            j = int(np.argmax(others))
            tied = f"{self.names[j]} ({self.correlation[i, j]:+.3f})" if others[j] > 0 else "-"
            bound = " (at a bound)" if name.split("[")[0] in self.at_bound else ""
            rows.append((name + bound, f"{self.values[i]:.6g}", f"{self.sd[i]:.2g}", self.units[i] or "-", share, tied))
        return rows

    def _notes(self) -> list[str]:
        notes = [
            f"{self.data} data; assumed: {self.noise}; misfit {self.misfit:.3g} per degree of freedom",
            f"{self.rank} of {self.sd.size} directions determined, condition {self.condition:.2g}",
        ]
        if self.sd.size > 1:
            notes.append(f"sloppiest: {self.sloppy(1)[0]}")
        return notes

    def __repr__(self) -> str:
        return "\n".join([as_text(_HEADER, self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        return as_html(_HEADER, self._rows()) + "".join(f"<p>{note}</p>" for note in self._notes())


def uncertainty(source: Task | HasTask) -> Uncertainty:
    """How well the data determine the trained parameters, by the Fisher information `J^T J` at the optimum, with the forward-mode Jacobian J of what is
    measured in units of its noise; propagated from the trained space to the values by their derivative (delta method).

    A bound, and exact for a linear model only: `profile` shows intervals of a nonlinear one. Samples count as independent, so a filtered recording
    tells less than it says; the priors among the objectives count as data.

    Sources: Rao (1945), Bull. Calcutta Math. Soc. 37:81; sloppiness: Gutenkunst et al. (2007), PLoS Comput. Biol. 3:e189.

    **Arguments:** `source`: the result of a fit, or a `Task` at the optimum.

    **Raises:** `ValueError` for an objective that is no likelihood; when spikes carry no derivative, and when the derivative is not finite, naming the
    parameters.
    """
    task = as_task(source)
    check_likelihood(task)
    theta = task.encode()
    found, misfit = measured_jacobian(task, theta)
    at, matrix = Coordinates.of(task, theta), np.asarray(found, float)
    bad = [name for name, column in zip(at.names, matrix.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise ValueError(
            f"the derivative of what is measured is not finite with respect to {', '.join(bad)}; see gradient_health"
        )
    values, directions = decompose(matrix * (at.scale / at.slope))
    rank = int(np.sum(values > small(found.dtype) * values[0])) if values[0] > 0 else 0
    covariance, determined = covariance_of(values[:rank], directions, float(np.sqrt(small(found.dtype))))
    covariance *= np.outer(at.scale, at.scale)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    np.fill_diagonal(correlation, 1.0)
    unknown = ~determined
    correlation[unknown], correlation[:, unknown] = np.nan, np.nan
    covariance[unknown], covariance[:, unknown] = np.nan, np.nan
    covariance[unknown, unknown] = np.inf
    data = int(np.any(matrix != 0, axis=1).sum())
    return Uncertainty(
        at.names,
        at.units,
        at.values,
        np.where(determined, sd, np.inf),
        covariance,
        correlation,
        at.scale,
        at.relative,
        np.concatenate([values[:rank] ** 2, np.zeros(values.size - rank)]),
        directions,
        rank,
        at_bound(task, theta),
        float(np.sum(np.asarray(misfit, float) ** 2) / max(data - rank, 1)),
        data,
        describe_noise(task.objectives),
    )


def covariance_of(values: np.ndarray, directions: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """From the singular values that are not null and all directions; and which parameters have no part in a null one."""
    rank = values.size
    part = directions[:rank] / values[:, None]
    determined = np.sqrt(np.sum(directions[rank:] ** 2, axis=0)) < tolerance
    covariance = part.T @ part
    covariance[np.diag_indices_from(covariance)] += np.where(determined, 0.0, 1.0)  # overwritten; keeps divisions quiet
    return covariance, determined


def describe_noise(objectives: Sequence[AbstractObjective]) -> str:
    """What the objectives assume of their noise, in words."""
    counts: dict[str, dict[str, int]] = {}
    for objective in objectives:
        said = [
            f"{name} {np.max(np.asarray(getattr(objective, name))):.3g}{unit}"
            for name, unit in (("noise", ""), ("jitter", " ms"))
            if hasattr(objective, name)
        ]
        kind = str(objective.noise_model)
        text = " ".join([type(objective).__name__, *said])
        of_kind = counts.setdefault(kind, {})
        of_kind[text] = of_kind.get(text, 0) + 1
    return " and ".join(
        f"{kind} ({', '.join(text if count == 1 else f'{count} {text}' for text, count in of_kind.items())})"
        for kind, of_kind in counts.items()
    )
