"""What a reducer is: a computation that goes along with a run, so that nothing of the run has to be stored."""

from abc import abstractmethod
from typing import Any

import equinox as eqx

from ._types import BoolArray, FloatArray


class Samples(eqx.Module):
    """A few consecutive steps of a run.

    **Fields:**

    - `ts`: the steps' ends, ms, shape (n,).
    - `values`: what the reducer's `needs` asked for, by path, at the steps' ends, shape (n, ...).
    - `fired`: whether each unit of a smooth model fired in each step, shape (n, ...); None for another.
    - `margin`: how far each unit of a smooth model is above its threshold at the steps' ends, shape (n, ...). That at the beginning of the first step is
        the last one of the `Samples` before.
    - `spikes`: the spikes of each unit of a resetting model in each step, ms, in order and padded with inf, shape (n, slots, ...); None for another.
    - `emitted`: what each unit of a resetting model emitted in each step, with the derivative of a surrogate, shape (n, ...); None without one.
    """

    ts: FloatArray
    values: dict[str, FloatArray]
    fired: BoolArray | None = None
    margin: FloatArray | None = None
    spikes: FloatArray | None = None
    emitted: FloatArray | None = None


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
