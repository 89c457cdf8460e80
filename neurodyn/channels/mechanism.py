"""What a membrane is made of."""

from abc import abstractmethod
from typing import Self

from .._parameter import ParameterInfo
from .._types import FloatArray
from ..kinetics.parts import AbstractAssembled


class AbstractMechanism(AbstractAssembled):
    """Something in a membrane that has states: a current (`AbstractChannel`) or the concentration of an ion (`AbstractPool`).

    All of it is elementwise: voltages, states and parameters are scalars, or arrays of one shape over the compartments of a cell, parameters scalars
    in that case too.
    """

    @abstractmethod
    def reads(self) -> frozenset[str]:
        """The ions whose concentration it has to know."""

    @abstractmethod
    def states(self) -> dict[str, ParameterInfo]:
        """Unit and range of each of its states by name."""

    @abstractmethod
    def at_temperature(self, temperature: FloatArray) -> Self:
        """The same mechanism with its temperature factors worked out for a run at `temperature` degC."""
