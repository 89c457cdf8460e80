"""Gates: the fraction of open channels as a first-order reaction with voltage-dependent rates."""

import dataclasses
from abc import abstractmethod
from typing import Self

import jax.numpy as jnp

from .._numerics import LOG2_E, exp2, logistic2, materialise, opaque_one
from .._parameter import Parameterised, parameter
from .._types import FloatArray, Parameter
from .parts import AbstractAssembled
from .rates import AbstractRate, prepare_rate


class Q10(Parameterised):
    """A temperature factor `q10 ** ((temperature - reference) / 10)`. Degenerate with a gate's `factor`, so not trained."""

    q10: Parameter = parameter(3.0, lower=0.0, upper=100.0, exclusive=True, trainable=False)
    reference: Parameter = parameter(6.3, unit="degC", lower=-20.0, upper=60.0, trainable=False)

    def __call__(self, temperature: FloatArray) -> FloatArray:
        return self.q10 ** ((temperature - self.reference) / 10)


def bounded(v: FloatArray) -> FloatArray:
    """The voltage a gate's rates see: bounded once per gate, since a trial step of an adaptive solver may be anywhere and an
    overflow there would poison the gradient although the step is rejected. Untouched between -200 and 200 mV."""
    return jnp.clip(v, -200.0, 200.0)


class AbstractGate(AbstractAssembled):
    """A gate x with `dx/dt = opening - total * x`."""

    @abstractmethod
    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The opening rate and the sum of the opening and closing rates, in 1/ms, at `v` mV and `temperature` degC."""

    @abstractmethod
    def at_temperature(self, temperature: FloatArray) -> "AbstractGate":
        """The same gate with its temperature factor, and whatever else does not change, worked out for a run at that temperature."""


class AlphaBeta(AbstractGate):
    """A gate given by its opening and closing rates, as Hodgkin and Huxley (1952) wrote them: `dx/dt = a(v) (1 - x) - b(v) x`.

    **Fields:**

    - `alpha`, `beta`: the rates.
    - `shift`: moves both along the voltage axis, in mV: positive makes the gate act at higher voltages.
    - `factor`: multiplies both.
    - `q10`: the temperature factor, or None.
    """

    alpha: AbstractRate
    beta: AbstractRate
    shift: Parameter = parameter(0.0, unit="mV", spread=8.0)
    factor: Parameter = parameter(1.0, lower=0.0, exclusive=True)
    q10: Q10 | None = None

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        seen = bounded(v) - self.shift
        factor = self.factor if self.q10 is None else self.factor * self.q10(temperature)
        opening = factor * self.alpha(seen)
        return opening, opening + factor * self.beta(seen)

    def at_temperature(self, temperature: FloatArray) -> AbstractGate:
        factor = self.factor if self.q10 is None else self.factor * self.q10(temperature)
        alpha, beta = (prepare_rate(rate, factor, self.shift) for rate in (self.alpha, self.beta))
        return _PreparedAlphaBeta(alpha, beta, opaque_one(factor))


class _PreparedAlphaBeta(AbstractGate):
    """An `AlphaBeta` at one temperature, shift and factor included in its rates."""

    alpha: AbstractRate
    beta: AbstractRate
    one: FloatArray

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        del temperature
        seen = bounded(v)
        opening = self.alpha(seen)
        total = opening + self.beta(seen)
        # Their cotangents are used by every constant of the gate: a fifth of the time of a gradient if worked out each time.
        return materialise(opening, self.one), materialise(total, self.one)

    def at_temperature(self, temperature: FloatArray) -> AbstractGate:
        del temperature
        return self


class InfTau(AbstractGate):
    """A gate given by its steady state and time constant: `dx/dt = (x_inf(v) - x) / tau(v)`.

    `x_inf = 1 / (1 + exp(-(v - half) / slope))` and
    `tau = tau_min + tau_peak / (exp((v - tau_half) / tau_rise) + exp(-(v - tau_half) / tau_fall))`, a bell whose sides fall with their own
    voltage constants. A negative `slope` makes an inactivating gate.
    """

    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", spread=3.0)
    tau_peak: Parameter = parameter(unit="ms", lower=0.0)
    tau_half: Parameter = parameter(unit="mV", spread=8.0)
    tau_rise: Parameter = parameter(20.0, unit="mV", lower=3.0)
    tau_fall: Parameter = parameter(20.0, unit="mV", lower=3.0)
    tau_min: Parameter = parameter(0.05, unit="ms", lower=0.0, exclusive=True)
    shift: Parameter = parameter(0.0, unit="mV", trainable=False, spread=8.0)
    factor: Parameter = parameter(1.0, lower=0.0, exclusive=True)
    q10: Q10 | None = None

    def rates(self, v: FloatArray, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
        seen = bounded(v) - self.shift
        off_peak = LOG2_E * (seen - self.tau_half)
        bell = exp2(off_peak / self.tau_rise) + exp2(-off_peak / self.tau_fall)
        factor = self.factor if self.q10 is None else self.factor * self.q10(temperature)
        total = factor / (self.tau_min + self.tau_peak / bell)
        return total * logistic2(LOG2_E * (seen - self.half) / self.slope), total

    def at_temperature(self, temperature: FloatArray) -> Self:
        if self.q10 is None:
            return self
        return dataclasses.replace(self, factor=self.factor * self.q10(temperature), q10=None)
