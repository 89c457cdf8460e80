"""The contract of an ion channel."""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from .._model import Linearised
from .._parameter import ParameterInfo
from .._types import FloatArray
from ..kinetics import AbstractGate, AbstractIonGate, Instantaneous
from .driving_force import AbstractDrivingForce
from .ion import Ion
from .mechanism import AbstractMechanism
from .probe import probe as probe


_NO_IONS: Mapping[str, Ion] = MappingProxyType({})
_FRACTION = ParameterInfo(lower=0.0, upper=1.0)


class AbstractChannel(AbstractMechanism):
    """A membrane current with gates.

    A subclass declares its parameters and its gates as fields and writes `current`. Conductances are in mS/cm2 in a cell
    described per area and in nS in one described in absolute terms.

    Gates depend on the voltage (`AbstractGate`) or also on the concentration of an ion inside (`AbstractIonGate`). An ion whose concentration is read
    has to be there as a pool: a mechanism beside the channels, such as `CalciumPool`.

    **Class variables** that a subclass may set:

    - `ion`: the ion that the channel carries, such as `"ca"`, or None for a mixture; its current moves the pool of that ion, if there is one.
    - `needs`: ions that `current` reads by itself; those that gates or a driving force read are known.
    """

    ion: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ()

    def __check_init__(self):
        name = type(self).__name__
        if isinstance(self.needs, str):  # whose letters would pass for ions
            raise ValueError(f"{name}.needs = {self.needs!r} is not allowed: must be a tuple, such as ('ca',)")
        if self.ion is None and any(force.reads_ion for force in self._all(AbstractDrivingForce).values()):
            raise ValueError(
                f"{name}.ion = None is not allowed: must be the ion that its driving force reads, such as 'ca'"
            )
        for gate in self._all_gates():
            if gate in self.reads():
                raise ValueError(
                    f"{name}.{gate} is not allowed: a gate must have another name than the ions that are read"
                )

    @abstractmethod
    def current(self, v: FloatArray, x: dict[str, Any]) -> FloatArray:
        """The outward current at `v` mV with the gates at `x` (by field name), where the ions that are read stand by their names too, as `Ion`."""

    def reads(self) -> frozenset[str]:
        gates = {gate.ion for gate in self._all(AbstractIonGate).values()}
        driven = any(force.reads_ion for force in self._all(AbstractDrivingForce).values())
        return frozenset(gates | set(self.needs) | ({self.ion} if driven and self.ion else set()))

    def states(self) -> dict[str, ParameterInfo]:
        return dict.fromkeys(self.gates(), _FRACTION)

    def gates(self) -> dict[str, AbstractGate | AbstractIonGate]:
        """The gates that are states, by field name."""
        return {name: gate for name, gate in self._all_gates().items() if not isinstance(gate, Instantaneous)}

    def outward(
        self, v: FloatArray, x: dict[str, FloatArray], temperature: FloatArray, ions: Mapping[str, Ion] = _NO_IONS
    ) -> FloatArray:
        """The outward current at `v` mV with the gates at `x`, and those that are no states where they are at `v`."""
        at_once = {name: gate.rates(v, temperature)[0] for name, gate in self._all(Instantaneous).items()}
        return self.current(v, {**x, **at_once, **{name: ions[name] for name in sorted(self.reads())}})

    def steady(
        self, v: FloatArray, temperature: FloatArray, ions: Mapping[str, Ion] = _NO_IONS
    ) -> dict[str, FloatArray]:
        """The gates' steady state at `v` mV."""
        rates = {name: _rates(gate, v, temperature, ions) for name, gate in self.gates().items()}
        return {name: opening / total for name, (opening, total) in rates.items()}

    def kinetics(
        self, v: FloatArray, x: dict[str, FloatArray], temperature: FloatArray, ions: Mapping[str, Ion] = _NO_IONS
    ) -> Linearised:
        """Slope and decay of the gates."""
        rates = {name: _rates(gate, v, temperature, ions) for name, gate in self.gates().items()}
        slope = {name: opening - total * x[name] for name, (opening, total) in rates.items()}
        return Linearised(slope, {name: total for name, (_, total) in rates.items()})

    def at_temperature(self, temperature: FloatArray) -> Self:
        """The same channel with the temperature factors of its gates worked out."""
        return dataclasses.replace(
            self, **{name: gate.at_temperature(temperature) for name, gate in self._all_gates().items()}
        )

    def _all_gates(self) -> dict[str, AbstractGate | AbstractIonGate]:
        return self._all(AbstractGate, AbstractIonGate)

    def _all(self, *kinds: type) -> dict[str, Any]:
        """The fields of these kinds by name."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, kinds)}


def _rates(
    gate: AbstractGate | AbstractIonGate, v: FloatArray, temperature: FloatArray, ions: Mapping[str, Ion]
) -> tuple[FloatArray, FloatArray]:
    if isinstance(gate, AbstractIonGate):
        return gate.rates(v, ions[gate.ion].inside, temperature)
    return gate.rates(v, temperature)
