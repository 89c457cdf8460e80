"""A computation of one's own."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu

from .._reducer import AbstractReducer, Samples


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
