"""The contract of an ion channel, and the probe a new one has to pass."""

import dataclasses
from abc import abstractmethod
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np

from .._model import Linearised
from .._parameter import Parameterised
from .._types import FloatArray
from ..kinetics import AbstractGate


class AbstractChannel(Parameterised):
    """A membrane current with gates.

    A subclass declares its parameters and its gates as fields and writes `current`. Conductances are in mS/cm2 in a cell
    described per area and in nS in one described in absolute terms.
    """

    @abstractmethod
    def current(self, v: FloatArray, x: dict[str, FloatArray]) -> FloatArray:
        """The outward current at `v` mV with the gates at `x` (by field name)."""

    def gates(self) -> dict[str, AbstractGate]:
        """The gates by field name."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: gate for name, gate in found.items() if isinstance(gate, AbstractGate)}

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
            self, **{name: gate.at_temperature(temperature) for name, gate in self.gates().items()}
        )


_GRID = np.linspace(-120.0, 60.0, 181)  # hits -40 and -55 mV, where HH's rates have removable singularities


def probe(name: str, channel: AbstractChannel, temperature: FloatArray) -> None:
    """Refuse a channel whose current or kinetics is not a finite, differentiable scalar function of a voltage from -120 to 60 mV.

    Channels with a batch axis or traced parameters are not probed.

    **Raises:** `ValueError` naming the channel, the quantity and the voltage.
    """
    leaves = jax.tree_util.tree_leaves((channel, temperature))
    if any(isinstance(leaf, jax.core.Tracer) or jnp.ndim(leaf) for leaf in leaves):
        return

    def evaluate(v):
        kinetics = channel.kinetics(v, channel.steady(v, temperature), temperature)
        decay = {f"total rate of gate {gate!r}": total for gate, total in kinetics.decay.items()}
        slope = {f"slope of gate {gate!r}": value for gate, value in kinetics.slope.items()}
        return {"current": channel.current(v, channel.steady(v, temperature)), **decay, **slope}

    grid = jnp.asarray(_GRID, dtype=float)
    try:
        shapes = jax.eval_shape(evaluate, grid[0])
        wrong = {key: out.shape for key, out in shapes.items() if out.shape != ()}
        if not wrong:
            values, gradients = jax.vmap(lambda v: (evaluate(v), jax.jacfwd(evaluate)(v)))(grid)
    except Exception as error:
        raise ValueError(
            f"channel {name!r} ({type(channel).__name__}) cannot be evaluated by JAX: {str(error).splitlines()[0]}"
        ) from error
    for key, shape in wrong.items():
        raise ValueError(
            f"channel {name!r} ({type(channel).__name__}): its {key} has shape {shape} for a scalar voltage, must be ()"
        )
    for what, table in (("", values), ("derivative of ", gradients)):
        for key, value in table.items():
            bad = ~np.isfinite(np.asarray(value))
            if bad.any():
                raise ValueError(
                    f"channel {name!r} ({type(channel).__name__}): the {what}{key} is {np.asarray(value)[bad][0]} at "
                    f"{_GRID[bad][0]:g} mV, must be finite from -120 to 60 mV"
                )
            if what == "" and key.startswith("total") and (np.asarray(value) <= 0).any():
                at = _GRID[np.asarray(value) <= 0][0]
                raise ValueError(
                    f"channel {name!r} ({type(channel).__name__}): the {key} is not positive at {at:g} mV, must be > 0 1/ms"
                )
