"""A point neuron put together from any channels."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import equinox as eqx

from .._model import AbstractBoundedState, AbstractPreparable, AbstractSpikingNeuron, Linearised
from .._parameter import ParameterInfo, parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from ..channels import AbstractChannel
from .membrane import check_cell, membrane, observables, split_groups, state_info, steady_state


def _as_dict(channels: Mapping[str, AbstractChannel]) -> dict[str, AbstractChannel]:
    for name, channel in channels.items():
        if not isinstance(name, str) or not name.isidentifier() or name == "v":
            raise ValueError(f"channel name {name!r} is not allowed: must be an identifier other than 'v'")
        if not isinstance(channel, AbstractChannel):
            raise ValueError(
                f"channel {name!r} is not allowed: must be an AbstractChannel, got {type(channel).__name__}"
            )
    return dict(channels)


class PointCell(AbstractSpikingNeuron, AbstractBoundedState, AbstractPreparable):
    """An isopotential cell: `capacitance dv/dt = I - sum of the currents of its channels`.

    **Fields:**

    - `channels`: the channels by name. Each is probed: its current and kinetics must be finite and differentiable from -120 to 60 mV.
    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `temperature`: degC, for the gates' `q10`.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA).
    """

    channels: dict[str, AbstractChannel] = eqx.field(converter=_as_dict)
    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    temperature: Parameter = parameter(6.3, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    resets: ClassVar[bool] = False

    def __check_init__(self):
        check_cell(self, self.channels, self.temperature, self.units)

    def init(self) -> State:
        """`initial` mV with the gates at their steady state there."""
        return steady_state(self.channels, self.initial, self.temperature)

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        return membrane(self.channels, self.capacitance, self.temperature, y, drive)

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """`i_<channel>` for each channel and their sum `i_ionic`, outward."""
        del t, drive
        return observables(self.channels, y)

    def state_info(self) -> dict[str, ParameterInfo]:
        return state_info(self.channels)

    def groups(self) -> Any:
        return split_groups(self.channels)

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["v"] - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: the currents bring the membrane back."""
        del t
        return y, fired

    def prepare(self) -> Self:
        channels = {name: channel.at_temperature(self.temperature) for name, channel in self.channels.items()}
        return dataclasses.replace(self, channels=channels)
