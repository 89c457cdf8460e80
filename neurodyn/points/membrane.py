"""The equations of an isopotential membrane with ion channels, shared by every conductance-based point neuron."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import AbstractBoundedState, AbstractPreparable, AbstractSpikingNeuron, Linearised
from .._parameter import ABSOLUTE_UNITS, ParameterInfo, parameters, replace, validate
from .._types import BoolArray, FloatArray, RealScalar, State
from ..channels import AbstractChannel
from ..channels.base import probe


class AbstractMembrane(AbstractSpikingNeuron, AbstractBoundedState, AbstractPreparable):
    """An isopotential membrane: `capacitance dv/dt = I - sum of the currents of its channels`.

    A subclass declares its parameters and channels as fields and names the channels. The drive is the injected current, positive inwards: uA/cm2, or
    pA in absolute units. The state is the voltage `v` and, for each channel that has gates, a dictionary of these.

    **Fields** that every subclass declares:

    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `temperature`: degC; scales the rates of those gates that have a `q10`.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA), for recordings of cells of unknown area.
    """

    capacitance: eqx.AbstractVar[FloatArray]
    temperature: eqx.AbstractVar[FloatArray]
    detection: eqx.AbstractVar[FloatArray]
    initial: eqx.AbstractVar[FloatArray]
    units: eqx.AbstractVar[Literal["density", "absolute"]]

    resets: ClassVar[bool] = False

    @abstractmethod
    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        """The channels, by the names that their gates and currents go by."""

    def __check_init__(self):
        validate(self, type(self).__name__)  # before the probe, which would blame a channel
        if self.units not in ("density", "absolute"):
            raise ValueError(f"units = {self.units!r} is not allowed: must be 'density' or 'absolute'")
        for name, channel in self.channels_by_name().items():
            probe(name, channel, self.temperature)

    def to_absolute(self, area: float) -> Self:
        """The same membrane as a cell of `area` um2, in pF, nS and pA (a drive of 1 uA/cm2 becomes `area / 100` pA)."""
        if self.units == "absolute":
            raise ValueError("the model is in absolute units already")
        if not area > 0:
            raise ValueError(f"area = {area} um2 is not allowed: must be > 0")
        per_area = {path: item.value for path, item in parameters(self).items() if item.info.unit in ABSOLUTE_UNITS}
        scaled = replace(self, {path: value * (area / 100) for path, value in per_area.items()})
        return dataclasses.replace(scaled, units="absolute")

    def init(self) -> State:
        """`initial` mV with the gates at their steady state there."""
        gates = {name: channel.steady(self.initial, self.temperature) for name, channel in self._gated().items()}
        return {"v": self.initial, **gates}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        v = y["v"]

        def total(v):
            return sum(self._currents(v, y).values(), start=jnp.zeros_like(v))

        outward, conductance = jax.jvp(total, (v,), (jnp.ones_like(v),))
        kinetics = {name: channel.kinetics(v, y[name], self.temperature) for name, channel in self._gated().items()}
        return Linearised(
            {"v": (drive - outward) / self.capacitance, **{name: k.slope for name, k in kinetics.items()}},
            {"v": conductance / self.capacitance, **{name: k.decay for name, k in kinetics.items()}},
        )

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """`i_<channel>` for each channel and their sum `i_ionic`, outward."""
        del t, drive
        named = self._currents(y["v"], y)
        total = sum(named.values(), start=jnp.zeros_like(y["v"]))
        return {**{f"i_{name}": i for name, i in named.items()}, "i_ionic": total}

    def steady_current(self, v: FloatArray) -> FloatArray:
        """The outward current when `v` mV has been held for ever: zero at rest, and its slope there is one over the input resistance."""
        channels = self.channels_by_name().values()
        currents = [channel.outward(v, channel.steady(v, self.temperature), self.temperature) for channel in channels]
        return sum(currents, start=jnp.zeros_like(v))

    def state_info(self) -> dict[str, ParameterInfo]:
        """The voltage in mV; gates are fractions."""
        fraction = ParameterInfo(lower=0.0, upper=1.0)
        gates = [f"{name}.{gate}" for name, channel in self._gated().items() for gate in channel.gates()]
        return {"v": ParameterInfo("mV"), **dict.fromkeys(gates, fraction)}

    def groups(self) -> Any:
        """Gates first, the voltage innermost."""
        return {"v": 1, **{name: dict.fromkeys(channel.gates(), 0) for name, channel in self._gated().items()}}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["v"] - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: the currents bring the membrane back."""
        del t
        return y, fired

    def prepare(self) -> Self:
        def at_temperature(part):
            return part.at_temperature(self.temperature) if isinstance(part, AbstractChannel) else part

        return jtu.tree_map(at_temperature, self, is_leaf=lambda part: isinstance(part, AbstractChannel))

    def _gated(self) -> dict[str, AbstractChannel]:
        """The channels that have a place in the state."""
        return {name: channel for name, channel in self.channels_by_name().items() if channel.gates()}

    def _currents(self, v: FloatArray, y: State) -> dict[str, FloatArray]:
        """The outward current of each channel."""
        channels = self.channels_by_name()
        return {name: channel.outward(v, y.get(name, {}), self.temperature) for name, channel in channels.items()}
