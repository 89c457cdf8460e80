"""The cortical and thalamic cell classes of Pospischil et al."""

from collections.abc import Mapping
from typing import Literal, Self

import equinox as eqx

from .._parameter import parameter
from .._types import Parameter
from ..channels import AbstractChannel, Leak, LTypeCalcium, MCurrent, Potassium, Sodium, TTypeCalcium
from ..kinetics import Q10
from .membrane import AbstractMembrane


def _sodium() -> Sodium:
    return Sodium.traub_miles(50.0, 50.0, -55.0, Q10(3.0, 36.0))


def _potassium(g: float = 5.0) -> Potassium:
    return Potassium.traub_miles(g, -100.0, -55.0, Q10(3.0, 36.0))


def _leak() -> Leak:
    return Leak(0.1, -70.0)


class Pospischil(AbstractMembrane):
    """Minimal models of the firing classes of cortex and thalamus: sodium, potassium and leak, a slow potassium (M) current for adaptation, and an L- or
    T-type calcium current for bursts. `regular_spiking` (the default), `fast_spiking`, `intrinsically_bursting`, `repetitively_bursting` and
    `low_threshold_spiking` are the published cells.

    `C dv/dt = I - g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_m p (v - e_k) - g_l q^2 r (v - e_ca) - g_t s_inf(v)^2 u (v - e_ca) - g_l (v - e_l)`.
    V_T of the source is the `shift` of the gates of `na` and `k`.

    Currents are per area. The source injects nA into cylinders that are as long as wide, of 96 um (67 um for `fast_spiking`): a current of 1 nA is
    `1e5 / (pi diameter^2)` uA/cm2, with the diameter in um: 3.454 uA/cm2 (7.091).

    Source: Pospischil et al. (2008), Biol. Cybern. 99:427, with the constants of its programs (ModelDB 123623); 36 degC, e_ca fixed at 120 mV.

    **Fields:**

    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `na`, `k`, `leak`: the channels. Each may be replaced by another channel.
    - `m`, `ca`: the M current and the calcium current, or None.
    - `temperature`: degC; scales the gates' rates by their `q10`.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA).
    """

    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    na: AbstractChannel = eqx.field(default_factory=_sodium)
    k: AbstractChannel = eqx.field(default_factory=_potassium)
    m: AbstractChannel | None = eqx.field(default_factory=MCurrent)
    ca: AbstractChannel | None = None
    leak: AbstractChannel = eqx.field(default_factory=_leak)
    temperature: Parameter = parameter(36.0, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-70.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    @classmethod
    def regular_spiking(cls) -> Self:
        """RS: a pyramidal cell that adapts."""
        return cls()

    @classmethod
    def fast_spiking(cls) -> Self:
        """FS: an interneuron that does not adapt; no M current."""
        return cls(k=_potassium(10.0), m=None, leak=Leak(0.15, -70.0))

    @classmethod
    def intrinsically_bursting(cls) -> Self:
        """IB: a burst at first, then single spikes."""
        return cls(m=MCurrent(0.03), ca=LTypeCalcium(0.17), leak=Leak(0.01, -85.0), initial=-84.0)

    @classmethod
    def repetitively_bursting(cls) -> Self:
        """IBR: the same cell with more L-type calcium, one burst after the other."""
        return cls(m=MCurrent(0.03), ca=LTypeCalcium(0.22), leak=Leak(0.01, -85.0), initial=-84.0)

    @classmethod
    def low_threshold_spiking(cls) -> Self:
        """LTS: T-type calcium, with bursts from hyperpolarised potentials."""
        return cls(m=MCurrent(0.03), ca=TTypeCalcium(0.4), leak=Leak(0.01, -85.0), initial=-84.0)

    def channels_by_name(self) -> Mapping[str, AbstractChannel]:
        channels = {"na": self.na, "k": self.k, "m": self.m, "ca": self.ca, "leak": self.leak}
        return {name: channel for name, channel in channels.items() if channel is not None}
