"""How a sweep was made, as text and numbers that any file can hold: enough to make it again."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._parameter import parameters
from .._paths import named_leaves


def key_entry(key: Any) -> dict[str, Any]:
    """A JAX random key: how it is used (`impl`) and its numbers (`data`), for `jax.random.wrap_key_data`."""
    return {"impl": str(jax.random.key_impl(key)), "data": np.asarray(jax.random.key_data(key)).tolist()}


def provenance(parts: Mapping[str, Any], t1: float, design: str, seeds: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a sweep of these parts: model, stimulus, reduce and options.

    `structure` says what each part is made of, as far as it differs from the defaults of these versions; `parameters` holds every array of model
    and stimulus, by path, with its unit, and `arrays` those of the other parts. Noise needs no seed: what was drawn is among the parameters.
    """
    values = {path: _entry(item.value, item.info.unit) for path, item in parameters(parts["model"]).items()}
    drive = {
        f"stimulus.{path}": _entry(item.value, item.info.unit) for path, item in parameters(parts["stimulus"]).items()
    }
    others = named_leaves({name: part for name, part in parts.items() if name not in ("model", "stimulus")})
    arrays = {path: _entry(x) for path, x in others.items() if isinstance(x, np.ndarray | jax.Array)}
    tables = {
        "parameters": {**values, **drive},
        "arrays": arrays,
        "structure": {name: _structure(part) for name, part in parts.items()},
        "seeds": dict(seeds),
    }
    return {
        "model": type(parts["model"]).__name__,
        "stimulus": type(parts["stimulus"]).__name__,
        "t1": float(t1),
        "design": design,
        "precision": str(np.dtype(jax.dtypes.canonicalize_dtype(float))),
        "device": jax.local_devices()[0].device_kind,
        "versions": ", ".join(f"{name} {version(name)}" for name in ("neurodyn", "jax", "equinox", "diffrax")),
        **{name: json.dumps(table) for name, table in tables.items()},
    }


def _entry(value: Any, unit: str = "") -> dict[str, Any]:
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return {"key": key_entry(value)}
    array = np.asarray(value)
    if array.dtype.kind == "f":  # the shortest decimals that read back as the same numbers in their own precision
        flat = [float(str(x)) for x in array.ravel()]
        return {"value": flat[0] if array.ndim == 0 else np.reshape(flat, array.shape).tolist(), "unit": unit}
    return {"value": array.tolist(), "unit": unit}


def _structure(part: Any) -> str:
    return eqx.tree_pformat(part, width=10**6, short_arrays=True)
