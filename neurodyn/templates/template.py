"""A model to start a fit from, and how to bring it to the size of a measured cell."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._parameter import ParameterInfo, check_value, parameters, replace, replace_leaves
from ..points import GIF, AbstractMembrane


_EXTENSIVE = ("pF", "nS", "pA")  # grow with the membrane's area
_LEAKS = (("g_leak", "e_leak"), ("leak.g", "leak.e"), ("channels.leak.g", "channels.leak.e"))
_POSITIVE = ParameterInfo(lower=0.0, exclusive=True)


@dataclasses.dataclass(frozen=True)
class Template:
    """A cell in absolute units with what a fit to a recording may change: `nd.fit(t.model, ..., trainable=t.trainable, bounds=t.bounds)`.

    **Fields:**

    - `name`: what it is called.
    - `model`: an `AbstractMembrane` in absolute units, or a `GIF`.
    - `trainable`: the paths of the parameters to train.
    - `bounds`: for each of them a lower and an upper bound, which hold the present value.
    - `ties`: for the first of some parameters that are one constant of the cell, such as the reversal of its potassium currents, the others.
    """

    name: str
    model: AbstractMembrane | GIF
    trainable: tuple[str, ...]
    bounds: Mapping[str, tuple[float, float]]
    ties: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        known = parameters(self.model)
        if set(self.trainable) != set(self.bounds):
            odd = ", ".join(sorted(set(self.trainable) ^ set(self.bounds)))
            raise ValueError(f"{self.name}: {odd} is not both in trainable and in bounds")
        for path in (*self.bounds, *(other for tied in self.ties.items() for other in (tied[0], *tied[1]))):
            if path not in known:
                raise ValueError(f"{self.name}: {path} is no parameter of {type(self.model).__name__}")
        for path, (lower, upper) in self.bounds.items():
            value = float(known[path].value)
            if not lower < value < upper:
                raise ValueError(
                    f"{self.name}: {path} = {value:g} is not allowed: must be between {lower:g} and {upper:g}"
                )

    def scaled(self, *, capacitance: float, input_resistance: float, rest: float) -> "Template":
        """The template of a cell with measured passive properties, so that a fit starts near.

        Conductances, and currents, grow with the capacitance, as those of a membrane of that area; then the leak is set so that the cell rests at `rest` with
        this input resistance there. The bounds go with the values.

        **Arguments:** `capacitance`, pF; `input_resistance`, Mohm, that of a small current held for long; `rest`, mV.

        **Raises:** `ValueError` for a capacitance or resistance that is not positive, and for a resistance that the other currents alone go below.
        """
        for name, value in (("capacitance", capacitance), ("input_resistance", input_resistance)):
            check_value(name, jnp.asarray(value, float), _POSITIVE)
        check_value("rest", jnp.asarray(rest, float), ParameterInfo("mV", -120.0, 0.0))
        known = parameters(self.model)
        area = capacitance / float(known["capacitance"].value)
        extensive = {path for path, item in known.items() if item.info.unit in _EXTENSIVE}
        model = replace(self.model, {path: known[path].value * area for path in extensive})
        if "initial" in known:
            model = replace(model, {"initial": rest})
        g, e = next(paths for paths in _LEAKS if paths[0] in known)
        conductance, reversal = _leak(model, (g, e), 1e3 / input_resistance, rest)
        if not conductance > 0:
            raise ValueError(
                f"input_resistance = {input_resistance:g} Mohm is not allowed: must be < {1e3 / (1e3 / input_resistance - conductance):.3g} Mohm at {rest:g} mV, "
                f"which the currents of {self.name} have without a leak"
            )
        factors = dict.fromkeys(extensive, area) | {g: conductance / float(known[g].value)}
        moves = {e: reversal - float(known[e].value)}
        bounds = {
            path: tuple(x * factors.get(path, 1.0) + moves.get(path, 0.0) for x in pair)
            for path, pair in self.bounds.items()
        }
        return dataclasses.replace(self, model=replace(model, {g: conductance, e: reversal}), bounds=bounds)


@eqx.filter_jit
def _residuals(model: Any, paths: tuple[str, str], leak: jax.Array, conductance: jax.Array, rest: jax.Array):
    """How far a cell with this leak (nS, mV) is from resting at `rest` with this total conductance, and the Jacobian."""

    def missed(leak):
        cell = replace_leaves(model, dict(zip(paths, leak, strict=True)))
        current, slope = jax.jvp(cell.steady_current, (rest,), (jnp.ones_like(rest),))
        return jnp.stack([current, slope - conductance])

    return missed(leak), jax.jacfwd(missed)(leak)


def _leak(model: Any, paths: tuple[str, str], conductance: float, rest: float) -> tuple[float, float]:
    """The leak, nS and mV, of a cell that rests at `rest` mV with a total conductance in nS: by Newton's method."""
    # From the total conductance, not from the template's leak: an exponential of the distance between threshold and leak would overflow far off.
    leak = jnp.asarray([conductance, rest], float)
    for _ in range(20):
        error, jacobian = _residuals(model, paths, leak, jnp.asarray(conductance, float), jnp.asarray(rest, float))
        leak = leak - jnp.linalg.solve(jacobian, error)
    return float(leak[0]), float(leak[1])
