"""How far one parameter can be moved while the others make up for it: the profile likelihood."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from ..._parameter import check_positive, check_whole
from ..._table import as_text
from ..search import Ends, Polish
from ..search.phase import exact_losses
from ..task import Task
from .coordinates import HasTask, as_task, check_likelihood, element_names, measured_jacobian
from .pinned import Pinned


CHI2_95 = 3.841458820694124  # of one degree of freedom
_BLOCK = 4  # points that are added at once where an interval is open
_SETTLED = 1e-3  # of chi squared: a point that gains less by a step is done
_COARSE = 1.6  # in standard deviations: a wider gap around the end of an interval is looked into
_FAR = 2.0  # as far as a linear prediction is trusted, in natural units


@dataclasses.dataclass(frozen=True)
class Profile:
    """The likelihood of one parameter, all others being as good as they can.

    **Fields:**

    - `path`, `unit`: of the parameter.
    - `values`: where it was held, rising, shape (n,).
    - `chi2`: minus twice the log likelihood above its minimum, shape (n,).
    - `others`: the values of the other parameters there, by path, shape (n, ...).
    - `estimate`: the best value.
    - `lower`, `upper`: where `chi2` passes `threshold` (3.84: a confidence of 95 %), infinite where it does not within the values.
    - `settled`: whether each point came to rest, shape (n,); one that did not is too high.
    """

    path: str
    unit: str
    values: np.ndarray
    chi2: np.ndarray
    others: dict[str, np.ndarray]
    estimate: float
    lower: float
    upper: float
    threshold: float
    settled: np.ndarray

    @property
    def open(self) -> tuple[bool, bool]:
        """Whether the interval has no end below, and above, within the values looked at: not identifiable in practice."""
        return not np.isfinite(self.lower), not np.isfinite(self.upper)

    @property
    def flat(self) -> bool:
        """Whether the whole profile stays within a tenth of the threshold: the others make up for any value, not identifiable by structure."""
        return bool(np.max(self.chi2) < 0.1 * self.threshold)

    def __repr__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        below, above = self.open
        if below or above:
            found = "open on both sides" if below and above else "open below" if below else "open above"
            ends = [format(x, ".5g") for x in (self.lower, self.upper) if np.isfinite(x)]
            said = f"{found}{', ends at ' + ends[0] + unit if ends else ''}: not identifiable{' (flat)' if self.flat else ''}"
        else:
            said = f"from {self.lower:.5g} to {self.upper:.5g}{unit}"
        first = f"{self.path} = {self.estimate:.6g}{unit}, 95 % interval {said}"
        rows = [
            (f"{v:.6g}", f"{x:.3g}", "" if s else "not settled")
            for v, x, s in zip(self.values, self.chi2, self.settled, strict=True)
        ]
        return f"{first}\n{as_text(('value', 'chi2', ''), rows)}"


def profile(
    source: Task | HasTask,
    path: str,
    values: Sequence[float] | None = None,
    *,
    width: float = 3.0,
    points: int = 11,
    extend: int = 2,
    steps: int = 40,
) -> Profile:
    """Profile likelihood of one parameter and its 95 % interval by the likelihood ratio: the parameter is held at several values and the others are
    fitted again at each, by Levenberg-Marquardt from where the linear model puts them and from where their neighbours ended.

    Source: Raue et al. (2009), Bioinformatics 25:1923.

    **Arguments:**

    - `source`: the result of a fit, or a `Task` at the optimum.
    - `path`: of a trained scalar.
    - `values`: where to hold it, in its unit. By default `points` of them, up to `width` standard deviations of the linear model to both sides.
    - `extend`: how often to go twice as far, four more points at a time, where the interval is open; not when `values` are given.
    - `steps`: Levenberg-Marquardt steps at most.

    **Raises:** `ValueError` for an objective that is no likelihood, for a path that is not a trained scalar and for values outside its range.
    """
    task = as_task(source)
    check_likelihood(task)
    check_whole("points", points, 3)
    check_whole("extend", extend, 0)
    check_whole("steps", steps)
    check_positive("width", float(width), "")
    theta = task.encode()
    if path not in theta or theta[path].ndim:
        scalars = ", ".join(sorted(name for name, x in theta.items() if x.ndim == 0))
        raise ValueError(f"path = {path!r} is not allowed: must be a trained scalar: {scalars}")
    walk = _Walk.begin(task, path, steps)
    if values is not None:
        walk.visit(_encoded(task, path, values))
        walk.refine()
        return walk.result()
    reach = width * walk.sd
    walk.visit(walk.centre + np.linspace(-reach, reach, points))
    for _ in range(extend):
        missing = [side for side, is_open in zip((-1, 1), walk.result().open, strict=True) if is_open]
        if not missing:
            break
        far = reach * (1 + np.arange(1, _BLOCK + 1) / _BLOCK)
        walk.visit(walk.centre + np.concatenate([side * far for side in missing]))
        reach *= 2
    walk.refine()
    return walk.result()


def _encoded(task: Task, path: str, values: Sequence[float]) -> np.ndarray:
    bijection, info = task.space.bijections[path], task.known()[path].info
    given = np.unique(np.asarray(values, float))
    lower, upper = max(info.lower, bijection.lower), min(info.upper, bijection.upper)
    if given.size < 3 or not np.isfinite(given).all() or given[0] <= lower or given[-1] >= upper:
        raise ValueError(
            f"values of {path} are not allowed: must be three numbers at least, between {lower:g} and {upper:g}"
        )
    return np.asarray(bijection.theta(jnp.asarray(given, task.encode()[path].dtype)), float)


@dataclasses.dataclass
class _Walk:
    """Everything of a profile that grows: `rows` are the points found (theta by column), `chi2` their sums of squared misfits."""

    task: Task
    path: str
    steps: int
    names: tuple[str, ...]
    unravel: Any
    best: np.ndarray  # the point of greatest likelihood
    lowest: float
    slope: np.ndarray  # how the others follow the one, d theta / d theta of it
    sd: float  # of the linear model, in natural units, no more than a sensible reach
    rows: np.ndarray
    chi2: np.ndarray
    settled: np.ndarray

    @classmethod
    def begin(cls, task: Task, path: str, steps: int) -> "_Walk":
        vector, unravel = jax.flatten_util.ravel_pytree(task.encode())
        names = element_names(task.encode())
        walk = cls(
            task,
            path,
            steps,
            names,
            unravel,
            np.asarray(vector, float),
            np.inf,
            np.zeros(vector.size),
            1.0,
            np.zeros((0, vector.size)),
            np.zeros(0),
            np.zeros(0, bool),
        )
        # The least loss of a fit is not always the greatest likelihood: weights and shares differ.
        rows, chi2, _ = walk._descend(walk.best[None], None)
        walk.best, walk.lowest = rows[0], float(chi2[0])
        matrix = np.asarray(measured_jacobian(task, unravel(jnp.asarray(rows[0], vector.dtype)))[0], float)
        if not np.isfinite(matrix).all():
            raise ValueError("the derivative of what is measured is not finite at the optimum; see gradient_health")
        covariance = np.linalg.pinv(matrix.T @ matrix + 1e-2 * np.eye(vector.size), hermitian=True)
        column = covariance[:, walk.place]
        walk.slope, walk.sd = column / column[walk.place], float(min(np.sqrt(column[walk.place]), 0.5))
        return walk

    @property
    def place(self) -> int:
        return self.names.index(self.path)

    @property
    def centre(self) -> float:
        return float(self.best[self.place])

    def visit(self, held: np.ndarray) -> None:
        """Fit the others at some values of the parameter, given as theta."""
        rows = self.best + np.clip(np.outer(held - self.centre, self.slope), -_FAR, _FAR)
        rows[:, self.place] = held
        rows, chi2, settled = self._descend(rows, self.path)
        order = np.argsort(np.concatenate([self.rows[:, self.place], held]), kind="stable")
        self.rows = np.concatenate([self.rows, rows])[order]
        self.chi2, self.settled = (
            np.concatenate([self.chi2, chi2])[order],
            np.concatenate([self.settled, settled])[order],
        )
        self._from_neighbours()

    def refine(self) -> None:
        """More points where the profile rises too fast, a lost spike say, to tell where it passes the threshold."""
        for _ in range(2):
            held, z = self.rows[:, self.place], np.sqrt(np.maximum(self.chi2 - self.chi2.min(), 0.0))
            more = []
            for side in (-1, 1):
                bracket = _bracket(held, z, self.centre, side)
                if bracket is not None and bracket[1][1] - bracket[1][0] > _COARSE:
                    more.append(np.linspace(bracket[0][0], bracket[0][1], _BLOCK + 2)[1:-1])
            if not more:
                break
            self.visit(np.concatenate(more))

    def _from_neighbours(self) -> None:
        """Once more from where a neighbour's others would be better: a profile is continuous."""
        n = self.chi2.size
        for shift in (1, -1):
            from_places = np.clip(np.arange(n) + shift, 0, n - 1)
            tried = self.rows[from_places].copy()
            tried[:, self.place] = self.rows[:, self.place]
            better = self._losses(tried) < self.chi2 - 0.01
            if better.any():
                rows, chi2, settled = self._descend(tried[better], self.path)
                self.rows[better], self.chi2[better], self.settled[better] = rows, chi2, settled

    def _pinned(self, held: str | None) -> Pinned:
        return Pinned.of(self.task, held)

    def _theta(self, rows: np.ndarray) -> dict[str, jnp.ndarray]:
        like, _ = jax.flatten_util.ravel_pytree(self.task.encode())
        return jax.vmap(self.unravel)(jnp.asarray(rows, like.dtype))

    def _losses(self, rows: np.ndarray) -> np.ndarray:
        """Sums of squares, in blocks of one size, since another would be compiled again."""
        pinned, losses = self._pinned(self.path), []
        for first in range(0, len(rows), 4 * _BLOCK):
            part = rows[first : first + 4 * _BLOCK]
            full = self._theta(np.resize(part, (4 * _BLOCK, rows.shape[1])))
            losses.append(np.asarray(exact_losses(pinned, full), float)[: len(part)])
        return np.concatenate(losses)

    def _descend(self, rows: np.ndarray, held: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points of least misfit from some points, their sums of squares, and whether they came to rest."""
        count = len(rows)
        pinned, phase = self._pinned(held), Polish(count=self.steps, kept=max(count, _BLOCK), annealed=False)
        padded = np.concatenate([rows, np.repeat(rows[:1], max(0, _BLOCK - count), axis=0)])
        state = phase.begin(pinned, Ends(self._theta(padded), np.arange(len(padded)), np.zeros(len(padded))))
        state["done"][count:] = True
        for step in range(self.steps):
            before = state["loss"]
            state, _ = phase.step(pinned, state, self.steps)  # so late no point is given up
            # The phase stops at a relative gain, which of many samples is not small for a chi squared, and of exact data never comes.
            gain = before - np.minimum(state["loss"], before) if step else np.full(len(padded), np.inf)
            state["done"] = (state["done"] & (gain < _SETTLED)) | ((gain > 0) & (gain < _SETTLED))
            if phase.finished(state):
                break
        found = np.asarray(jax.vmap(lambda x: jax.flatten_util.ravel_pytree(x)[0])(state["theta"]), float)
        return found[:count], state["loss"][:count], state["done"][:count]

    def result(self) -> Profile:
        theta = self._theta(self.rows)
        values = jax.vmap(self.task.space.values)(theta)
        at, least = int(np.argmin(self.chi2)), float(np.min(self.chi2))
        best, lowest = (self.rows[at], least) if least < self.lowest - 0.01 else (self.best, min(self.lowest, least))
        known = self.task.known()[self.path].info
        held = self.rows[:, self.place]
        z = np.sqrt(np.maximum(self.chi2 - lowest, 0.0))
        ends = [_passes(held, z, best[self.place], side) for side in (-1, 1)]
        value = self.task.space.bijections[self.path].value
        lower, upper = (float(value(jnp.asarray(e))) if np.isfinite(e) else e for e in ends)
        return Profile(
            self.path,
            known.unit,
            np.asarray(values[self.path], float),
            self.chi2 - lowest,
            {path: np.asarray(x) for path, x in values.items() if path != self.path},
            float(value(jnp.asarray(best[self.place]))),
            lower,
            upper,
            CHI2_95,
            self.settled,
        )


def _bracket(held: np.ndarray, z: np.ndarray, centre: float, side: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The two points, and their roots of chi squared, between which it first passes the threshold on one side of the optimum; None if it does not."""
    beyond = side * (held - centre) > 0
    x, y = held[beyond][::side], z[beyond][::side]
    x, y = np.concatenate([[centre], x]), np.concatenate([[0.0], y])
    over = np.flatnonzero(y >= np.sqrt(CHI2_95))
    return None if not over.size else (x[over[0] - 1 : over[0] + 1], y[over[0] - 1 : over[0] + 1])


def _passes(held: np.ndarray, z: np.ndarray, centre: float, side: int) -> float:
    """Where the root of chi squared, nearly a straight line, passes the threshold on one side; infinite where it does not."""
    bracket = _bracket(held, z, centre, side)
    return side * np.inf if bracket is None else float(np.interp(np.sqrt(CHI2_95), bracket[1], bracket[0]))
