"""Which values the members of a sweep have."""

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from .._parameter import NamedParameter, parameters, recheck, replace_leaves
from .._paths import match
from .sample import key_of


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
    - `seeds`: the random keys of those values that `sample` drew, by path.
    """

    axes: dict[str, np.ndarray]
    info: dict[str, NamedParameter]
    design: Design
    count: int
    seeds: dict[str, Any]

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

    def safe(self, model: Any, stimulus: Any, start: int, stop: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The values of members `start` to `stop` with those of `model` and `stimulus` in place of impossible ones, and which are possible."""
        values = self.values(start, stop)
        base = {path: float(np.asarray(item.value)) for path, item in self.info.items()}
        good = np.logical_and.reduce([self.info[path].info.allows(x) for path, x in values.items()])
        values = {path: np.where(good, x, base[path]) for path, x in values.items()}
        for tree, prefix in ((model, ""), (stimulus, PREFIX)):
            own = {path: x for path, x in values.items() if path.startswith(PREFIX) == bool(prefix)}
            if own:
                good = good & _consistent(tree, {path.removeprefix(prefix): x for path, x in own.items()})
        return {path: np.where(good, x, base[path]) for path, x in values.items()}, good


def _consistent(tree: Any, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which members pass the checks that modules make when they are built, such as that of two parameters against each other: all at once,
    and by halves where one does not pass."""
    (count,) = {x.size for x in values.values()}

    def spread(x):
        # Every number gets the axis, or channels would be probed, as they are when a model is built: once per model, not per batch.
        return jnp.reshape(x, (1,)) if eqx.is_inexact_array(x) and x.ndim == 0 else x

    batched = replace_leaves(jtu.tree_map(spread, tree), {path: jnp.asarray(x) for path, x in values.items()})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recheck(batched)
        return np.ones(count, bool)
    except ValueError:
        if count == 1:
            return np.zeros(1, bool)
    half = count // 2
    parts = [{path: x[rows] for path, x in values.items()} for rows in (slice(half), slice(half, None))]
    return np.concatenate([_consistent(tree, part) for part in parts])


def make_members(model: Any, stimulus: Any, vary: Mapping[str, Any], design: Design) -> Members:
    """The members that `vary` describes.

    **Raises:** `ValueError` for a path that does not exist or is not a scalar, values that are not a one-dimensional array of numbers, arrays of
    different length (`"zip"`), no or too many members.
    """
    if design not in ("zip", "grid"):
        raise ValueError(f"design = {design!r} is not allowed: must be 'zip' or 'grid'")
    if not isinstance(vary, Mapping):
        raise ValueError(f"vary = {vary!r} is not allowed: must map paths to values, such as {{'na.g': values}}")
    if not vary:
        raise ValueError("vary = {} is not allowed: must name one parameter at least, such as {'na.g': values}")
    known = {**parameters(model), **{PREFIX + path: item for path, item in parameters(stimulus).items()}}
    axes: dict[str, np.ndarray] = {}
    seeds: dict[str, Any] = {}
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
            if (key := key_of(given)) is not None:
                seeds[path] = key
    sizes = {path: x.size for path, x in axes.items()}
    if design == "zip" and len(set(sizes.values())) > 1:
        listed = ", ".join(f"{path}: {size}" for path, size in sizes.items())
        raise ValueError(
            f"vary with arrays of different length ({listed}) is not allowed for design = 'zip'; use design = 'grid' for their product"
        )
    count = math.prod(sizes.values()) if design == "grid" else next(iter(sizes.values()))
    if not 1 <= count <= _LARGEST:
        raise ValueError(f"a sweep of {count} members is not allowed: must be from 1 to {_LARGEST}")
    return Members(axes, {path: known[path] for path in axes}, design, count, seeds)
