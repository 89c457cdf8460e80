"""The equations of an isopotential membrane with ion channels, shared by every conductance-based point neuron."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from .._model import Linearised
from .._parameter import ParameterInfo, validate
from .._types import FloatArray, State
from ..channels import AbstractChannel
from ..channels.base import probe


Channels = Mapping[str, AbstractChannel]


def check_cell(cell: Any, channels: Channels, temperature: FloatArray, units: str) -> None:
    """Refuse a cell with impossible parameters, unknown units or a channel that fails the probe.

    **Raises:** `ValueError` naming what is at fault.
    """
    validate(cell, type(cell).__name__)  # before the probe, which would blame a channel
    if units not in ("density", "absolute"):
        raise ValueError(f"units = {units!r} is not allowed: must be 'density' or 'absolute'")
    for name, channel in channels.items():
        probe(name, channel, temperature)


def steady_state(channels: Channels, v: FloatArray, temperature: FloatArray) -> State:
    """The state at `v` mV with every gate at its steady state; channels without gates have no entry."""
    gates = {name: channel.steady(v, temperature) for name, channel in channels.items() if channel.gates()}
    return {"v": v, **gates}


def currents(channels: Channels, v: FloatArray, y: State) -> dict[str, FloatArray]:
    """The outward current of each channel."""
    return {name: channel.current(v, y.get(name, {})) for name, channel in channels.items()}


def membrane(channels: Channels, capacitance: FloatArray, temperature: FloatArray, y: State, drive: Any) -> Linearised:
    """`capacitance dv/dt = drive - sum of the channels' currents`, and the gates' equations."""

    def total(v):
        return sum(currents(channels, v, y).values(), start=jnp.zeros_like(v))

    outward, conductance = jax.jvp(total, (y["v"],), (jnp.ones_like(y["v"]),))
    kinetics = {
        name: channel.kinetics(y["v"], y[name], temperature) for name, channel in channels.items() if channel.gates()
    }
    return Linearised(
        {"v": (drive - outward) / capacitance, **{name: k.slope for name, k in kinetics.items()}},
        {"v": conductance / capacitance, **{name: k.decay for name, k in kinetics.items()}},
    )


def observables(channels: Channels, y: State) -> dict[str, FloatArray]:
    """Each channel's outward current as `i_<name>`, and their sum `i_ionic`."""
    named = currents(channels, y["v"], y)
    total = sum(named.values(), start=jnp.zeros_like(y["v"]))
    return {**{f"i_{name}": i for name, i in named.items()}, "i_ionic": total}


def state_info(channels: Channels) -> dict[str, ParameterInfo]:
    """The voltage in mV; gates are fractions."""
    gates = {
        f"{name}.{gate}": ParameterInfo(lower=0.0, upper=1.0)
        for name, channel in channels.items()
        for gate in channel.gates()
    }
    return {"v": ParameterInfo("mV"), **gates}


def split_groups(channels: Channels) -> Any:
    """Gates first, the voltage innermost."""
    gates = {name: dict.fromkeys(channel.gates(), 0) for name, channel in channels.items() if channel.gates()}
    return {"v": 1, **gates}
