"""A task in which some of the trained parameters keep their place."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._types import FloatArray, RealScalar
from ..task import Task


class Pinned(eqx.Module):
    """The `SumsOfSquares` that `Polish` needs: minus twice the log likelihood as a loss, in which parameters that are not `free` (1 by path, else 0) have no
    derivative and so are not moved. Which ones is a traced number: one compiled program serves all profiles."""

    task: Task
    free: dict[str, FloatArray]

    @classmethod
    def of(cls, task: Task, pinned: str | None = None) -> "Pinned":
        return cls(task, {path: jnp.asarray(float(path != pinned)) for path in task.space.bijections})

    def exact_residuals(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """The misfits, shape (n,)."""
        held = {path: jax.lax.stop_gradient(x) for path, x in theta.items()}
        return self.task.misfit({path: held[path] + self.free[path] * (x - held[path]) for path, x in theta.items()})

    def residuals(self, theta: Mapping[str, FloatArray], fraction: RealScalar) -> FloatArray:
        """Those of the end, whatever part of a fit is over."""
        del fraction
        return self.exact_residuals(theta)

    def loss(self, theta: Mapping[str, FloatArray], fraction: RealScalar) -> FloatArray:
        """That of the end, whatever part of a fit is over."""
        del fraction
        return self.exact_loss(theta)

    def exact_loss(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """The sum of squared misfits, a scalar."""
        return jnp.sum(self.exact_residuals(theta) ** 2)
