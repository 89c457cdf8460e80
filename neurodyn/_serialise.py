"""Parameters on disk: a plain JSON file, keyed by path, that holds data and never code."""

import dataclasses
import hashlib
import inspect
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from . import points
from ._files import write_text
from ._model import AbstractNeuron
from ._parameter import NamedParameter, check_value, modules, parameters, recheck, replace_leaves


_FORMAT = "neurodyn parameters"
_VERSION = 1
_LIMIT = 64 * 2**20  # bytes


def _is_complete(function: Callable) -> bool:
    """Whether it can be called without arguments."""
    given = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = inspect.signature(function).parameters.values()
    return all(item.default is not item.empty or item.kind in given for item in needed)


def _builders(cls: type[AbstractNeuron]) -> tuple[Callable[[], AbstractNeuron], ...]:
    """The class and its published parameter sets, which may have other channels."""
    presets = [getattr(cls, name) for name, item in vars(cls).items() if isinstance(item, classmethod)]
    return cls, *(preset for preset in presets if not preset.__name__.startswith("_") and _is_complete(preset))


#: What can be rebuilt from its name alone: point neurons that need no arguments. Closed: a file never names code to run.
_MODELS = {
    name: _builders(item)
    for name, item in vars(points).items()
    if inspect.isclass(item)
    and issubclass(item, AbstractNeuron)
    and not inspect.isabstract(item)
    and _is_complete(item)
}


_CONTENT = ("model", "units", "parts", "parameters")
_ENTRY = ("value", "unit", "dtype", "shape")


def _parts(model: Any) -> dict[str, str]:
    """What a model is put together from, by path, in words: two channels may have the same parameters and other equations, two cells other branches."""
    return {path: getattr(part, "identity", type(part).__name__) for path, part in modules(model).items() if path}


def _entry(item: NamedParameter) -> dict[str, Any]:
    if item.value.dtype not in ("float32", "float64"):
        raise ValueError(f"{item.path} is an array of {item.value.dtype} and is not saved: must be float32 or float64")
    array = np.asarray(item.value)
    # The shortest decimal that reads back as the same number in its own precision.
    values = [float(str(x)) for x in array.ravel()]
    if not all(math.isfinite(x) for x in values):
        raise ValueError(f"{item.path} is not finite and is not saved")
    value = values[0] if array.ndim == 0 else np.reshape(values, array.shape).tolist()
    return {"value": value, "unit": item.info.unit, "dtype": str(array.dtype), "shape": list(array.shape)}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def save(path: str | os.PathLike[str], model: Any) -> None:
    """Write every parameter of a model to a JSON file: value, unit and precision by path, with a hash. The file is written whole or not
    at all.

    **Raises:** `ValueError` when a parameter is not finite or not a floating array; `OSError` when the file cannot be written.
    """
    content = {
        "model": type(model).__name__,
        "units": getattr(model, "units", None),
        "parts": _parts(model),
        "parameters": {name: _entry(item) for name, item in parameters(model).items()},
    }
    document = {"format": _FORMAT, "version": _VERSION, "sha256": _digest(content), **content}
    write_text(Path(path), json.dumps(document, indent=2, allow_nan=False) + "\n")


def _no_duplicates(pairs):
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} appears twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is not a finite number")
    return float(text)


