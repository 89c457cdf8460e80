"""The Hodgkin-Huxley neuron."""

from collections.abc import Mapping
from typing import Literal, Self

import equinox as eqx

from .._parameter import parameter, parameters, replace
from .._types import Parameter
from ..channels import AbstractChannel, Leak, Potassium, Sodium
from .membrane import AbstractMembrane


class HodgkinHuxley(AbstractMembrane):
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

    @classmethod
    def relative_to_rest(cls) -> Self:
        """The convention of 1952 with voltages counted from rest (in the modern sign): the same rates with v + 65 -> v, reversals at
        115, -12 and 10.613 mV, and the same spikes 65 mV higher."""
        model = cls(initial=0.0, detection=65.0)
        midpoints = [f"{gate}.{rate}.midpoint" for gate in ("na.m", "na.h", "k.n") for rate in ("alpha", "beta")]
        moved = {path: parameters(model)[path].value + 65.0 for path in midpoints}
        return replace(model, {**moved, "na.e": 115.0, "k.e": -12.0, "leak.e": 10.613})

    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        return {"na": self.na, "k": self.k, "leak": self.leak}
