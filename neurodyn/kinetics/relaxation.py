"""A gate given by any steady state and any time constant."""

import dataclasses
from typing import Self

from .._parameter import parameter
from .._types import FloatArray, Parameter
from .gates import Q10, AbstractGate, bounded
from .steady import AbstractSteadyState
from .times import AbstractTimeConstant


class Relaxation(AbstractGate):
    """`dx/dt = (steady(v) - x) / time(v)`.

    **Fields:**

    - `steady`, `time`: the steady state and the time constant (ms).
    - `shift`: moves both along the voltage axis, in mV: positive makes the gate act at higher voltages.
    - `factor`: divides the time constant.
    - `q10`: the temperature factor of the speed, or None.
    """

    steady: AbstractSteadyState
    time: AbstractTimeConstant
    shift: Parameter = parameter(0.0, unit="mV", trainable=False, spread=8.0)
    factor: Parameter = parameter(1.0, lower=0.0, exclusive=True)
    q10: Q10 | None = None

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        seen = bounded(v) - self.shift
        factor = self.factor if self.q10 is None else self.factor * self.q10(temperature)
        total = factor / self.time(seen)
        return total * self.steady(seen), total

    def at_temperature(self, temperature: FloatArray) -> Self:
        if self.q10 is None:
            return self
        return dataclasses.replace(self, factor=self.factor * self.q10(temperature), q10=None)
