"""What drives a cell, and where."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._parameter import Parameterised, parameter
from .._types import FloatArray, Parameter


def as_sites(given: str | Iterable[str], name: str = "at") -> str | tuple[str, ...]:
    """A place or several. **Raises:** `ValueError` for what is neither."""
    if isinstance(given, str):
        return given
    sites = tuple(given) if isinstance(given, Iterable) else ()
    if not sites or not all(isinstance(site, str) for site in sites):
        raise ValueError(f"{name} = {given!r} is not allowed: must be a place such as 'soma(0.5)', or several of them")
    return sites


class AbstractInput(Parameterised):
    """A current into one place of a cell, or into several, that a drive controls.

    **Fields:** `at`: a place as in `Layout.locate`, for a drive that is a scalar; or several, for one of shape (k,).

    **Class variables** that a subclass may set: `holds`, whether it holds the voltage, faster than the steps of a run.
    """

    holds: ClassVar[bool] = False

    at: eqx.AbstractVar[str | tuple[str, ...]]

    @abstractmethod
    def current(self, v: FloatArray, drive: FloatArray) -> FloatArray:
        """The current into the cell, nA, where it is at `v` mV; of the shape of the drive."""

    @abstractmethod
    def conductance(self, drive: FloatArray) -> FloatArray | None:
        """Minus its derivative by the voltage, uS; a scalar or of the shape of the drive, None for zero."""


class CurrentClamp(AbstractInput):
    """An electrode that injects the drive, nA."""

    at: str | tuple[str, ...] = eqx.field(static=True, converter=as_sites)

    def current(self, v: FloatArray, drive: FloatArray) -> FloatArray:
        return drive

    def conductance(self, drive: FloatArray) -> None:
        return None


class VoltageClamp(AbstractInput):
    """An electrode that holds the voltage at the drive, mV, through a series resistance: it injects `(drive - v) / series_resistance`. Where the drive is left out
    (see `nd.Drives`) it is not there."""

    holds: ClassVar[bool] = True

    at: str | tuple[str, ...] = eqx.field(static=True, converter=as_sites)
    series_resistance: Parameter = parameter(1.0, unit="Mohm", lower=0.0, exclusive=True)

    def current(self, v: FloatArray, drive: FloatArray) -> FloatArray:
        return (drive - v) / self.series_resistance

    def conductance(self, drive: FloatArray) -> FloatArray:
        return 1 / self.series_resistance


class ConductanceInput(AbstractInput):
    """A synapse: the drive is a conductance, uS, to `reversal` mV."""

    at: str | tuple[str, ...] = eqx.field(static=True, converter=as_sites)
    reversal: Parameter = parameter(0.0, unit="mV", lower=-200.0, upper=200.0, spread=10.0, potential=True)

    def current(self, v: FloatArray, drive: FloatArray) -> FloatArray:
        return drive * (self.reversal - v)

    def conductance(self, drive: FloatArray) -> FloatArray:
        return drive


def pick(v: FloatArray, at: int | tuple[int, ...]) -> FloatArray:
    """The values at one compartment, a scalar, or at several, shape (k,)."""
    return v[at] if isinstance(at, int) else v[np.asarray(at)]


def spread(x: FloatArray, at: int | tuple[int, ...], size: int) -> FloatArray:
    """What arrives at each of `size` compartments when `x` goes to one, or its k elements to several; shape (size,)."""
    if isinstance(at, int):
        return jnp.where(np.arange(size) == at, x, 0.0)
    return jnp.zeros((size,), x.dtype).at[np.asarray(at)].add(x)
