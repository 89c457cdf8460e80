"""Resets at the ends of steps."""

import jax.numpy as jnp

from ..._types import BoolArray, State
from .base import AbstractReset, Events, Span, at_end, jump


class GridReset(AbstractReset):
    """Spikes of resetting models happen at the end of the step in which the threshold was crossed.

    The classical scheme, which published reference results need. Spike times are first order in the step and carry no gradient; use it when
    neither matters.
    """

    def step(self, span: Span, y: State, failed: BoolArray) -> tuple[State, Events]:
        del failed  # there is one event at most
        y, margin = at_end(span, y)
        y, fired = jump(span.model, y, margin > 0)
        return y, Events(jnp.where(fired > 0, span.dt, jnp.inf).astype(margin.dtype)[None], jnp.asarray(False))
