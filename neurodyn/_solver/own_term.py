"""Whether a Diffrax term is what a solver that looks into the model takes it for."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import AbstractProblem
from .._types import State


def is_own_term(terms: Any, t0: Any, t1: Any, y: State, problem: AbstractProblem) -> jax.Array:
    """Whether a term is the model's own and time runs forward: Diffrax solves backwards in time with a negative control, which an exponential step would not notice,
    and for which the coupling of voltages, which the model gives, would have the wrong sign. A slope that is NaN is no reason to doubt it."""
    given, expected = terms.vf(t0, y, problem), problem.dynamics(t0, y).slope
    pairs = zip(jtu.tree_leaves(given), jtu.tree_leaves(expected), strict=True)
    same = [jnp.all((a == b) | jnp.isnan(a)) for a, b in pairs]
    return jnp.all(jnp.stack(same)) & (terms.contr(t0, t1) > 0)
