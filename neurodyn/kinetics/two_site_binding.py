"""The gate of large-conductance potassium channels."""

from typing import Self

import equinox as eqx
import jax.numpy as jnp

from .._numerics import LOG2_E, logistic2
from .._parameter import parameter
from .._types import FloatArray, Parameter
from .concentration import THERMAL_VOLTAGE, AbstractIonGate, bounded_concentration, check_valence
from .gates import Q10, bounded


class TwoSiteBinding(AbstractIonGate):
    """A gate that the ion opens by binding to sites inside the field of the membrane, so that a depolarisation opens it too:

    `dx/dt = a (1 - x) - b x` with `a = opening / (1 + k1 exp(-z d1 F v / RT) / concentration)` and
    `b = closing / (1 + concentration exp(z d2 F v / RT) / k2)`.

    Source: Moczydlowski and Latorre (1983), J. Gen. Physiol. 82:511, scheme R1 (page 523).

    **Fields:**

    - `opening`, `closing`: the largest rates, 1/ms.
    - `k1`, `k2`: dissociation constants of the closed and of the open channel at 0 mV, mM.
    - `d1`, `d2`: how much of the membrane's field an ion passes to its site.
    - `valence`: of the ion.
    - `q10`: the temperature factor of both rates, or None.
    """

    opening: Parameter = parameter(unit="1/ms", lower=0.0, exclusive=True)
    closing: Parameter = parameter(unit="1/ms", lower=0.0, exclusive=True)
    k1: Parameter = parameter(unit="mM", lower=0.0, exclusive=True)
    k2: Parameter = parameter(unit="mM", lower=0.0, exclusive=True)
    d1: Parameter = parameter()
    d2: Parameter = parameter()
    q10: Q10 | None = None
    ion: str = eqx.field(static=True, default="ca")
    valence: int = eqx.field(static=True, default=2)

    def __check_init__(self):
        check_valence("TwoSiteBinding", self.valence)

    def rates(self, v: FloatArray, concentration: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        field = self.valence * bounded(v) / (THERMAL_VOLTAGE * (temperature + 273.15))
        seen = bounded_concentration(concentration)
        factor = 1.0 if self.q10 is None else self.q10(temperature)
        a = factor * self.opening * logistic2(LOG2_E * (jnp.log(seen / self.k1) + self.d1 * field))
        b = factor * self.closing * logistic2(-LOG2_E * (jnp.log(seen / self.k2) + self.d2 * field))
        return a, a + b

    def at_temperature(self, temperature: FloatArray) -> Self:
        del temperature
        return self
