"""What split solvers share."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import Problem
from .._types import RealScalar, State


def advance_group(
    problem: Problem, t: RealScalar, y: State, drive: Any, groups: Any, group: int, dt: RealScalar
) -> State:
    """Move the leaves of one group and leave the rest; what the rest would need is not computed (XLA drops it)."""
    moved = problem.model.dynamics(t, y, drive).advance(y, dt)
    return jtu.tree_map(lambda g, old, new: new if g == group else old, groups, y, moved)


def is_own_term(terms: Any, t: Any, y: State, problem: Problem) -> jax.Array:
    """Whether a Diffrax term is the model's own: the split solvers look at the model only, and Diffrax solves backwards in time by negating the
    term, which an exponential step would not notice."""
    given, expected = terms.vf(t, y, problem), problem.model.dynamics(t, y, problem.drive(t)).slope
    same = [jnp.all(a == b) for a, b in zip(jtu.tree_leaves(given), jtu.tree_leaves(expected), strict=True)]
    return jnp.all(jnp.stack(same))
