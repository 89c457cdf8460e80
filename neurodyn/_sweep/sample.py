"""Random values for the members of a sweep."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from .._parameter import NamedParameter, parameters as parameters_of
from .._paths import match
from ..fitting.space import Space
from .provenance import key_entry


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

    **Returns:** values by path, shape (count,). A sweep over them notes the key in its result.

    **Raises:** `ValueError` as `fit` does for what it trains and its bounds.
    """
    patterns = [parameters] if isinstance(parameters, str) else list(parameters)
    known = _scalars(model)
    paths = match(patterns, known)
    bounds = parameters if isinstance(parameters, Mapping) else None
    space = Space.of(known, paths, bounds)
    theta = space.starts(space.encode(known), count + 1, key)
    return {path: _drawn(b.value(theta[path][1:]), key) for path, b in space.bijections.items()}


#: The key of every array that `sample` returned and that is still in use, by identity: so it goes with the array into whatever mapping, under
#: whatever name. The arrays cannot be written to, so they are what the key gave.
_DRAWN: dict[int, tuple[weakref.ref, Any]] = {}


def key_of(values: Any) -> Any:
    """The key of an array that `sample` returned, else None."""
    return _DRAWN[id(values)][1] if id(values) in _DRAWN else None


def _drawn(values: Any, key: PRNGKeyArray) -> np.ndarray:
    array = np.array(values)
    array.setflags(write=False)
    place = id(array)
    _DRAWN[place] = weakref.ref(array, lambda _: _DRAWN.pop(place, None)), key_entry(key)
    return array


def _scalars(model: Any) -> dict[str, NamedParameter]:
    return {path: item for path, item in parameters_of(model).items() if np.ndim(item.value) == 0}
