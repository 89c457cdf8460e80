"""Which combinations of parameters an experiment cannot tell apart."""

import dataclasses

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from .._paths import named_leaves
from .._types import FloatArray
from .task import Task


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
        named = "; ".join(
            " ".join(f"{share:+.2f} {path}" for path, share in direction.items()) for direction in self.null_directions
        )
        return f"only {self.rank} of {self.size} trained directions make a difference; these change nothing: {named}"


def rank_report(task: Task) -> RankReport:
    """The rank of what is free at the model given, by a singular value decomposition of the responses' forward-mode Jacobian.

    A direction counts as null below 1e-9 of the largest singular value in float64 and 2e-5 in float32.
    """
    start = task.encode()
    theta, unravel = jax.flatten_util.ravel_pytree(start)
    matrix = np.asarray(_jacobian(task, theta, unravel), dtype=float)
    if not np.isfinite(matrix).all():
        return RankReport(0, theta.size, np.zeros(theta.size), ())
    _, values, directions = np.linalg.svd(matrix, full_matrices=False)
    relative = values / values[0] if values[0] > 0 else values
    tolerance = 1e-9 if theta.dtype == jnp.float64 else 2e-5
    names = [path for path, x in named_leaves(start).items() for _ in range(x.size)]
    null = tuple(_named(direction, names) for direction in directions[relative < tolerance])
    return RankReport(int(np.sum(relative >= tolerance)), theta.size, relative, null)


@eqx.filter_jit
def _jacobian(task: Task, theta: FloatArray, unravel) -> FloatArray:
    return jax.jacfwd(lambda theta: task.response(unravel(theta)))(theta)


def _named(direction: np.ndarray, names: list[str]) -> dict[str, float]:
    order = np.argsort(-np.abs(direction))
    return {names[i]: float(direction[i]) for i in order if abs(direction[i]) > 0.1}
