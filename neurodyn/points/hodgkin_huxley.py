"""The Hodgkin-Huxley neuron."""

import dataclasses
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax.numpy as jnp

from .._model import AbstractBoundedState, AbstractPreparable, AbstractSpikingNeuron, Linearised
from .._parameter import ParameterInfo, parameter, replace
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from ..channels import AbstractChannel, Leak, Potassium, Sodium
from .membrane import check_cell, membrane, observables, split_groups, state_info, steady_state


class HodgkinHuxley(AbstractSpikingNeuron, AbstractBoundedState, AbstractPreparable):
    """The membrane of the squid giant axon: sodium, potassium and leak currents.

    `C dv/dt = I - g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_l (v - e_l)`. Every constant, those of the six rate functions included,
    is a parameter: see `describe(model)`.

    Source: Hodgkin and Huxley (1952), J. Physiol. 117:500, table 3, in the modern sign with rest at -65 mV; 6.3 degC.

    **Fields:**

    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `na`, `k`, `leak`: the channels. Each may be replaced by another channel.
    - `temperature`: degC; scales the gates' rates by their `q10`.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA), for recordings of cells of unknown area.

    The drive is the injected current, positive inwards: uA/cm2 or pA.
    """

    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    na: AbstractChannel = eqx.field(default_factory=Sodium)
    k: AbstractChannel = eqx.field(default_factory=Potassium)
    leak: AbstractChannel = eqx.field(default_factory=Leak)
    temperature: Parameter = parameter(6.3, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    resets: ClassVar[bool] = False

    def __check_init__(self):
        check_cell(self, self._channels(), self.temperature, self.units)

    @classmethod
    def relative_to_rest(cls) -> Self:
        """The convention of 1952 with voltages counted from rest (in the modern sign): the same rates with v + 65 -> v, reversals at
        115, -12 and 10.613 mV, and the same spikes 65 mV higher."""
        moved = {f"{gate}.{rate}.midpoint": 65.0 for gate in ("na.m", "na.h", "k.n") for rate in ("alpha", "beta")}
        model = cls(initial=0.0, detection=65.0)
        moved = {path: _at(model, path) + shift for path, shift in moved.items()}
        return replace(model, {**moved, "na.e": 115.0, "k.e": -12.0, "leak.e": 10.613})

    def to_absolute(self, area: float) -> Self:
        """The same membrane as a cell of `area` um2, in pF, nS and pA (a drive of 1 uA/cm2 becomes `area / 100` pA)."""
        if self.units == "absolute":
            raise ValueError("the model is in absolute units already")
        if not area > 0:
            raise ValueError(f"area = {area} um2 is not allowed: must be > 0")
        factor = area / 100
        paths = ("capacitance", "na.g", "k.g", "leak.g")
        scaled = replace(self, {path: _at(self, path) * factor for path in paths})
        return dataclasses.replace(scaled, units="absolute")

    def _channels(self) -> dict[str, AbstractChannel]:
        return {"na": self.na, "k": self.k, "leak": self.leak}

    def init(self) -> State:
        """`initial` mV with the gates at their steady state there."""
        return steady_state(self._channels(), self.initial, self.temperature)

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        return membrane(self._channels(), self.capacitance, self.temperature, y, drive)

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """`i_na`, `i_k`, `i_leak` and their sum `i_ionic`, outward."""
        del t, drive
        return observables(self._channels(), y)

    def state_info(self) -> dict[str, ParameterInfo]:
        return state_info(self._channels())

    def groups(self) -> Any:
        return split_groups(self._channels())

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["v"] - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: the currents bring the membrane back."""
        del t
        return y, fired

    def prepare(self) -> Self:
        channels = {name: channel.at_temperature(self.temperature) for name, channel in self._channels().items()}
        return dataclasses.replace(self, **channels)


def _at(model: Any, path: str) -> Any:
    for name in path.split("."):
        model = getattr(model, name)
    return jnp.asarray(model)
