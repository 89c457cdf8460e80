"""Parameters: the one place where default, unit, bounds and trainability of a physical constant meet."""

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import Any, get_origin

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import Tracer

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
    potential: bool = False

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


#: What is known of an array that was not declared by `parameter`, such as a weight of a neural network.
UNDECLARED = ParameterInfo(trainable=False)


def as_floating(value: Any, name: str = "value") -> Any:
    """A floating array of JAX's default precision from a number or an array; other objects pass through untouched.

    Arrays of another type are cast and the cast is reported by a warning, so precision is never mixed in silence.

    **Raises:** `TypeError` for booleans, strings, complex numbers and lists, naming `name`.
    """
    if isinstance(value, bool | str | complex | list | tuple):
        make = ", made by jnp.asarray" if isinstance(value, list | tuple) else ""
        raise TypeError(f"{name}: expected a real number or a floating array{make}, got {value!r}")
    if isinstance(value, int | float):
        return jnp.asarray(value, dtype=float)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        target = jax.dtypes.canonicalize_dtype(float)
        if value.dtype == target or (target == jnp.float32 and value.dtype == np.float64):
            return jnp.asarray(value, dtype=target)
        if value.dtype.kind not in "iuf":
            raise TypeError(f"{name}: expected a real number or a floating array, got an array of {value.dtype}")
        warnings.warn(f"{name}: an array of {value.dtype} was cast to {target}", stacklevel=3)
        return jnp.asarray(value, dtype=target)
    return value


class _Converter:
    """`as_floating` for one field. Learns the name of the field when its class is made."""

    name = "value"

    def __call__(self, value: Any) -> Any:
        return as_floating(value, self.name)


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
    potential: bool = False,
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
    - `potential`: whether it is a membrane potential, tens of mV: a value that looks as if given in volts is pointed out by a warning.
    """
    info = ParameterInfo(unit, lower, upper, exclusive, trainable, infinite, spread, potential)
    options: dict[str, Any] = {"converter": _Converter(), "metadata": {_KEY: info}}
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
    node: Any = tree
    info, absolute = UNDECLARED, False
    for key in keys:
        if isinstance(key, jtu.GetAttrKey):
            fields = {field.name: field for field in getattr(type(node), "__dataclass_fields__", {}).values()}
            absolute = absolute or ("units" in fields and node.units == "absolute")
            if key.name in fields:
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
    if isinstance(value, Tracer) or not jnp.issubdtype(value.dtype, jnp.inexact):
        return
    array = np.asarray(value)
    allowed = info.allows(array)
    if allowed.all():
        return
    index = tuple(int(i) for i in np.argwhere(~allowed)[0])
    member = str(list(index)) if index else ""
    unit = f" {info.unit}" if info.unit else ""
    raise ValueError(f"{name}{member} = {array[index]:g}{unit} is not allowed: must be {info.range()}")


def check_shape(name: str, value: Any, shape: tuple[int | None, ...], meaning: str) -> None:
    """Refuse an array of another shape; None stands for any length.

    **Raises:** `ValueError` naming it, its shape and the one that is meant, in words.
    """
    found = np.shape(value)
    if len(found) != len(shape) or any(
        want is not None and want != have for want, have in zip(shape, found, strict=True)
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "")
        raise ValueError(
            f"{name} of shape {found} is not allowed: must be ({wanted}), {meaning}; use jax.vmap for a batch"
        )


def check_positive(name: str, value: Any, unit: str, infinite: bool = False) -> None:
    """Refuse a static number that is not a Python number > 0.

    **Raises:** `ValueError` naming it, its unit and the allowed range.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not value > 0 or (math.isinf(value) and not infinite):
        unit = f" {unit}" if unit else ""
        finite = "" if infinite else "finite "
        raise ValueError(f"{name} = {value!r}{unit} is not allowed: must be a {finite}Python number > 0")


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is not a whole number that large.

    **Raises:** `ValueError` naming it and the allowed range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} = {value!r} is not allowed: must be a whole number >= {least}")


def _warn_of_volts(name: str, value: Any) -> None:
    if isinstance(value, Tracer):
        return
    array = np.asarray(value)
    small = array[(array != 0) & (np.abs(array) < 0.3)]
    if small.size:
        warnings.warn(
            f"{name} = {small[0]:g} mV looks like volts: {small[0]:g} V is {1e3 * small[0]:g} mV", stacklevel=4
        )


def validate(tree: Any, name: str = "") -> None:
    """Check every concrete parameter of a module.

    **Raises:** `ValueError` for the first parameter outside its bounds.
    """
    for path, item in parameters(tree).items():
        check_value(f"{name}.{path}" if name else path, item.value, item.info)


class Parameterised(eqx.Module):
    """A module that refuses impossible parameters when it is built."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, field in vars(cls).items():
            if isinstance(field, dataclasses.Field) and _KEY in field.metadata:
                field.metadata["converter"].name = f"{cls.__name__}.{name}"

    def __check_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if _KEY not in field.metadata:
                continue
            named = get_origin(field.type) is dict and isinstance(value, dict)
            for item in value.values() if named else (value,):
                if not hasattr(item, "dtype"):
                    raise TypeError(f"{type(self).__name__}.{field.name}: expected a number or an array, got {item!r}")
            if field.metadata[_KEY].potential:
                _warn_of_volts(f"{type(self).__name__}.{field.name}", value)
        validate(self, type(self).__name__)


def modules(tree: Any) -> dict[str, eqx.Module]:
    """Every module in a pytree by its path, the outer ones first; a module itself has the path ""."""

    def inner(node):
        return node is not tree and isinstance(node, eqx.Module)

    found = {"": tree} if isinstance(tree, eqx.Module) else {}
    for keys, node in jtu.tree_flatten_with_path(tree, is_leaf=inner)[0]:
        if isinstance(node, eqx.Module):
            found |= {".".join(filter(None, (join(keys), path))): part for path, part in modules(node).items()}
    return found


def recheck(tree: Any) -> None:
    """Repeat the checks that every module in a pytree made when it was built, such as that of two parameters against each other."""
    for module in modules(tree).values():
        for cls in type(module).__mro__:
            if "__check_init__" in vars(cls):
                vars(cls)["__check_init__"](module)


def replace(model: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a model (or stimulus) with some parameters replaced.

    **Arguments:**

    - `model`: any pytree of parameters; it is not changed.
    - `values`: new values by path or pattern, e.g. `{"na.g": 100.0, "*.m.shift": 2.0}`. A value may have a leading batch
        axis if the result is going to be vmapped over.

    **Raises:** `ValueError` for a path that does not exist, naming near ones, and for a value that is not allowed, by itself or
    with the others; `TypeError` for what is not a number or an array.
    """
    known = parameters(model)
    new: dict[str, Any] = {}
    for pattern, value in values.items():
        for path in match(pattern, known):
            array = as_floating(value, path)
            if not hasattr(array, "dtype"):
                raise TypeError(f"{path}: expected a number or an array, got {value!r}")
            check_value(path, array, known[path].info)
            new[path] = array
    changed = replace_leaves(model, new)
    recheck(changed)
    return changed


def replace_leaves(tree: Any, values: Mapping[str, Any]) -> Any:
    """Put leaves into a pytree by exact path, without any check."""

    def put(keys, leaf):
        return values.get(join(keys), leaf)

    return jtu.tree_map_with_path(put, tree)
