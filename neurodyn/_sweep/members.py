"""Which values the members of a sweep have."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import PRNGKeyArray

from .._parameter import NamedParameter, parameters
from .._paths import match
from ..fitting.space import Space


Design = Literal["zip", "grid"]

PREFIX = "stimulus."
_LARGEST = 10**9  # members; a row of each has to fit into memory


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of a sweep.

    **Fields:**

    - `axes`: the values given, by path; a path of the stimulus begins with `stimulus.`.
    - `info`: what is known of each parameter, by path.
    - `design`: `"zip"` (member i has the i-th of each) or `"grid"` (the product, the last axis fastest).
    - `count`: how many there are.
    """

    axes: dict[str, np.ndarray]
    info: dict[str, NamedParameter]
    design: Design
    count: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the design: one axis for `"zip"`, one for each parameter for `"grid"`."""
        return tuple(x.size for x in self.axes.values()) if self.design == "grid" else (self.count,)

    def values(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """The values of members `start` to `stop`, by path, shape (stop - start,)."""
        rows = np.arange(start, stop)
        if self.design == "zip":
            return {path: x[rows] for path, x in self.axes.items()}
        places = np.unravel_index(rows, self.shape)
        return {path: x[i] for (path, x), i in zip(self.axes.items(), places, strict=True)}

    def allowed(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which members have values that their parameters may take."""
        good = [self.info[path].info.allows(x) for path, x in values.items()]
        return np.logical_and.reduce(good)


def make_members(model: Any, stimulus: Any, vary: Mapping[str, Any], design: Design) -> Members:
    """The members that `vary` describes.

    **Raises:** `ValueError` for a path that does not exist or is not a scalar, values that are not a one-dimensional array of numbers, arrays of
    different length (`"zip"`), no or too many members.
    """
    if design not in ("zip", "grid"):
        raise ValueError(f"design = {design!r} is not allowed: must be 'zip' or 'grid'")
    if not vary:
        raise ValueError("vary = {} is not allowed: must name one parameter at least, such as {'na.g': values}")
    known = {**parameters(model), **{PREFIX + path: item for path, item in parameters(stimulus).items()}}
    axes: dict[str, np.ndarray] = {}
    for pattern, given in vary.items():
        values = np.asarray(given)
        if values.dtype.kind not in "iuf" or values.ndim != 1:
            raise ValueError(
                f"vary[{pattern!r}] of shape {values.shape} and type {values.dtype} is not allowed: must be a one-dimensional array of numbers"
            )
        for path in match(pattern, known):
            if np.ndim(known[path].value):
                raise ValueError(
                    f"vary[{pattern!r}] is not allowed: {path} has shape {np.shape(known[path].value)}, must be a scalar"
                )
            if path in axes:
                raise ValueError(f"vary[{pattern!r}] is not allowed: {path} is varied already")
            axes[path] = values.astype(float)
    sizes = {path: x.size for path, x in axes.items()}
    if design == "zip" and len(set(sizes.values())) > 1:
        listed = ", ".join(f"{path}: {size}" for path, size in sizes.items())
        raise ValueError(
            f"vary with arrays of different length ({listed}) is not allowed for design = 'zip'; use design = 'grid' for their product"
        )
    count = math.prod(sizes.values()) if design == "grid" else next(iter(sizes.values()))
    if not 1 <= count <= _LARGEST:
        raise ValueError(f"a sweep of {count} members is not allowed: must be from 1 to {_LARGEST}")
    return Members(axes, {path: known[path] for path in axes}, design, count)


def sample(
    model: Any,
    parameters: str | Sequence[str] | Mapping[str, tuple[float, float]],
    count: int,
    *,
    key: PRNGKeyArray,
) -> dict[str, np.ndarray]:
    """Random values of parameters, to be handed to `sweep` as `vary`.

    **Arguments:**

    - `model`: whose parameters.
    - `parameters`: paths or patterns, for values around the present ones within the physical range (a factor of two for positive ones), or lower and
        upper bound by path or pattern, for values from the whole of that range (logarithmically if the lower is positive).
    - `count`: how many.

    **Returns:** values by path, shape (count,).

    **Raises:** `ValueError` as `fit` does for what it trains and its bounds.
    """
    patterns = [parameters] if isinstance(parameters, str) else list(parameters)
    known = _scalars(model)
    paths = match(patterns, known)
    bounds = parameters if isinstance(parameters, Mapping) else None
    space = Space.of(model, paths, bounds)
    theta = space.starts(model, count + 1, key)
    return {path: np.asarray(b.value(theta[path][1:])) for path, b in space.bijections.items()}


def _scalars(model: Any) -> list[str]:
    return [path for path, item in parameters(model).items() if np.ndim(item.value) == 0]
