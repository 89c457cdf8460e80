"""Which parameters are trained."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import equinox as eqx
import jax.tree_util as jtu

from .._parameter import parameters
from .._paths import join, match


Selection: TypeAlias = str | Sequence[str] | Callable[[Any], Any]


def select(model: Any, trainable: Selection) -> list[str]:
    """The paths of the parameters to train.

    A pattern with a wildcard selects the parameters that are trained by default (see `describe`); one that is degenerate with others, such as a
    temperature, has to be named in full. A function gets the model and returns a leaf, a part of the model, or a list of these.

    **Raises:** `ValueError` when a pattern matches nothing, or nothing is selected.
    """
    known = parameters(model)
    if callable(trainable):
        return _select_by_function(model, trainable, list(known))
    patterns = [trainable] if isinstance(trainable, str) else list(trainable)
    selected = set()
    for pattern in patterns:
        hits = match(pattern, known)
        selected.update(path for path in hits if known[path].info.trainable or path == pattern)
    paths = [path for path in known if path in selected]
    if not paths:
        raise ValueError(f"trainable = {trainable!r} selects only parameters that are trained when named in full")
    return paths


def _select_by_function(model: Any, function: Callable[[Any], Any], known: list[str]) -> list[str]:
    marked = jtu.tree_map_with_path(lambda keys, leaf: join(keys) if eqx.is_array(leaf) else leaf, model)
    chosen = {leaf for leaf in jtu.tree_leaves(function(marked)) if isinstance(leaf, str)}
    paths = [path for path in known if path in chosen]
    if not paths:
        raise ValueError("trainable = a function that returned no parameter of the model")
    return paths
