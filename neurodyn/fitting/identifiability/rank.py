"""Which combinations of parameters an experiment cannot tell apart."""

import dataclasses

import numpy as np

from ..task import Task
from .coordinates import element_names, response_jacobian, small


@dataclasses.dataclass(frozen=True)
class RankReport:
    """What the experiments can determine near a model.

    **Fields:**

    - `rank`: of the Jacobian of the model's responses with respect to the trained parameters, of `size` columns.
    - `singular_values`: in falling order, relative to the largest.
    - `null_directions`: for each combination that changes nothing, the share of each parameter in it, by path, largest first.
    """

    rank: int
    size: int
    singular_values: np.ndarray
    null_directions: tuple[dict[str, float], ...]

    def __str__(self) -> str:
        if self.rank == self.size:
            return f"all {self.size} trained parameters make a difference of their own"
        named = "; ".join(describe_direction(direction) for direction in self.null_directions)
        return f"only {self.rank} of {self.size} trained directions make a difference; these change nothing: {named}"


def rank_report(task: Task) -> RankReport:
    """The rank of what is free at the model given, by a singular value decomposition of the responses' forward-mode Jacobian.

    A direction counts as null below 1e-9 of the largest singular value in float64 and 2e-5 in float32.
    """
    theta = task.encode()
    found = response_jacobian(task, theta)
    matrix, n = np.asarray(found, dtype=float), found.shape[1]
    if not np.isfinite(matrix).all():
        return RankReport(0, n, np.zeros(n), ())
    values, directions = decompose(matrix)
    relative = values / values[0] if values[0] > 0 else values
    null = relative < small(found.dtype)
    names = element_names(theta)
    return RankReport(int(np.sum(~null)), n, relative, tuple(name_direction(d, names) for d in directions[null]))


def decompose(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All n singular values of a matrix of n columns in falling order, and as rows the directions that belong to them."""
    missing = max(0, matrix.shape[1] - matrix.shape[0])
    _, values, directions = np.linalg.svd(np.pad(matrix, ((0, missing), (0, 0))), full_matrices=False)
    return values, directions


def name_direction(direction: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """The shares above a tenth by name, largest first."""
    order = np.argsort(-np.abs(direction))
    return {names[i]: float(direction[i]) for i in order if abs(direction[i]) > 0.1}


def describe_direction(shares: dict[str, float]) -> str:
    """In one line: `+0.80 na.g -0.60 k.g`."""
    return " ".join(f"{share:+.2f} {name}" for name, share in shares.items())
