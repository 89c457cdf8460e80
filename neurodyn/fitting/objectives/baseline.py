"""A constant drive."""

from typing import Any

import jax.numpy as jnp
import jax.tree_util as jtu

from ..._parameter import parameter
from ..._stimulus import AbstractStimulus, Drives, Instant
from ..._types import FloatArray, Parameter, RealScalar


class Baseline(AbstractStimulus):
    """The same value always: the current that a seal leaks or an amplifier holds."""

    value: Parameter = parameter(0.0)

    def at(self, time: Instant) -> FloatArray:
        return self.value

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return self.value

    def edges(self) -> FloatArray:
        return jnp.zeros((0,), self.value.dtype)


def with_baseline(stimulus: AbstractStimulus, value: FloatArray) -> AbstractStimulus:
    """A stimulus and a constant drive besides; of several inputs the first one that is named gets it."""
    drives = [x for x in jtu.tree_leaves(stimulus, is_leaf=_is_drives) if _is_drives(x)]
    if not drives:
        return stimulus + Baseline(value)
    first, *_ = drives[0].terms
    return stimulus + Drives(**{first: Baseline(value)})


def _is_drives(x: Any) -> bool:
    return isinstance(x, Drives)
