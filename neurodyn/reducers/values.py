"""Features of one state or observable."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .._parameter import parameter
from .._reducer import AbstractReducer, Samples
from .._types import BoolArray, FloatArray, IntArray, Parameter
from .window import AbstractWindowed, along


class _AbstractOfPath(AbstractReducer):
    path: eqx.AbstractVar[str]

    def needs(self) -> tuple[str, ...]:
        return (self.path,)

    def _only(self, samples: Samples) -> FloatArray:
        if self.path not in samples.values:
            raise ValueError(f"{type(self).__name__}({self.path!r}) is not allowed: must name one state or observable")
        return samples.values[self.path]


class Mean(_AbstractOfPath, AbstractWindowed):
    """The average of a state or observable over the steps from `start` to `stop` (trapezoidal rule)."""

    path: str = eqx.field(static=True, default="v")
    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def init(self, first: Samples) -> Any:
        x = self._only(first)[0]
        return jnp.asarray(0, int), jnp.zeros_like(x), x

    def update(self, carry: Any, samples: Samples) -> Any:
        count, mean, begin = carry
        x = self._only(samples)
        middle = (x + jnp.concatenate([begin[None], x[:-1]])) / 2
        return *_averaged(count, mean, middle, self._steps(samples)), x[-1]

    def result(self, carry: Any) -> Any:
        count, mean, _ = carry
        return jnp.where(count > 0, mean, jnp.nan)


class StandardDeviation(_AbstractOfPath, AbstractWindowed):
    """The standard deviation of a state or observable over the instants from `start` to `stop` (divided by their number)."""

    path: str = eqx.field(static=True, default="v")
    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def init(self, first: Samples) -> Any:
        zero = jnp.zeros_like(self._only(first)[0])
        return self.update((jnp.asarray(0, int), zero, zero), first)

    def update(self, carry: Any, samples: Samples) -> Any:
        # Chan's formula: a difference of two large sums of squares would lose everything in float32.
        count, mean, square = carry
        x, inside = self._only(samples), self._instants(samples)
        more, middle = _averaged(jnp.asarray(0, int), jnp.zeros_like(mean), x, inside)
        within = jnp.sum(jnp.where(along(inside, x), (x - middle) ** 2, 0.0), axis=0)
        weight = count * more / jnp.maximum(count + more, 1)
        between = (middle - mean) ** 2 * weight.astype(x.dtype)
        return *_averaged(count, mean, x, inside), square + within + between

    def result(self, carry: Any) -> Any:
        count, _, square = carry
        varies = square > 0  # the root has no derivative at zero
        root = jnp.where(varies, jnp.sqrt(jnp.where(varies, square, 1.0) / jnp.maximum(count, 1)), 0.0 * square)
        return jnp.where(count > 0, root, jnp.nan)


class Minimum(_AbstractOfPath, AbstractWindowed):
    """The smallest value of a state or observable at any instant from `start` to `stop`."""

    path: str = eqx.field(static=True, default="v")
    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def init(self, first: Samples) -> Any:
        return self.update(jnp.full_like(self._only(first)[0], jnp.inf), first)

    def update(self, carry: Any, samples: Samples) -> Any:
        x = self._only(samples)
        inside = along(self._instants(samples), x)
        return jnp.minimum(carry, jnp.min(jnp.where(inside, x, jnp.inf), axis=0))

    def result(self, carry: Any) -> Any:
        return jnp.where(carry < jnp.inf, carry, jnp.nan)


class Maximum(_AbstractOfPath, AbstractWindowed):
    """The largest value of a state or observable at any instant from `start` to `stop`."""

    path: str = eqx.field(static=True, default="v")
    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def init(self, first: Samples) -> Any:
        return self.update(jnp.full_like(self._only(first)[0], -jnp.inf), first)

    def update(self, carry: Any, samples: Samples) -> Any:
        x = self._only(samples)
        inside = along(self._instants(samples), x)
        return jnp.maximum(carry, jnp.max(jnp.where(inside, x, -jnp.inf), axis=0))

    def result(self, carry: Any) -> Any:
        return jnp.where(carry > -jnp.inf, carry, jnp.nan)


class TimeAbove(_AbstractOfPath, AbstractWindowed):
    """The fraction of the time from `start` to `stop` for which a state or observable is above `threshold`, by straight lines from
    step to step; differentiable."""

    path: str = eqx.field(static=True, default="v")
    threshold: Parameter = parameter(0.0)
    start: Parameter = parameter(-math.inf, unit="ms", infinite=True)
    stop: Parameter = parameter(math.inf, unit="ms", infinite=True)

    def init(self, first: Samples) -> Any:
        x = self._only(first)[0]
        return jnp.asarray(0, int), jnp.zeros_like(x), x - self.threshold

    def update(self, carry: Any, samples: Samples) -> Any:
        count, mean, begin = carry
        after = self._only(samples) - self.threshold
        before = jnp.concatenate([begin[None], after[:-1]])
        crosses = (before > 0) != (after > 0)
        part = (jnp.maximum(after, 0.0) - jnp.maximum(before, 0.0)) / jnp.where(crosses, after - before, 1.0)
        above = jnp.where(crosses, part, (after > 0).astype(part.dtype))
        return *_averaged(count, mean, above, self._steps(samples)), after[-1]

    def result(self, carry: Any) -> Any:
        count, mean, _ = carry
        return jnp.where(count > 0, mean, jnp.nan)


class Last(_AbstractOfPath):
    """A state or observable at the end of the run."""

    path: str = eqx.field(static=True, default="v")

    def init(self, first: Samples) -> Any:
        return self._only(first)[-1]

    def update(self, carry: Any, samples: Samples) -> Any:
        del carry
        return self._only(samples)[-1]

    def result(self, carry: Any) -> Any:
        return carry


def _averaged(count: IntArray, mean: FloatArray, x: FloatArray, inside: BoolArray) -> tuple[IntArray, FloatArray]:
    """Number and mean of values, after those of `x` (shape (n, ...)) that are inside. A mean keeps its precision however long the
    run is, a sum does not."""
    more = jnp.sum(inside)
    total = jnp.sum(jnp.where(along(inside, x), x, 0.0), axis=0)
    share = (1 / jnp.maximum(count + more, 1)).astype(x.dtype)
    return count + more, mean + (total - more.astype(x.dtype) * mean) * share
