"""The contract of an ion's concentration inside the cell."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

import equinox as eqx

from .._parameter import ParameterInfo
from .._types import FloatArray
from ..kinetics.concentration import check_ion, check_valence
from .ion import Ion
from .mechanism import AbstractMechanism


if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


class AbstractPool(AbstractMechanism):
    """The concentration of an ion inside, moved by the currents that carry it. Its one state is `inside`, in mM.

    A subclass declares its parameters as fields and writes `slope`.

    **Fields** that every subclass declares:

    - `ion`: the name that channels know the ion by, such as `"ca"`.
    - `valence`: the charge of one ion, with its sign.
    - `outside`: its concentration outside, mM.
    - `rest`: the concentration inside without current, mM: where the search for a steady state begins.
    """

    ion: eqx.AbstractVar[str]
    valence: eqx.AbstractVar[int]
    outside: eqx.AbstractVar[FloatArray]
    rest: eqx.AbstractVar[FloatArray]

    #: Whether it takes the current per area, so that it has no place in a membrane in absolute units.
    per_area: AbstractClassVar[bool]

    def __check_init__(self):
        check_ion(type(self).__name__, self.ion)
        check_valence(type(self).__name__, self.valence)

    @abstractmethod
    def slope(self, inside: FloatArray, current: FloatArray, temperature: FloatArray) -> FloatArray:
        """`d inside / dt` in mM/ms while the channels carry `current` outwards (uA/cm2), at `temperature` degC."""

    def seen(self, inside: FloatArray, temperature: FloatArray) -> Ion:
        """The ion as channels see it."""
        return Ion(inside, self.outside, temperature, self.valence)

    def reads(self) -> frozenset[str]:
        return frozenset()

    def states(self) -> dict[str, ParameterInfo]:
        return {"inside": ParameterInfo("mM", lower=0.0)}

    def at_temperature(self, temperature: FloatArray) -> Self:
        del temperature
        return self
