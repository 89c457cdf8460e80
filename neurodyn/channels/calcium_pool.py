"""Calcium in a shell beneath the membrane."""

from typing import Self

import equinox as eqx

from .._parameter import parameter
from .._types import FloatArray, Parameter
from ..kinetics.concentration import FARADAY
from .pool import AbstractPool


class CalciumPool(AbstractPool):
    """`d inside / dt = -gamma current / (z F depth) - (inside - rest) / tau`: what comes in through the membrane fills a thin shell, part of it stays free,
    and pumps, buffers and diffusion take it away with one time constant.

    It needs the current per area and so a membrane that is described per area. `gamma / depth` is one parameter, of which `depth` is not trained.

    Source: Destexhe et al. (1994), J. Neurophysiol. 72:803, as used by Hay et al. (2011), PLoS Comput. Biol. 7:e1002107 (ModelDB 139653, CaDynamics_E2).

    **Fields:**

    - `gamma`: the share of calcium that is not bound at once.
    - `tau`: the time constant of its removal, ms.
    - `depth`: of the shell, um.
    - `rest`: the concentration inside without current, mM.
    - `outside`: the concentration outside, mM.
    - `ion`, `valence`: another ion would do too.
    """

    gamma: Parameter = parameter(0.05, lower=0.0)
    tau: Parameter = parameter(80.0, unit="ms", lower=0.0, exclusive=True)
    depth: Parameter = parameter(0.1, unit="um", lower=0.0, exclusive=True, trainable=False)
    rest: Parameter = parameter(1e-4, unit="mM", lower=0.0, exclusive=True)
    outside: Parameter = parameter(2.0, unit="mM", lower=0.0, exclusive=True)
    ion: str = eqx.field(static=True, default="ca")
    valence: int = eqx.field(static=True, default=2)

    per_area = True

    @classmethod
    def thalamic(cls) -> Self:
        """That of thalamic relay cells: nothing is bound at once, and calcium is gone in some milliseconds. The source also keeps the current from taking
        calcium out of the shell, which only matters beyond the calcium reversal potential.

        Source: Destexhe, Babloyantz and Sejnowski (1993), Biophys. J. 65:1538, in the form of their later programs, without a pump: 5 ms, 2.4e-4 mM, 0.1 um.
        """
        return cls(gamma=1.0, tau=5.0, rest=2.4e-4)

    def slope(self, inside: FloatArray, current: FloatArray, temperature: FloatArray) -> FloatArray:
        del temperature
        # 1 uA/cm2 over 1 um and 1 C/mol is 0.01 mol/cm3/s: 10 mM/ms.
        filling = 10 * self.gamma / (self.valence * FARADAY * self.depth)
        return -filling * current - (inside - self.rest) / self.tau
