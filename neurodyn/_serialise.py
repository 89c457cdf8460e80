"""Parameters on disk: a plain JSON file, keyed by path, that holds data and never code."""

import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from ._parameter import NamedParameter, check_value, parameters, replace_leaves
from ._paths import match
from .points import LIF, HodgkinHuxley


_FORMAT = "neurodyn parameters"
_VERSION = 1
_LIMIT = 64 * 2**20  # bytes

#: What can be rebuilt from its name alone. Closed: a file never names code to run.
_MODELS = {"HodgkinHuxley": HodgkinHuxley, "LIF": LIF}


def _entry(item: NamedParameter) -> dict[str, Any]:
    array = np.asarray(item.value)
    # The shortest decimal that reads back as the same number in its own precision.
    values = [float(str(x)) for x in array.ravel()]
    if not all(math.isfinite(x) for x in values):
        raise ValueError(f"{item.path} is not finite and is not saved")
    value = values[0] if array.ndim == 0 else np.reshape(values, array.shape).tolist()
    return {"value": value, "unit": item.info.unit, "dtype": str(array.dtype), "shape": list(array.shape)}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save(path: str | os.PathLike[str], model: Any) -> None:
    """Write every parameter of a model to a JSON file: value, unit and precision by path, with a hash. The file is written whole or not
    at all.

    **Raises:** `ValueError` when a parameter is not finite; `OSError` when the file cannot be written.
    """
    content = {
        "model": type(model).__name__,
        "units": getattr(model, "units", None),
        "parameters": {name: _entry(item) for name, item in parameters(model).items()},
    }
    document = {"format": _FORMAT, "version": _VERSION, "sha256": _digest(content), **content}
    write_text(Path(path), json.dumps(document, indent=2, allow_nan=False) + "\n")


def _no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise ValueError(f"key {twice[0]!r} appears twice")
    return dict(pairs)


def _no_constants(name):
    raise ValueError(f"{name} is not a number that is allowed")


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LIMIT:
        raise ValueError(f"{path}: larger than {_LIMIT} bytes, not a parameter file")
    try:
        document = json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constants
        )
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a parameter file ({error})") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"{path}: not a parameter file (its format must be {_FORMAT!r})")
    if document.get("version") != _VERSION:
        raise ValueError(f"{path}: version {document.get('version')!r} is not known, must be {_VERSION}")
    content = {key: document.get(key) for key in ("model", "units", "parameters")}
    if document.get("sha256") != _digest(content):
        raise ValueError(f"{path}: the hash does not match the content: the file was damaged or edited by hand")
    return content


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Read a model written by `save`.

    **Arguments:**

    - `path`: the file.
    - `like`: a model of the same structure, which gives everything but the values; needed for models that are not in neurodyn itself or
        were put together from parts.

    **Raises:** `ValueError` for a file that is damaged, of another model, or holds a value that is not allowed; `OSError` when it cannot be read.
    """
    path = Path(path)
    content = _read(path)
    name = content["model"]
    if like is None:
        if name not in _MODELS:
            raise ValueError(f"{path}: holds a {name}, which cannot be rebuilt from its name; pass like=model")
        like = _MODELS[name](**({"units": content["units"]} if content["units"] else {}))
    if type(like).__name__ != name or getattr(like, "units", None) != content["units"]:
        raise ValueError(
            f"{path}: holds a {name} in {content['units']} units, not a {type(like).__name__} in "
            f"{getattr(like, 'units', None)} units"
        )
    known, entries = parameters(like), content["parameters"]
    for missing in (p for p in known if p not in entries):
        raise ValueError(f"{path}: parameter {missing!r} is missing; pass like=model if the model was put together from parts")
    match(entries, known)  # names the nearest where the file has one too many
    values = {}
    for key, entry in entries.items():
        if entry["unit"] != known[key].info.unit:
            raise ValueError(f"{path}: {key} is in {entry['unit']!r}, must be in {known[key].info.unit!r}")
        array = np.asarray(entry["value"], dtype=entry["dtype"]).astype(known[key].value.dtype)
        check_value(f"{path}: {key}", array, known[key].info)
        values[key] = jnp.asarray(array)
    return replace_leaves(like, values)

