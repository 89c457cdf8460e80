"""Gates that an ion inside the cell opens."""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp

from .._types import FloatArray
from .parts import AbstractAssembled


#: C/mol.
FARADAY = 96485.33212

#: R / F in mV/K: times the absolute temperature it is RT / F.
THERMAL_VOLTAGE = 1e3 * 8.314462618 / FARADAY


def bounded_concentration(inside: FloatArray) -> FloatArray:
    """The concentration a gate or a reversal potential sees: a trial step of an adaptive solver may take it below zero, where its logarithm would poison
    the gradient although the step is rejected. Untouched between 1e-9 mM and 1 M."""
    return jnp.clip(inside, 1e-9, 1e3)


def check_ion(owner: str, ion: Any) -> None:
    """Refuse a name of an ion that records could not go by.

    **Raises:** `ValueError` naming its owner.
    """
    if not isinstance(ion, str) or not ion.isidentifier():
        raise ValueError(f"{owner}.ion = {ion!r} is not allowed: must be an identifier, such as 'ca'")


def check_valence(owner: str, valence: Any) -> None:
    """Refuse what is not the charge of an ion.

    **Raises:** `ValueError` naming its owner.
    """
    if isinstance(valence, bool) or not isinstance(valence, int) or valence == 0:
        raise ValueError(f"{owner}.valence = {valence!r} is not allowed: must be a whole number other than 0")


class AbstractIonGate(AbstractAssembled):
    """A gate x with `dx/dt = opening - total * x` whose rates depend on the concentration of an ion inside.

    **Fields** that every subclass declares: `ion`, the name of the ion, such as `"ca"`.
    """

    ion: eqx.AbstractVar[str]

    def __check_init__(self):
        check_ion(type(self).__name__, self.ion)

    @abstractmethod
    def rates(self, v: FloatArray, concentration: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The opening rate and the sum of the opening and closing rates, in 1/ms, at `v` mV, `concentration` mM and `temperature` degC."""

    @abstractmethod
    def at_temperature(self, temperature: FloatArray) -> Self:
        """The same gate with its temperature factor worked out for a run at that temperature."""
