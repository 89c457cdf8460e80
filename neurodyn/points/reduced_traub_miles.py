"""The reduced Traub-Miles pyramidal cell."""

from collections.abc import Mapping
from typing import Literal

import equinox as eqx

from .._parameter import parameter
from .._types import Parameter
from ..channels import AbstractChannel, Leak, Potassium, Sodium
from .membrane import AbstractMembrane


def _sodium() -> Sodium:
    return Sodium.traub_miles(100.0, 50.0, -67.0)


def _potassium() -> Potassium:
    return Potassium.traub_miles(80.0, -100.0, -67.0)


def _leak() -> Leak:
    return Leak(0.1, -67.0)


class ReducedTraubMiles(AbstractMembrane):
    """A pyramidal cell of one compartment: sodium, potassium and leak; class 1.

    `C dv/dt = I - g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_l (v - e_l)`. Rates are written with voltages counted from V_T = -67 mV, the `shift` of
    the gates.

    Source: Traub and Miles (1991), Neuronal Networks of the Hippocampus, reduced by Ermentrout and Kopell (1998), PNAS 95:1259; constants as in Boergers
    (2017), An Introduction to Modeling Neuronal Dynamics, section 5.2.

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
    initial: Parameter = parameter(-67.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        return {"na": self.na, "k": self.k, "leak": self.leak}
