"""An ion on both sides of the membrane."""

import equinox as eqx
import jax.numpy as jnp

from .._numerics import LOG2_E, exprel2
from .._types import FloatArray
from ..kinetics.concentration import THERMAL_VOLTAGE, bounded_concentration


class Ion(eqx.Module):
    """What a channel sees of an ion.

    **Fields:**

    - `inside`, `outside`: concentrations, mM.
    - `temperature`: degC.
    - `valence`: the charge of one ion, with its sign.
    """

    inside: FloatArray
    outside: FloatArray
    temperature: FloatArray
    valence: int = eqx.field(static=True)

    def scale(self) -> FloatArray:
        """`RT / zF` in mV."""
        return THERMAL_VOLTAGE * (self.temperature + 273.15) / self.valence

    def nernst(self) -> FloatArray:
        """The voltage at which the ion is in equilibrium, `RT / zF log(outside / inside)`, in mV."""
        return self.scale() * jnp.log(bounded_concentration(self.outside) / bounded_concentration(self.inside))

    def ghk(self, v: FloatArray) -> FloatArray:
        """The flux of the constant-field theory per permeability at `v` mV, outward, in mM: `(u inside - u outside exp(-u)) / (1 - exp(-u))` with
        `u = v zF / RT`, which is `inside - outside` at 0 mV. A permeability P in cm/s makes it a current of `P z F` times that, in uA/cm2.

        Source: Goldman (1943), J. Gen. Physiol. 27:37; Hodgkin and Katz (1949), J. Physiol. 108:37.
        """
        u = LOG2_E * v / self.scale()
        return self.inside * exprel2(u) - self.outside * exprel2(-u)