def _read(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if not path.is_file() or size > _LIMIT:
        raise ValueError(f"{path}: not a parameter file (must be a regular file of at most {_LIMIT} bytes)")
    try:
        document = json.loads(
            path.read_text(encoding="utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a parameter file ({error})") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"{path}: not a parameter file (its format must be {_FORMAT!r})")
    if document.get("version") != _VERSION:
        raise ValueError(f"{path}: version {document.get('version')!r} is not known, must be {_VERSION}")
    if set(document) != {"format", "version", "sha256", *_CONTENT}:
        raise ValueError(
            f"{path}: keys {sorted(document)} are not allowed: must be format, version, sha256, {', '.join(_CONTENT)}"
        )
    content = {key: document[key] for key in _CONTENT}
    try:
        same = document["sha256"] == _digest(content)
    except RecursionError:
        same = False
    if not same:
        raise ValueError(f"{path}: the hash does not match the content: the file was damaged or edited by hand")
    return content


def _value(name: str, entry: Any, like: NamedParameter) -> np.ndarray:
    """The checked value of an entry, in the precision of the parameter it is for."""
    if not isinstance(entry, dict) or set(entry) != set(_ENTRY):
        raise ValueError(f"{name} is not allowed: must have {', '.join(_ENTRY)}")
    if entry["unit"] != like.info.unit:
        raise ValueError(f"{name} is in {entry['unit']!r}, must be in {like.info.unit!r}")
    if entry["dtype"] not in ("float32", "float64"):
        raise ValueError(f"{name} has dtype {entry['dtype']!r}, must be 'float32' or 'float64'")
    try:
        numbers = np.asarray(entry["value"])
    except ValueError:  # ragged
        numbers = np.asarray(None)
    if numbers.dtype != float or list(numbers.shape) != entry["shape"]:
        raise ValueError(f"{name} is not allowed: must be numbers of shape {entry['shape']}")
    if like.value.ndim and numbers.shape != like.value.shape:
        raise ValueError(f"{name} has shape {numbers.shape}, must have shape {like.value.shape}")
    with np.errstate(over="ignore"):
        array = numbers.astype(entry["dtype"]).astype(like.value.dtype)
    check_value(name, array, like.info)
    return array


def _rebuilt(builders: tuple[Callable[[], AbstractNeuron], ...], parts: Any) -> Any:
    """The first model that has these parts; the default one if none has."""
    default = builders[0]()
    candidates = (build() for build in builders[1:])
    return default if _parts(default) == parts else next((x for x in candidates if _parts(x) == parts), default)


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Read a model written by `save`.

    **Arguments:**

    - `path`: the file.
    - `like`: a model of the same structure, which gives everything but the values; needed for models that are not in neurodyn itself or
        were put together from parts.

    Values are converted to the precision of the parameters they are for: that of the session, or that of `like`.

    **Raises:** `ValueError` for a file that is damaged, of another model, or holds a value that is not allowed; `OSError` when it cannot be read.
    """
    path = Path(path)
    content = _read(path)
    name, units, entries = content["model"], content["units"], content["parameters"]
    hint = (
        "pass like=model if the model was put together from parts"
        if like is None
        else "`like` must be made of the same parts"
    )
    if like is None:
        if not isinstance(name, str) or name not in _MODELS:
            raise ValueError(f"{path}: holds a {name!r}, which cannot be rebuilt from its name; pass like=model")
        like = _rebuilt(_MODELS[name], content["parts"])
        if units == "absolute" and hasattr(like, "units"):
            like = dataclasses.replace(like, units=units)
    if type(like).__name__ != name or getattr(like, "units", None) != units:
        raise ValueError(
            f"{path}: holds a {name!r} in {units!r} units, not a {type(like).__name__} in {getattr(like, 'units', None)!r} units"
        )
    _same_keys(path, "part", content["parts"], _parts(like), hint)
    for key, part in _parts(like).items():
        if content["parts"][key] != part:
            raise ValueError(f"{path}: part {key!r} is a {content['parts'][key]!r}, not a {part}; {hint}")
    known = parameters(like)
    _same_keys(path, "parameter", entries, known, hint)
    values = {key: jnp.asarray(_value(f"{path}: {key}", entries[key], item)) for key, item in known.items()}
    loaded = replace_leaves(like, values)
    recheck(loaded)
    return loaded


def _same_keys(path: Path, what: str, found: Any, expected: dict[str, Any], hint: str) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{path}: {what}s are not allowed: must be a table")
    for key in expected:
        if key not in found:
            raise ValueError(f"{path}: the file has no {what} {key!r}; {hint}")
    for key in found:
        if key not in expected:
            raise ValueError(f"{path}: the file has a {what} {key!r} too many; {hint}")
