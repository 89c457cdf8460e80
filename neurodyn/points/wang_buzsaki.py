"""The Wang-Buzsaki interneuron."""

from collections.abc import Mapping
from typing import Literal

import equinox as eqx

from .._parameter import parameter
from .._types import Parameter
from ..channels import AbstractChannel, Leak, Potassium, Sodium
from ..kinetics import AlphaBeta, Exponential, Instantaneous, LinearExponential, RateRatio, Sigmoid
from .membrane import AbstractMembrane


def _sodium() -> Sodium:
    m = Instantaneous(RateRatio(LinearExponential(0.1, -35.0, 10.0), Exponential(4.0, -60.0, -18.0)))
    return Sodium(35.0, 55.0, m, AlphaBeta(Exponential(0.07, -58.0, -20.0), Sigmoid(1.0, -28.0, 10.0), factor=5.0))


def _potassium() -> Potassium:
    n = AlphaBeta(LinearExponential(0.01, -34.0, 10.0), Exponential(0.125, -44.0, -80.0), factor=5.0)
    return Potassium(9.0, -90.0, n)


def _leak() -> Leak:
    return Leak(0.1, -65.0)


class WangBuzsaki(AbstractMembrane):
    """A fast-spiking hippocampal interneuron: sodium with instantaneous activation, potassium and leak; class 1, little afterhyperpolarisation.

    `C dv/dt = I - g_na m_inf(v)^3 h (v - e_na) - g_k n^4 (v - e_k) - g_l (v - e_l)`. The source's phi = 5 is the `factor` of the gates h and n.

    Source: Wang and Buzsaki (1996), J. Neurosci. 16:6402, equations 1-4.

    **Fields:**

    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `na`, `k`, `leak`: the channels. Each may be replaced by another channel.
    - `temperature`: degC, for gates with a `q10`, which the published ones have not.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA).
    """

    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    na: AbstractChannel = eqx.field(default_factory=_sodium)
    k: AbstractChannel = eqx.field(default_factory=_potassium)
    leak: AbstractChannel = eqx.field(default_factory=_leak)
    temperature: Parameter = parameter(37.0, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-64.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        return {"na": self.na, "k": self.k, "leak": self.leak}
