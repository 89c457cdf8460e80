"""Resistances of a cell at rest."""

import equinox as eqx
import jax.numpy as jnp

from .._simulate import rest_response
from .._types import FloatArray
from .cell import Cell
from .inputs import CurrentClamp


def transfer_resistance(cell: Cell, site: str) -> FloatArray:
    """How far a small constant current into one place moves the voltage of every compartment in the end, with all gates and concentrations that follow; Mohm,
    shape (n,). Over that of the place itself it is the attenuation of a steady voltage.

    Differentiable with respect to every parameter of the cell. NaN where the cell has no rest near `initial`.

    **Arguments:** `site`: a place such as `"soma(0.5)"`. The cell's own inputs are not driven.

    **Raises:** `ValueError` for what is not a `Cell`, and for a place that does not exist.
    """
    if not isinstance(cell, Cell):
        raise ValueError(f"cell of type {type(cell).__name__} is not allowed: must be a Cell")
    return _transfer_resistance(cell.equipped(inputs={"electrode": CurrentClamp(site)}))


def input_resistance(cell: Cell, site: str) -> FloatArray:
    """How far a small constant current into a place moves the voltage there in the end, with all gates and concentrations that follow; Mohm.

    **Arguments**, **Raises:** as `transfer_resistance`.
    """
    return transfer_resistance(cell, site)[cell.layout.locate(site)]


@eqx.filter_jit
def _transfer_resistance(cell: Cell) -> FloatArray:
    nothing = jnp.zeros((), cell.initial.dtype)
    return rest_response(cell, {"electrode": nothing}, {"electrode": jnp.ones_like(nothing)})["v"]
