"""What drives an ion through an open channel."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from .._parameter import Parameterised, parameter
from .._types import FloatArray, Parameter
from .ion import Ion


if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar


class AbstractDrivingForce(Parameterised):
    """The driving force of a channel, in mV: what a conductance is multiplied by."""

    #: Whether it depends on the concentrations of the ion that the channel carries, so that a pool of it is needed.
    reads_ion: AbstractClassVar[bool]

    @abstractmethod
    def __call__(self, v: FloatArray, ion: Ion | None) -> FloatArray:
        """The driving force outwards at `v` mV; `ion` is None where it is not read."""


class FixedReversal(AbstractDrivingForce):
    """`v - e`: concentrations that do not change."""

    e: Parameter = parameter(120.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)

    reads_ion = False

    def __call__(self, v: FloatArray, ion: Ion | None) -> FloatArray:
        del ion
        return v - self.e


class Nernst(AbstractDrivingForce):
    """`v - RT / zF log(outside / inside)`: the reversal potential follows the concentration inside."""

    reads_ion = True

    def __call__(self, v: FloatArray, ion: Ion | None) -> FloatArray:
        assert ion is not None
        return v - ion.nernst()


class GHK(AbstractDrivingForce):
    """The rectification of Goldman, Hodgkin and Katz: `RT / zF` times `Ion.ghk` over the concentration outside.

    It goes to `v` where the voltage draws the ion in strongly, so a conductance keeps its meaning: that for the flow inwards. The permeability is
    `g RT / (z^2 F^2 outside)`.

    Source: Goldman (1943), J. Gen. Physiol. 27:37; Hodgkin and Katz (1949), J. Physiol. 108:37.
    """

    reads_ion = True

    def __call__(self, v: FloatArray, ion: Ion | None) -> FloatArray:
        assert ion is not None
        return ion.scale() * ion.ghk(v) / ion.outside
