"""The Morris-Lecar neuron."""

from collections.abc import Mapping
from typing import Literal, Self

import equinox as eqx

from .._parameter import parameter
from .._types import Parameter
from ..channels import AbstractChannel, BarnacleCalcium, BarnaclePotassium, Leak
from ..kinetics import Hyperbolic
from .membrane import AbstractMembrane


def _leak() -> Leak:
    return Leak(2.0, -60.0)


class MorrisLecar(AbstractMembrane):
    """The membrane of the barnacle muscle fibre: calcium that follows the voltage at once, slow potassium and a leak. Two variables, for phase planes.

    `C dv/dt = I - g_ca m_inf(v) (v - e_ca) - g_k w (v - e_k) - g_l (v - e_l)`,
    `dw/dt = phi cosh((v - V3) / (2 V4)) (w_inf(v) - w)`, with `m_inf = (1 + tanh((v - V1) / V2)) / 2` and `w_inf = (1 + tanh((v - V3) / V4)) / 2`.
    The letters are these paths: V1, V2 `ca.m.steady.half` and `.slope`; V3, V4, phi `k.w.half`, `.slope` and `.rate`.

    The parameter sets `hopf` (the default), `snic` and `homoclinic` differ in how repetitive firing begins as the current grows.

    Source: Morris and Lecar (1981), Biophys. J. 35:193, equations 2, 3, 8 and 9, with calcium instantaneous; parameter sets of Rinzel and Ermentrout
    (1998), in Koch and Segev, Methods in Neuronal Modeling, table 7.1.

    **Fields:**

    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `ca`, `k`, `leak`: the channels. Each may be replaced by another channel.
    - `temperature`: degC, for gates with a `q10`, which the published ones have not.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA).
    """

    capacitance: Parameter = parameter(20.0, unit="uF/cm2", lower=0.0, exclusive=True)
    ca: AbstractChannel = eqx.field(default_factory=BarnacleCalcium)
    k: AbstractChannel = eqx.field(default_factory=BarnaclePotassium)
    leak: AbstractChannel = eqx.field(default_factory=_leak)
    temperature: Parameter = parameter(22.0, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-60.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    @classmethod
    def hopf(cls) -> Self:
        """g_ca 4.4, V3 2, V4 30, phi 0.04: firing begins by a subcritical Hopf bifurcation, at a rate above zero (class 2)."""
        return cls()

    @classmethod
    def snic(cls) -> Self:
        """g_ca 4, V3 12, V4 17.4, phi 0.067: firing begins by a saddle-node on an invariant circle, at any low rate (class 1)."""
        return cls(ca=BarnacleCalcium(4.0), k=BarnaclePotassium(w=Hyperbolic(12.0, 17.4, 0.067)))

    @classmethod
    def homoclinic(cls) -> Self:
        """As `snic` with phi 0.23: firing begins by a homoclinic bifurcation, bistable with rest."""
        return cls(ca=BarnacleCalcium(4.0), k=BarnaclePotassium(w=Hyperbolic(12.0, 17.4, 0.23)))

    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        return {"ca": self.ca, "k": self.k, "leak": self.leak}
