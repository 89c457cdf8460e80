"""A point neuron put together from any channels."""

from collections.abc import Mapping
from typing import Literal

import equinox as eqx

from .._parameter import parameter
from .._types import Parameter
from ..channels import AbstractChannel, AbstractMechanism, AbstractPool
from ..kinetics.parts import named
from .membrane import AbstractMembrane


def _as_dict(channels: Mapping[str, AbstractMechanism]) -> dict[str, AbstractMechanism]:
    if not isinstance(channels, Mapping):
        raise ValueError(
            f"channels: {named(channels)} is not allowed: must be a dictionary by name, such as {{'leak': Leak()}}"
        )
    for name, channel in channels.items():
        if not isinstance(name, str) or not name.isidentifier() or name in ("v", "ionic"):
            raise ValueError(
                f"channel name {name!r} is not allowed: must be an identifier other than 'v' and 'ionic', the sum of all"
            )
        if not isinstance(channel, AbstractChannel | AbstractPool):
            raise ValueError(
                f"channel {name!r} is not allowed: must be an AbstractChannel or an AbstractPool, got {named(channel)}"
            )
    return dict(channels)


class PointCell(AbstractMembrane):
    """An isopotential cell: `capacitance dv/dt = I - sum of the currents of its channels`.

    Channels that follow an ion, such as those opened by calcium, need its pool beside them:
    `PointCell({"cal": HighVoltageCalcium(), "ca": CalciumPool(), "sk": SKPotassium(), "leak": Leak()})`.

    **Fields:**

    - `channels`: the channels and pools by name. Each is probed: its current and kinetics must be finite and differentiable from -120 to 60 mV.
    - `capacitance`: uF/cm2 (pF when `units="absolute"`).
    - `temperature`: degC, for the gates' `q10` and for ions. The default is that of the squid giant axon; channels of mammals are meant for 34 to 37 degC.
    - `detection`: a spike is an upward crossing of this voltage, in mV.
    - `initial`: the voltage a run starts from, with steady gates, in mV.
    - `units`: `"density"` (uF/cm2, mS/cm2, uA/cm2) or `"absolute"` (pF, nS, pA).
    """

    channels: dict[str, AbstractMechanism] = eqx.field(converter=_as_dict)
    capacitance: Parameter = parameter(1.0, unit="uF/cm2", lower=0.0, exclusive=True)
    temperature: Parameter = parameter(6.3, unit="degC", lower=-5.0, upper=60.0, trainable=False)
    detection: Parameter = parameter(0.0, unit="mV", trainable=False)
    initial: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)
    units: Literal["density", "absolute"] = eqx.field(default="density", static=True)

    def channels_by_name(self) -> Mapping[str, AbstractMechanism]:
        return self.channels
