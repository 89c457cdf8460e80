"""The path grammar: how leaves of a pytree are named and selected.

A path is the attribute names, dictionary keys and sequence indices that lead to a leaf, joined by dots: `na.m.alpha.scale`.
In a pattern `*` matches one segment, or a part of one, and `**` any number of segments. The same grammar names
parameters, states, currents and stimulus fields everywhere in the package.
"""

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

import jax.tree_util as jtu


def _segment(key: Any) -> str:
    if isinstance(key, jtu.GetAttrKey):
        return key.name
    if isinstance(key, jtu.DictKey):
        return str(key.key)
    if isinstance(key, jtu.SequenceKey):
        return str(key.idx)
    return str(key.key)  # FlattenedIndexKey


def join(keys: Iterable[Any]) -> str:
    """The dotted path of a JAX key path."""
    return ".".join(_segment(key) for key in keys)


def named_leaves(tree: Any) -> dict[str, Any]:
    """Every leaf of a pytree by its path, in the order of the pytree."""
    return {join(keys): leaf for keys, leaf in jtu.tree_flatten_with_path(tree)[0]}


def _matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_matches(pattern[1:], path[i:]) for i in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _matches(pattern[1:], path[1:])


def matches(pattern: str, path: str) -> bool:
    """Whether one path is selected by a pattern."""
    return _matches(pattern.split("."), path.split("."))


def match(patterns: str | Iterable[str], paths: Iterable[str], what: str = "parameter") -> list[str]:
    """The paths selected by one or more patterns, in the order of `paths`, without repeats.

    **Raises:** `ValueError` when a pattern selects nothing, naming near misses.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    paths = list(paths)
    selected: set[str] = set()
    for pattern in patterns:
        hits = [path for path in paths if matches(pattern, path)]
        if not hits:
            raise ValueError(f"no {what} matches {pattern!r}; {_suggestion(pattern, paths)}")
        selected.update(hits)
    return [path for path in paths if path in selected]


def _suggestion(pattern: str, paths: list[str]) -> str:
    deeper = "**." + pattern.removeprefix("*.")
    if "*" in pattern and any(matches(deeper, path) for path in paths):
        return f"did you mean {deeper!r}? (* stands for one part of a path, ** for any number of them)"
    near = difflib.get_close_matches(pattern, paths, n=3, cutoff=0.5)
    if not near:
        last = pattern.split(".")[-1]
        near = [path for path in paths if path.split(".")[-1] == last][:3]
    if near:
        return "did you mean " + " or ".join(repr(path) for path in near) + "?"
    return "there are: " + ", ".join(paths[:12]) + (", ..." if len(paths) > 12 else "")
