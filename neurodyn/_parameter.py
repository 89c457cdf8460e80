"""Parameters: the one place where default, unit, bounds and trainability of a physical constant meet."""

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from ._paths import join, match


_KEY = "neurodyn"

#: Units of a cell that is described in absolute terms (a patch recording knows no area) instead of per area. Both sets close
#: with mV and ms: uA/cm2 / (uF/cm2) = pA / pF = mV/ms.
ABSOLUTE_UNITS = {"mS/cm2": "nS", "uF/cm2": "pF", "uA/cm2": "pA"}


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """What is known of a parameter besides its value. Made by `parameter`."""

    unit: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    exclusive: bool = False
    trainable: bool = True
    infinite: bool = False
    spread: float = 1.0

    def allows(self, value: np.ndarray) -> np.ndarray:
        """Elementwise: is the value a number inside the bounds?"""
        finite = ~np.isnan(value) if self.infinite else np.isfinite(value)
        if self.exclusive:
            return finite & (value > self.lower) & (value < self.upper)
        return finite & (value >= self.lower) & (value <= self.upper)

    def range(self) -> str:
        """The allowed range in words."""
        word = "" if self.infinite else "finite"
        less, more = ("<", ">") if self.exclusive else ("<=", ">=")
        parts = [word] if word else []
        if self.lower > -math.inf:
            parts.append(f"{more} {self.lower:g}")
        if self.upper < math.inf:
            parts.append(f"{less} {self.upper:g}")
        return " and ".join(parts) or "any number"


def as_floating(value: Any) -> Any:
    """A floating array of JAX's default precision from a number or an array; other objects pass through untouched.

    Arrays of another type are cast and the cast is reported by a warning, so precision is never mixed in silence.

    **Raises:** `TypeError` for booleans, strings and complex numbers.
    """
    if isinstance(value, bool | str | complex | list | tuple):
        raise TypeError(f"expected a real number or a floating array, got {value!r}")
    if isinstance(value, int | float):
        return jnp.asarray(value, dtype=float)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        target = jax.dtypes.canonicalize_dtype(float)
        if value.dtype == target or (target == jnp.float32 and value.dtype == np.float64):
            return jnp.asarray(value, dtype=target)
        if value.dtype.kind not in "iuf":
            raise TypeError(f"expected a real number or a floating array, got an array of {value.dtype}")
        warnings.warn(f"an array of {value.dtype} was cast to {target}", stacklevel=3)
        return jnp.asarray(value, dtype=target)
    return value


def parameter(
    default: float | None = None,
    *,
    unit: str = "",
    lower: float = -math.inf,
    upper: float = math.inf,
    exclusive: bool = False,
    trainable: bool = True,
    infinite: bool = False,
    spread: float = 1.0,
) -> Any:
    """Declare a physical constant as a field of a module.

    **Arguments:**

    - `default`: the value when none is given; without one the field is required.
    - `unit`: its unit, as text.
    - `lower`, `upper`: the values that make sense physically; anything else is refused when the module is built.
    - `exclusive`: whether the bounds themselves are refused too.
    - `trainable`: whether `fit` may train it when a pattern selects it without naming it (degenerate ones should not be).
    - `infinite`: whether infinity is a legal value.
    - `spread`: how far a search should look around the value, in `unit`. Positive parameters are searched by factors of
        two instead.
    """
    info = ParameterInfo(unit, lower, upper, exclusive, trainable, infinite, spread)
    options: dict[str, Any] = {"converter": as_floating, "metadata": {_KEY: info}}
    if default is not None:
        options["default"] = default
    return eqx.field(**options)


@dataclasses.dataclass(frozen=True)
class NamedParameter:
    """A parameter of a module: its path, present value and what is known of it."""

    path: str
    value: Any
    info: ParameterInfo


def _lookup(tree: Any, keys: tuple[Any, ...]) -> ParameterInfo:
    info, node, absolute = ParameterInfo(trainable=False), tree, False
    for key in keys:
        if isinstance(key, jtu.GetAttrKey):
            fields = {f.name: f for f in dataclasses.fields(node)}
            absolute = absolute or ("units" in fields and node.units == "absolute")
            info = fields[key.name].metadata.get(_KEY, info)
            node = getattr(node, key.name)
        elif isinstance(key, jtu.DictKey):
            node = node[key.key]
        elif isinstance(key, jtu.SequenceKey):
            node = node[key.idx]
        else:
            return info
    if absolute and info.unit in ABSOLUTE_UNITS:
        info = dataclasses.replace(info, unit=ABSOLUTE_UNITS[info.unit])
    return info


def parameters(tree: Any) -> dict[str, NamedParameter]:
    """Every array leaf of a model or a stimulus by its path, with unit, bounds and trainability.

    A leaf that was not declared by `parameter`, such as a weight of a neural network, has no unit and no bounds.
    """
    leaves = jtu.tree_flatten_with_path(tree)[0]
    return {
        join(keys): NamedParameter(join(keys), leaf, _lookup(tree, keys)) for keys, leaf in leaves if eqx.is_array(leaf)
    }


def check_value(name: str, value: Any, info: ParameterInfo) -> None:
    """Refuse a concrete value that is not allowed; traced values pass.

    **Raises:** `ValueError` naming path, member, value, unit and allowed range.
    """
    if isinstance(value, jax.core.Tracer) or not jnp.issubdtype(value.dtype, jnp.inexact):
        return
    array = np.asarray(value)
    allowed = info.allows(array)
    if allowed.all():
        return
    index = int(np.argmin(allowed.ravel()))
    member = f"[{index}]" if array.ndim else ""
    raise ValueError(
        f"{name}{member} = {array.ravel()[index]:g}{' ' + info.unit if info.unit else ''} is not allowed: must be {info.range()}"
    )


def validate(tree: Any, name: str = "") -> None:
    """Check every concrete parameter of a module.

    **Raises:** `ValueError` for the first parameter outside its bounds.
    """
    for path, item in parameters(tree).items():
        check_value(f"{name}.{path}" if name else path, item.value, item.info)


class Parameterised(eqx.Module):
    """A module that refuses impossible parameters when it is built."""

    def __check_init__(self):
        for field in dataclasses.fields(self):
            if _KEY in field.metadata and isinstance(getattr(self, field.name), str | bool | None):
                raise TypeError(f"{type(self).__name__}.{field.name}: expected a number or an array")
        validate(self, type(self).__name__)


def replace(model: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a model (or stimulus) with some parameters replaced.

    **Arguments:**

    - `model`: any pytree of parameters; it is not changed.
    - `values`: new values by path or pattern, e.g. `{"na.g": 100.0, "*.m.shift": 2.0}`. A value may have a leading batch
        axis if the result is going to be vmapped over.

    **Raises:** `ValueError` for a path that does not exist, naming near ones, and for a value that is not allowed.
    """
    known = parameters(model)
    new: dict[str, Any] = {}
    for pattern, value in values.items():
        for path in match(pattern, known):
            array = as_floating(value)
            check_value(path, array, known[path].info)
            new[path] = array
    return replace_leaves(model, new)


def replace_leaves(tree: Any, values: Mapping[str, Any]) -> Any:
    """Put leaves into a pytree by exact path, without any check."""

    def put(keys, leaf):
        return values.get(join(keys), leaf)

    return jtu.tree_map_with_path(put, tree)
