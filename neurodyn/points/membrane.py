"""The equations of an isopotential membrane with ion channels, shared by every conductance-based point neuron."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax.numpy as jnp

from .._model import AbstractBoundedState, AbstractPreparable, AbstractSpikingNeuron, Linearised
from .._parameter import ABSOLUTE_UNITS, ParameterInfo, parameters, replace, validate
from .._types import BoolArray, FloatArray, RealScalar, State
from ..channels import AbstractMechanism, mechanisms


class AbstractMembrane(AbstractSpikingNeuron, AbstractBoundedState, AbstractPreparable):
    """An isopotential membrane: `capacitance dv/dt = I - sum of the currents of its channels`.

    A subclass declares its parameters and channels as fields and names the channels, and the pools of ions beside them. The drive is the injected
    current, positive inwards: uA/cm2, or pA in absolute units. The state is the voltage `v` and, for each channel that has gates, a dictionary of these; for
    each pool a dictionary with the concentration `inside` in mM.

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
    def channels_by_name(self) -> Mapping[str, AbstractMechanism]:
        """The channels and pools, by the names that their states and currents go by."""

    def __check_init__(self):
        validate(self, type(self).__name__)  # before the probe, which would blame a channel
        if self.units not in ("density", "absolute"):
            raise ValueError(f"units = {self.units!r} is not allowed: must be 'density' or 'absolute'")
        mechanisms.check(self.channels_by_name(), self.temperature, self.units)

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
        """`initial` mV with gates and concentrations at their steady state there."""
        return {"v": self.initial, **mechanisms.steady(self.channels_by_name(), self.initial, self.temperature)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        parts, v = self.channels_by_name(), y["v"]
        outward, conductance = mechanisms.total(parts, v, y, self.temperature)
        kinetics = mechanisms.kinetics(parts, v, y, self.temperature)
        return Linearised(
            {"v": (drive - outward) / self.capacitance, **kinetics.slope},
            {"v": conductance / self.capacitance, **kinetics.decay},
        )

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """`i_<channel>` for each channel and their sum `i_ionic`, outward; `e_<ion>`, the Nernst potential in mV, for each ion that has a pool."""
        del t, drive
        parts = self.channels_by_name()
        named = mechanisms.currents(parts, y["v"], y, self.temperature)
        total = sum(named.values(), start=jnp.zeros_like(y["v"]))
        ions = mechanisms.ions(parts, y, self.temperature)
        potentials = {f"e_{name}": ion.nernst() for name, ion in ions.items()}
        return {**{f"i_{name}": i for name, i in named.items()}, "i_ionic": total, **potentials}

    def steady_current(self, v: FloatArray) -> FloatArray:
        """The outward current when `v` mV has been held for ever: zero at rest, and its slope there is one over the input resistance."""
        parts = self.channels_by_name()
        y = mechanisms.steady(parts, v, self.temperature)
        return sum(mechanisms.currents(parts, v, y, self.temperature).values(), start=jnp.zeros_like(v))

    def state_info(self) -> dict[str, ParameterInfo]:
        """The voltage in mV; gates are fractions; concentrations in mM."""
        return {"v": ParameterInfo("mV"), **mechanisms.state_info(self.channels_by_name())}

    def groups(self) -> Any:
        """Gates first, the voltage innermost; between them concentrations, then the gates that follow them."""
        return mechanisms.groups(self.channels_by_name())

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["v"] - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: the currents bring the membrane back."""
        del t
        return y, fired

    def prepare(self) -> Self:
        return mechanisms.at_temperature(self, self.temperature)
