"""Type aliases shared by every module."""

from typing import Any, TypeAlias

from jaxtyping import Array, Bool, Float, Int, PyTree


FloatArray: TypeAlias = Float[Array, "..."]
BoolArray: TypeAlias = Bool[Array, "..."]
IntArray: TypeAlias = Int[Array, "..."]

#: A named pytree (a dict or a small module) of floating arrays.
State: TypeAlias = PyTree[Any]

#: Something `jnp.asarray` turns into a floating scalar.
RealScalar: TypeAlias = float | int | Float[Array, ""]

#: A field declared by `parameter`: takes a number or an array, holds a floating array.
Parameter: TypeAlias = Any
