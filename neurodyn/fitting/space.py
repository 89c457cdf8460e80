"""The unconstrained space in which parameters are trained."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from .._parameter import NamedParameter, ParameterInfo, check_value
from .._paths import match
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

    def log_slope(self, theta: FloatArray, of_logarithm: bool) -> FloatArray:
        """log |d value / d theta|, or of the value's logarithm, up to a constant; finite far beyond where the value reaches its bounds."""
        if self.kind == "free":
            return jnp.zeros_like(theta)
        if self.kind == "positive":
            slope = math.log(2) * theta
            return slope - jnp.log(self.value(theta)) if of_logarithm else slope
        x = self._box()[2] * theta
        slope = 2 * (x - jax.nn.softplus(2 * x))  # log sech^2
        if self.logarithmic == of_logarithm:
            return slope
        value = jnp.log(self.value(theta))
        return slope + value if self.logarithmic else slope - value

    def place_in_box(self, theta: FloatArray) -> FloatArray:
        """Where in its box a parameter is: 0 in the middle and -1 or 1 at the bounds; 0 for one without a box."""
        return jnp.tanh(self._box()[2] * theta) if self.kind == "box" else jnp.zeros_like(theta)

    def from_box(self, x: FloatArray) -> FloatArray:
        """The inverse of `place_in_box`, for any number: reflected at -1 and 1 until it lies between them. Itself without bounds of the user's."""
        if not self.sample_whole:
            return x
        inside = 1 - jnp.abs((x + 1) % 4 - 2)
        return jnp.arctanh(_EDGE * inside) / self._box()[2]

    def spread_out(self, start: FloatArray, uniform: FloatArray) -> FloatArray:
        """Points for numbers from -1 to 1: over the whole box where the user gave one, else around the present value."""
        return jnp.arctanh(_EDGE * uniform) if self.sample_whole else start[None] + uniform

    def at_bound(self, theta: FloatArray) -> np.ndarray:
        if self.kind != "box":
            return np.zeros(np.shape(theta), bool)
        return np.abs(np.tanh(np.asarray(theta) * self._box()[2])) >= _EDGE - 1e-6


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
    def of(
        cls,
        known: Mapping[str, NamedParameter],
        paths: Sequence[str],
        bounds: Mapping[str, tuple[float, float]] | None = None,
    ) -> "Space":
        """**Raises:** `ValueError` for bounds of something that is not trained, or that do not hold the present value."""
        limits: dict[str, tuple[float, float]] = {}
        for pattern, limit in (bounds or {}).items():
            for path in match(pattern, list(paths), "trained parameter"):
                limits[path] = limit
        return cls({path: _bijection(known[path], limits.get(path)) for path in paths})

    def encode(self, known: Mapping[str, NamedParameter]) -> dict[str, FloatArray]:
        """The point at which the parameters have their present values."""
        return {path: bijection.theta(jnp.asarray(known[path].value)) for path, bijection in self.bijections.items()}

    def values(self, theta: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """The values of the parameters at a point."""
        return {path: bijection.value(theta[path]) for path, bijection in self.bijections.items()}

    def starts(self, own: Mapping[str, FloatArray], count: int, key: PRNGKeyArray) -> dict[str, FloatArray]:
        """`count` points: the one given, and others of a scrambled Sobol sequence (Owen 1998, J. Complexity 14:466), which leaves no large gaps."""
        from scipy.stats import qmc  # takes a while to import

        sizes = {path: int(np.size(x)) for path, x in own.items()}
        sequence = qmc.Sobol(sum(sizes.values()), rng=np.random.default_rng(np.asarray(jax.random.key_data(key))))
        cube = 2 * sequence.random_base2(max(0, (count - 1).bit_length()))[: count - 1] - 1
        points, first = {}, 0
        for path, x in own.items():
            part = cube[:, first : first + sizes[path]].reshape(count - 1, *x.shape)
            drawn = self.bijections[path].spread_out(x, jnp.asarray(part, x.dtype))
            points[path] = jnp.concatenate([x[None], drawn])
            first += sizes[path]
        return points

    def at_bound(self, theta: Mapping[str, FloatArray]) -> list[str]:
        """The parameters that lie at a bound of their box."""
        return [path for path, b in self.bijections.items() if b.at_bound(theta[path]).any()]
