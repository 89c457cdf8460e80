"""What can be computed of a run while it goes on, so that nothing of it has to be stored."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu

from ._types import BoolArray, FloatArray


class Samples(eqx.Module):
    """A few consecutive steps of a run.

    **Fields:**

    - `ts`: the steps' ends, ms, shape (n,).
    - `values`: what the reducer's `needs` asked for, by path, shape (n, ...).
    - `fired`: whether each unit fired in each step, shape (n, ...); None for a model without spikes.
    """

    ts: FloatArray
    values: dict[str, FloatArray]
    fired: BoolArray | None


class AbstractReducer(eqx.Module):
    """A running computation over the steps of a run."""

    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Paths or patterns of the states and observables it looks at."""

    @abstractmethod
    def init(self, first: Samples) -> Any:
        """What it starts from, given the instant at which the run begins (one sample, in which nothing fired)."""

    @abstractmethod
    def update(self, carry: Any, samples: Samples) -> Any:
        """What it knows after some more steps."""

    @abstractmethod
    def result(self, carry: Any) -> Any:
        """What it returns in the end."""


class SpikeCount(AbstractReducer):
    """How often each unit fired between `start` and `stop` (ms)."""

    start: float = -jnp.inf
    stop: float = jnp.inf

    def needs(self) -> tuple[str, ...]:
        return ()

    def init(self, first: Samples) -> Any:
        return jnp.sum(self._counted(first), axis=0)

    def update(self, carry: Any, samples: Samples) -> Any:
        return carry + jnp.sum(self._counted(samples), axis=0)

    def result(self, carry: Any) -> Any:
        return carry

    def _counted(self, samples: Samples) -> BoolArray:
        if samples.fired is None:
            raise ValueError("SpikeCount is not allowed for a model that emits no spikes")
        inside = (samples.ts > self.start) & (samples.ts <= self.stop)
        return samples.fired & inside.reshape((-1,) + (1,) * (samples.fired.ndim - 1))


class _AbstractOfPath(AbstractReducer):
    path: eqx.AbstractVar[str]

    def needs(self) -> tuple[str, ...]:
        return (self.path,)

    def _only(self, samples: Samples) -> FloatArray:
        if self.path not in samples.values:
            raise ValueError(f"{type(self).__name__}({self.path!r}) is not allowed: must name one state or observable")
        return samples.values[self.path]


class Mean(_AbstractOfPath):
    """The average of a state or observable over the run (trapezoidal rule)."""

    path: str = eqx.field(static=True, default="v")

    def init(self, first: Samples) -> Any:
        x = self._only(first)[0]
        return jnp.zeros_like(x), x, x, jnp.asarray(0, int)

    def update(self, carry: Any, samples: Samples) -> Any:
        total, begin, _, n = carry
        x = self._only(samples)
        return total + jnp.sum(x, axis=0), begin, x[-1], n + x.shape[0]

    def result(self, carry: Any) -> Any:
        total, begin, end, n = carry
        return (total + (begin - end) / 2) / n


class Minimum(_AbstractOfPath):
    """The smallest value of a state or observable at any step."""

    path: str = eqx.field(static=True, default="v")

    def init(self, first: Samples) -> Any:
        return self._only(first)[0]

    def update(self, carry: Any, samples: Samples) -> Any:
        return jnp.minimum(carry, jnp.min(self._only(samples), axis=0))

    def result(self, carry: Any) -> Any:
        return carry


class Maximum(_AbstractOfPath):
    """The largest value of a state or observable at any step."""

    path: str = eqx.field(static=True, default="v")

    def init(self, first: Samples) -> Any:
        return self._only(first)[0]

    def update(self, carry: Any, samples: Samples) -> Any:
        return jnp.maximum(carry, jnp.max(self._only(samples), axis=0))

    def result(self, carry: Any) -> Any:
        return carry


class Running(AbstractReducer):
    """Any other running computation.

    **Fields:**

    - `start`: what it starts from: a pytree of arrays.
    - `advance`: called with what it knows and the next `Samples`, it returns what it knows then: a pytree of the same structure.
    - `paths`: paths or patterns of the states and observables it looks at.
    """

    start: Any
    advance: Callable[[Any, Samples], Any] = eqx.field(static=True)
    paths: tuple[str, ...] = eqx.field(static=True, default=("v",))

    def needs(self) -> tuple[str, ...]:
        return self.paths

    def init(self, first: Samples) -> Any:
        del first
        return jtu.tree_map(jnp.asarray, self.start)

    def update(self, carry: Any, samples: Samples) -> Any:
        return self.advance(carry, samples)

    def result(self, carry: Any) -> Any:
        return carry
