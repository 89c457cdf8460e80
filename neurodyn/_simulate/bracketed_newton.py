"""A root finder that is as fast as Newton's method and does not leave the interval that holds the root."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx

from .._types import BoolArray, FloatArray


class _Bracket(eqx.Module):
    lower: FloatArray
    upper: FloatArray
    last: FloatArray  # how far the last step went


class BracketedNewton(optx.AbstractRootFinder[Any, Any, Any, _Bracket]):
    """The root of a function of one number that is not positive at `options["lower"]` and positive at `options["upper"]`.

    A step of Newton's method that leaves the interval, or that does not halve the step before it, is replaced by a bisection: near the top of an excursion,
    or where the largest of several functions changes over from one to another, Newton's method alone is thrown far away.

    **Fields:** `rtol`, `atol`: of the root.
    """

    rtol: float
    atol: float
    norm: ClassVar[Callable[[Any], Any]] = jnp.abs

    def init(self, fn, y, args, options, f_struct, aux_struct, tags) -> _Bracket:
        del fn, args, f_struct, aux_struct, tags
        lower, upper = (jnp.asarray(options[end], y.dtype) for end in ("lower", "upper"))
        return _Bracket(lower, upper, jnp.asarray(jnp.inf, y.dtype))

    def step(self, fn, y, args, options, state: _Bracket, tags) -> tuple[FloatArray, _Bracket, Any]:
        del options, tags
        value, slope, aux = jax.jvp(lambda y: fn(y, args), (y,), (jnp.ones_like(y),), has_aux=True)
        lower, upper = jnp.where(value > 0, state.lower, y), jnp.where(value > 0, y, state.upper)
        newton = y - value / jnp.where(slope > 0, slope, 1.0)
        quick = (slope > 0) & (newton >= lower) & (newton <= upper) & (jnp.abs(newton - y) <= state.last / 2)
        following = jnp.where(quick, newton, (lower + upper) / 2)
        return following, _Bracket(lower, upper, jnp.abs(following - y)), aux

    def terminate(self, fn, y, args, options, state: _Bracket, tags) -> tuple[BoolArray, optx.RESULTS]:
        del fn, args, options, tags
        return state.last < self.atol + self.rtol * jnp.abs(y), optx.RESULTS.successful

    def postprocess(self, fn, y, aux, args, options, state, tags, result) -> tuple[FloatArray, Any, dict[str, Any]]:
        del fn, args, options, state, tags, result
        return y, aux, {}
