"""A stimulus given by a table: a recorded command, or noise made elsewhere."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._parameter import parameter
from .._types import FloatArray, RealScalar
from .base import AbstractStimulus, Instant


class Samples(AbstractStimulus):
    """Equally spaced samples, each held for `dt` ms like a converter's output: `values[i]` from `start + i dt` on; zero before the first
    and after the last has been held.

    **Fields:** `values` shape (n,) or (n, units); `dt` ms, a Python number; `start` ms.
    """

    values: FloatArray = parameter(trainable=False)
    dt: float = eqx.field(static=True)
    start: FloatArray = parameter(0.0, unit="ms", trainable=False)

    def __check_init__(self):
        if isinstance(self.dt, bool) or not isinstance(self.dt, int | float) or not 0 < self.dt < math.inf:
            raise ValueError(f"Samples.dt = {self.dt!r} ms is not allowed: must be a finite Python number > 0")
        if not isinstance(self.values, jax.Array) or self.values.ndim == 0 or self.values.shape[0] == 0:
            raise ValueError("Samples.values is not allowed: must be an array of at least one sample along its first axis")

    @property
    def duration(self) -> float:
        """How long the samples last, in ms."""
        return self.values.shape[0] * self.dt

    def _sample(self, index: jax.Array) -> FloatArray:
        n = self.values.shape[0]
        inside = (index >= 0) & (index < n)
        value = self.values[jnp.clip(index, 0, n - 1)]
        return jnp.where(inside.reshape(inside.shape + (1,) * (value.ndim - inside.ndim)), value, 0.0)

    def at(self, time: Instant) -> FloatArray:
        # A hair of slack: on its own edge a sample has begun, whatever the rounding.
        slack = 16 * float(np.finfo(self.values.dtype).eps)
        return self._sample(jnp.floor(time.since(self.start) / self.dt * (1 + slack) + slack).astype(int))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        begin = time.since(self.start)
        first = jnp.floor(jax.lax.stop_gradient(begin) / self.dt).astype(int)
        count = math.ceil(_as_number(width) / self.dt) + 1  # samples an interval can touch
        index = first + jnp.arange(count)
        edge = index * self.dt - begin  # from the interval's beginning
        inside = jnp.clip(edge + self.dt, 0.0, width) - jnp.clip(edge, 0.0, width)
        values = self._sample(index)
        return jnp.tensordot(inside / width, values, axes=1)

    def edges(self) -> FloatArray:
        return self.start + self.dt * jnp.arange(self.values.shape[0] + 1)


def _as_number(width: RealScalar) -> float:
    try:
        return float(width)
    except jax.errors.ConcretizationTypeError:
        raise ValueError("the average of Samples needs an interval of fixed width (a Python number)") from None
