"""The unconstrained space in which parameters are trained."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from .._parameter import NamedParameter, ParameterInfo, check_value, parameters, replace_leaves
from .._paths import match, named_leaves
from .._types import FloatArray


_EDGE = 0.995  # how close to a bound of its box a value counts as being there, in the argument of tanh's range


class Bijection(eqx.Module):
    """A one-to-one map from the real line to the values a parameter may take; a unit step is a sensible change.

    - `"box"`: `middle + half tanh(rate theta)`, in the logarithm of the value if `logarithmic`;
    - `"positive"`: `lower + reference 2^theta`;
    - `"free"`: `reference + unit theta`.
    """

    kind: Literal["box", "positive", "free"] = eqx.field(static=True)
    logarithmic: bool = eqx.field(static=True)
    lower: float = eqx.field(static=True)
    upper: float = eqx.field(static=True)
    reference: FloatArray
    unit: float = eqx.field(static=True)
    sample_whole: bool = eqx.field(static=True)

    def _box(self) -> tuple[float, float, float]:
        lower, upper = (math.log(self.lower), math.log(self.upper)) if self.logarithmic else (self.lower, self.upper)
        half = (upper - lower) / 2
        return lower + half, half, 1.0 if self.sample_whole else min(self.unit / half, 1.0)

    def value(self, theta: FloatArray) -> FloatArray:
        if self.kind == "free":
            return self.reference + self.unit * theta
        if self.kind == "positive":
            return self.lower + self.reference * jnp.exp2(theta)
        middle, half, rate = self._box()
        value = middle + half * jnp.tanh(rate * theta)
        return jnp.exp(value) if self.logarithmic else value

    def theta(self, value: FloatArray) -> FloatArray:
        if self.kind == "free":
            return (value - self.reference) / self.unit
        if self.kind == "positive":
            return jnp.log2((value - self.lower) / self.reference)
        middle, half, rate = self._box()
        position = ((jnp.log(value) if self.logarithmic else value) - middle) / half
        return jnp.arctanh(jnp.clip(position, -_EDGE, _EDGE)) / rate

    def sample(self, start: FloatArray, shape: tuple[int, ...], key: PRNGKeyArray) -> FloatArray:
        """Starts: over the whole box where the user gave one, else around the present value."""
        uniform = jax.random.uniform(key, (*shape, *start.shape), start.dtype, -1.0, 1.0)
        return jnp.arctanh(_EDGE * uniform) if self.sample_whole else start + uniform

    def at_bound(self, theta: FloatArray) -> np.ndarray:
        if self.kind != "box":
            return np.zeros(np.shape(theta), bool)
        return np.abs(np.tanh(np.asarray(theta) * self._box()[2])) > _EDGE


def _bijection(item: NamedParameter, bounds: tuple[float, float] | None) -> Bijection:
    info, value = item.info, jnp.asarray(item.value)
    if bounds is not None:
        lower, upper = _check_bounds(item.path, bounds, info)
        if not np.all((np.asarray(value) >= lower) & (np.asarray(value) <= upper)):
            raise ValueError(
                f"bounds[{item.path!r}] = ({lower:g}, {upper:g}){' ' + info.unit if info.unit else ''} is not allowed: the present "
                f"value {np.asarray(value)} is outside"
            )
        return Bijection("box", lower > 0, lower, upper, value, 1.0, True)
    if math.isfinite(info.lower) and math.isfinite(info.upper):
        return Bijection("box", False, info.lower, info.upper, value, info.spread, False)
    if math.isfinite(info.lower):
        if np.any(np.asarray(value) <= info.lower):
            raise ValueError(
                f"{item.path} = {np.asarray(value)} starts on its lower bound, where it cannot be trained; give it another value or bounds"
            )
        return Bijection("positive", False, info.lower, math.inf, value - info.lower, 1.0, False)
    return Bijection("free", False, -math.inf, math.inf, value, info.spread, False)


def _check_bounds(path: str, bounds: tuple[float, float], info: ParameterInfo) -> tuple[float, float]:
    lower, upper = float(bounds[0]), float(bounds[1])
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        raise ValueError(
            f"bounds[{path!r}] = ({lower:g}, {upper:g}) is not allowed: must be two finite numbers, the lower first"
        )
    for value in (lower, upper):
        check_value(f"bounds[{path!r}]: {path}", np.asarray(value), info)
    return lower, upper


class Space(eqx.Module):
    """The trained parameters of a model as a dict of unconstrained arrays by path."""

    bijections: dict[str, Bijection]

    @classmethod
    def of(cls, model: Any, paths: Sequence[str], bounds: Mapping[str, tuple[float, float]] | None) -> "Space":
        """**Raises:** `ValueError` for bounds of something that is not trained, or that do not hold the present value."""
        known = parameters(model)
        limits: dict[str, tuple[float, float]] = {}
        for pattern, limit in (bounds or {}).items():
            for path in match(pattern, list(paths), "trained parameter"):
                limits[path] = limit
        return cls({path: _bijection(known[path], limits.get(path)) for path in paths})

    def encode(self, model: Any) -> dict[str, FloatArray]:
        leaves = named_leaves(model)
        return {path: bijection.theta(leaves[path]) for path, bijection in self.bijections.items()}

    def place(self, model: Any, theta: Mapping[str, FloatArray]) -> Any:
        """The model with the trained parameters at `theta`."""
        return replace_leaves(model, {path: b.value(theta[path]) for path, b in self.bijections.items()})

    def starts(self, model: Any, count: int, key: PRNGKeyArray) -> dict[str, FloatArray]:
        """`count` points: the model's own and random ones."""
        own = self.encode(model)
        keys = jax.random.split(key, len(own))
        drawn = {
            path: self.bijections[path].sample(own[path], (count - 1,), k) for path, k in zip(own, keys, strict=True)
        }
        return {path: jnp.concatenate([own[path][None], drawn[path]]) for path in own}

    def at_bound(self, theta: Mapping[str, FloatArray]) -> list[str]:
        """The parameters that lie at a bound of their box."""
        return [path for path, b in self.bijections.items() if b.at_bound(theta[path]).any()]
