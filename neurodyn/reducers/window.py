"""The part of a run that a reducer looks at."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.core import Tracer

from .._parameter import Parameterised
from .._reducer import AbstractReducer, Samples
from .._types import BoolArray, FloatArray, Parameter


class AbstractWindowed(AbstractReducer, Parameterised):
    """A reducer of what happens from `start` to `stop` ms.

    **Raises:** `ValueError` when built with a window that ends before it begins.
    """

    start: eqx.AbstractVar[Parameter]
    stop: eqx.AbstractVar[Parameter]

    def __check_init__(self):
        if any(isinstance(x, Tracer) for x in (self.start, self.stop)):
            return
        if jnp.any(self.start >= self.stop):  # not a number is another matter
            raise ValueError(
                f"{type(self).__name__}.start = {self.start} ms is not allowed: must be < stop = {self.stop} ms"
            )

    def _steps(self, samples: Samples) -> BoolArray:
        """Which of the steps belong to the window, shape (n,)."""
        return (samples.ts > self.start) & (samples.ts <= self.stop)

    def _instants(self, samples: Samples) -> BoolArray:
        """Which of the steps' ends belong to the window, shape (n,)."""
        return (samples.ts >= self.start) & (samples.ts <= self.stop)


def along(x: Any, like: FloatArray | BoolArray) -> Any:
    """An array of shape (n,) or (n, ...) for arithmetic with one of shape (n, ...)."""
    return x.reshape(x.shape + (1,) * (like.ndim - x.ndim))
