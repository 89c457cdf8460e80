"""The contract of an ion channel, and the probe a new one has to pass."""

import dataclasses
from abc import abstractmethod
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._model import Linearised
from .._parameter import UNDECLARED, Parameterised, parameters
from .._types import FloatArray
from ..kinetics import AbstractGate, Instantaneous


class AbstractChannel(Parameterised):
    """A membrane current with gates.

    A subclass declares its parameters and its gates as fields and writes `current`. Conductances are in mS/cm2 in a cell
    described per area and in nS in one described in absolute terms.
    """

    @abstractmethod
    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        """The outward current at `v` mV with the gates at `x` (by field name)."""

    def gates(self) -> dict[str, AbstractGate]:
        """The gates that are states, by field name."""
        return {name: gate for name, gate in self._all_gates().items() if not isinstance(gate, Instantaneous)}

    def outward(self, v: FloatArray, x: dict[str, FloatArray], temperature: FloatArray) -> FloatArray:
        """The outward current at `v` mV with the gates at `x`, and those that are no states where they are at `v`."""
        at_once = {name: gate for name, gate in self._all_gates().items() if isinstance(gate, Instantaneous)}
        return self.current(v, {**x, **{name: gate.rates(v, temperature)[0] for name, gate in at_once.items()}})

    def steady(self, v: FloatArray, temperature: FloatArray) -> dict[str, FloatArray]:
        """The gates' steady state at `v` mV."""
        rates = {name: gate.rates(v, temperature) for name, gate in self.gates().items()}
        return {name: opening / total for name, (opening, total) in rates.items()}

    def kinetics(self, v: FloatArray, x: dict[str, FloatArray], temperature: FloatArray) -> Linearised:
        """Slope and decay of the gates."""
        rates = {name: gate.rates(v, temperature) for name, gate in self.gates().items()}
        slope = {name: opening - total * x[name] for name, (opening, total) in rates.items()}
        return Linearised(slope, {name: total for name, (_, total) in rates.items()})

    def at_temperature(self, temperature: FloatArray) -> Self:
        """The same channel with the temperature factors of its gates worked out."""
        return dataclasses.replace(
            self, **{name: gate.at_temperature(temperature) for name, gate in self._all_gates().items()}
        )

    def _all_gates(self) -> dict[str, AbstractGate]:
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: gate for name, gate in found.items() if isinstance(gate, AbstractGate)}


_GRID = np.linspace(-120.0, 60.0, 181)  # hits -40 and -55 mV, where HH's rates have removable singularities


def _evaluate(channel: AbstractChannel, temperature: FloatArray, v: FloatArray) -> dict[str, FloatArray]:
    steady = channel.steady(v, temperature)
    kinetics = channel.kinetics(v, steady, temperature)
    decay = {f"total rate of gate {gate!r}": total for gate, total in kinetics.decay.items()}
    slope = {f"slope of gate {gate!r}": value for gate, value in kinetics.slope.items()}
    return {"current": channel.outward(v, steady, temperature), **decay, **slope}


@eqx.filter_jit  # compiled once per kind of channel
def _tabulate(channel: AbstractChannel, temperature: FloatArray, grid: FloatArray):
    def one(v):
        return _evaluate(channel, temperature, v), jax.jacfwd(lambda v: _evaluate(channel, temperature, v))(v)

    return jax.vmap(one)(grid)


def probe(name: str, channel: AbstractChannel, temperature: FloatArray) -> None:
    """Refuse a channel whose current or kinetics is not a finite, differentiable scalar function of a voltage from -120 to 60 mV.

    Channels with a batch axis or traced parameters are not probed.

    **Raises:** `ValueError` naming the channel, the quantity and the voltage.
    """
    what = f"channel {name!r} ({type(channel).__name__})"
    if not isinstance(channel, AbstractChannel):
        raise ValueError(f"{what} is not allowed: must be an AbstractChannel")
    arrays = [item for item in parameters((channel, temperature)).values() if item.value.ndim]
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree_util.tree_leaves((channel, temperature)))
    if traced or any(item.info is not UNDECLARED for item in arrays):
        return
    try:
        shapes = eqx.filter_eval_shape(_evaluate, channel, temperature, jax.ShapeDtypeStruct((), temperature.dtype))
        wrong = {key: out.shape for key, out in shapes.items() if out.shape != ()}
        with jax.ensure_compile_time_eval():  # a model may be built inside a transformation
            tables = ({}, {}) if wrong else _tabulate(channel, temperature, jnp.asarray(_GRID, temperature.dtype))
    except Exception as error:
        if arrays:  # weights of a neural network, which may have a batch axis
            return
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{what} cannot be evaluated by JAX from -120 to 60 mV ({reason})") from error
    for key, shape in wrong.items():
        raise ValueError(f"{what}: its {key} has shape {shape} for a scalar voltage, must be ()")
    for kind, table in zip(("", "derivative of "), tables, strict=True):
        for key, value in reversed(jax.device_get(table).items()):  # gates before the current that they would spoil
            bad = ~np.isfinite(value)
            if bad.any():
                at = f"{value[bad][0]} at {_GRID[bad][0]:g} mV"
                raise ValueError(f"{what}: the {kind}{key} is {at}, must be finite from -120 to 60 mV")
            if kind == "" and key.startswith("total") and (value <= 0).any():
                at = f"{value[value <= 0][0]:g} 1/ms at {_GRID[value <= 0][0]:g} mV"
                raise ValueError(f"{what}: the {key} is {at}, must be > 0 1/ms from -120 to 60 mV")
