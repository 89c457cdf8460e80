"""The Connor-Stevens neuron."""

from collections.abc import Mapping
from typing import Literal

import equinox as eqx

from .._parameter import parameter
from .._types import Parameter
from ..channels import AbstractChannel, ACurrent, Leak, Potassium, Sodium
from ..kinetics import AlphaBeta, Exponential, LinearExponential, Sigmoid
from .membrane import AbstractMembrane


def _sodium() -> Sodium:
    m = AlphaBeta(LinearExponential(0.38, -29.7, 10.0), Exponential(15.2, -54.7, -1 / 0.0556))
    return Sodium(120.0, 55.0, m, AlphaBeta(Exponential(0.266, -48.0, -20.0), Sigmoid(3.8, -18.0, 10.0)))


def _potassium() -> Potassium:
    n = AlphaBeta(LinearExponential(0.02, -45.7, 10.0), Exponential(0.25, -55.7, -80.0))
    return Potassium(20.0, -72.0, n)


def _leak() -> Leak:
    return Leak(0.3, -17.0)


class ConnorStevens(AbstractMembrane):
    """A crustacean axon: sodium, potassium, leak, and a transient potassium current that delays the first spike and makes the neuron class 1.

    `C dv/dt = I - g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_a a^3 b (v - e_a) - g_l (v - e_l)`.

    Source: Connor, Walter and McKown (1977), Biophys. J. 18:81, after Connor and Stevens (1971), in the form of Dayan and Abbott (2001), Theoretical
    Neuroscience, section 6.2 and its appendix; 18 degC.

    **Fields:**

    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `na`, `k`, `a`, `leak`: the channels. Each may be replaced by another channel.
    - `temperature`: degC, for gates with a `q10`, which the published ones have not.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA).
    """

    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    na: AbstractChannel = eqx.field(default_factory=_sodium)
    k: AbstractChannel = eqx.field(default_factory=_potassium)
    a: AbstractChannel = eqx.field(default_factory=ACurrent)
    leak: AbstractChannel = eqx.field(default_factory=_leak)
    temperature: Parameter = parameter(18.0, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-68.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        return {"na": self.na, "k": self.k, "a": self.a, "leak": self.leak}
