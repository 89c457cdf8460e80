"""A stimulus given by a table: a recorded command, or noise made elsewhere."""

import math
from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._parameter import check_positive, parameter
from .._types import FloatArray, Parameter, RealScalar
from .base import AbstractStimulus, Instant, grid


class Samples(AbstractStimulus):
    """Equally spaced samples, each held for `dt` ms like a converter's output: `values[i]` from `start + i dt` on; zero before the first
    and after the last has been held.

    **Fields:** `values` shape (n,) or (n, units), in the unit of what is driven (see `Step`; a command in pA goes into a cell with a shape as `1e-3 * Samples(...)`);
    `dt` ms, a Python number; `start` ms.
    """

    values: Parameter = parameter(trainable=False)
    dt: float = eqx.field(static=True)  # pyright: ignore[reportGeneralTypeIssues]
    start: Parameter = parameter(0.0, unit="ms", trainable=False)

    def __check_init__(self):
        check_positive("Samples.dt", self.dt, "ms")
        if not isinstance(self.values, jax.Array) or self.values.ndim == 0 or self.values.shape[0] == 0:
            raise ValueError(
                "Samples.values is not allowed: must be an array of at least one sample along its first axis"
            )

    @property
    def duration(self) -> float:
        """How long the samples last, in ms."""
        return self.values.shape[0] * self.dt

    def _sample(self, index: jax.Array) -> FloatArray:
        n = self.values.shape[0]
        inside = (index >= 0) & (index < n)
        value = self.values[jnp.clip(index, 0, n - 1)]
        return jnp.where(inside.reshape(inside.shape + (1,) * (value.ndim - inside.ndim)), value, 0.0)

    def _position(self, time: Instant) -> tuple[jax.Array | int, FloatArray]:
        """The time since `start` in samples, as a whole number and the rest, which may be of any size and sign.

        The steps of a run are counted in whole numbers, or float32 would lose the sample after some seconds of model time.
        """
        ratio = _as_number(time.dt) / self.dt
        near = Fraction(ratio).limit_denominator(max(1, int(math.sqrt(2**31 / max(ratio, 1.0))) - 1))
        cycles, steps = time.steps // near.denominator, time.steps % near.denominator
        whole = cycles * near.numerator + steps * near.numerator // near.denominator
        part = jnp.asarray(steps * near.numerator % near.denominator, self.start.dtype) / near.denominator
        part += jnp.asarray(time.steps, self.start.dtype) * (ratio - float(near))
        return whole, part + ((time.origin - self.start) + time.offset) / self.dt

    def at(self, time: Instant) -> FloatArray:
        whole, part = self._position(time)
        # A hair of slack: on its own edge a sample has begun, whatever the rounding.
        slack = 16 * float(np.finfo(self.values.dtype).eps)
        return self._sample(whole + jnp.floor(part + slack * (1 + jnp.abs(part))).astype(int))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        whole, part = self._position(time)
        first = jnp.floor(jax.lax.stop_gradient(part))
        known = not isinstance(width, Tracer)
        span = (_as_number(width) if known else width) / self.dt
        longest = span if known else _longest(time) / self.dt
        index = jnp.arange(math.ceil(longest) + 1)  # samples an interval can touch
        edge = index.astype(part.dtype) - (part - first)  # from the interval's beginning, in samples
        inside = jnp.clip(edge + 1, 0.0, span) - jnp.clip(edge, 0.0, span)
        return jnp.tensordot(inside / span, self._sample(whole + first.astype(int) + index), axes=1)

    def edges(self) -> FloatArray:
        return grid(self.start, self.dt, self.values.shape[0] + 1)


def _longest(time: Instant) -> float:
    if time.longest == 0.0:
        raise ValueError("Samples need intervals of fixed width (a Python number)")
    return time.longest


def _as_number(width: RealScalar) -> float:
    try:
        return float(width)
    except jax.errors.ConcretizationTypeError:
        raise ValueError("Samples need steps of fixed width (a Python number)") from None
