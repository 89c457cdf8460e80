"""Time constants of gates as functions of the voltage, as modules whose constants are parameters."""

from abc import abstractmethod

import jax.numpy as jnp

from .._numerics import LOG2_E, exp2, logistic2
from .._parameter import parameter
from .._types import FloatArray, Parameter
from .parts import AbstractAssembled
from .rates import AbstractRate


class AbstractTimeConstant(AbstractAssembled):
    """A time constant in ms at a voltage in mV: positive and finite, with its derivatives, between -200 and 200 mV."""

    @abstractmethod
    def __call__(self, v: FloatArray) -> FloatArray: ...


class ConstantTime(AbstractTimeConstant):
    """The same at every voltage."""

    value: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.value * jnp.ones_like(v)


class BellTime(AbstractTimeConstant):
    """`peak / (ratio * exp((v - midpoint) / rise) + exp(-(v - midpoint) / fall))`: a bell whose sides fall with their own voltage constants.

    `ratio` moves and lowers the bell as `midpoint` and `peak` do, and is not trained unless asked for by name.
    """

    peak: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    midpoint: Parameter = parameter(unit="mV", spread=8.0)
    rise: Parameter = parameter(20.0, unit="mV", lower=3.0)
    fall: Parameter = parameter(20.0, unit="mV", lower=3.0)
    ratio: Parameter = parameter(1.0, lower=0.0, exclusive=True, trainable=False)

    def __call__(self, v: FloatArray) -> FloatArray:
        off_peak = LOG2_E * (v - self.midpoint)
        return self.peak / (self.ratio * exp2(off_peak / self.rise) + exp2(-off_peak / self.fall))


class SigmoidTime(AbstractTimeConstant):
    """`least + span / (1 + exp(-(v - half) / slope))`: a step between two values; a negative slope makes it a step down."""

    least: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    span: Parameter = parameter(unit="ms", lower=0.0)
    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", spread=4.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.least + self.span * logistic2(LOG2_E * (v - self.half) / self.slope)


class PeakedSigmoidTime(AbstractTimeConstant):
    """`least + (span + exp((v - rise_midpoint) / rise)) / (1 + exp((v - half) / slope))`: a step down with a peak before it, as Huguenard and
    McCormick fitted the T current. Needs slope < rise, or it grows without bound."""

    least: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    span: Parameter = parameter(unit="ms", lower=0.0)
    rise_midpoint: Parameter = parameter(unit="mV", spread=8.0)
    rise: Parameter = parameter(unit="mV", lower=3.0)
    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", lower=1.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        # A product, since exp((v - half) / slope) alone overflows at 200 mV in single precision.
        growth = exp2(LOG2_E * (v - self.rise_midpoint) / self.rise)
        return self.least + (self.span + growth) * logistic2(-LOG2_E * (v - self.half) / self.slope)


class RateTime(AbstractTimeConstant):
    """`1 / (alpha(v) + beta(v))`: the time constant of a gate whose opening and closing rates do not give its steady state."""

    alpha: AbstractRate
    beta: AbstractRate

    def __call__(self, v: FloatArray) -> FloatArray:
        return 1 / (self.alpha(v) + self.beta(v))


class LogisticTime(AbstractTimeConstant):
    """`span / (1 + exp(-(v - half) / slope))`: a step from nothing; a negative slope makes it a step down."""

    span: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", spread=4.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.span * logistic2(LOG2_E * (v - self.half) / self.slope)


class GaussianTime(AbstractTimeConstant):
    """`least + (height + tilt x) exp(-(x / width)^2)` with `x = v - midpoint`: a bell, leaning over if it has a tilt. A tilt against the height makes it dip
    below `least` on one side, which has to stay positive."""

    least: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    height: Parameter = parameter(unit="ms", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", spread=8.0)
    width: Parameter = parameter(unit="mV", lower=3.0)
    tilt: Parameter = parameter(0.0, unit="ms/mV", trainable=False)

    def __call__(self, v: FloatArray) -> FloatArray:
        x = v - self.midpoint
        return self.least + (self.height + self.tilt * x) * exp2(-LOG2_E * (x / self.width) ** 2)


class CuspTime(AbstractTimeConstant):
    """`least + height exp(-|v - midpoint| / width)`: exponentials that rise and fall at the same pace. Its slope jumps at the midpoint."""

    least: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    height: Parameter = parameter(unit="ms", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", spread=8.0)
    width: Parameter = parameter(unit="mV", lower=3.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.least + self.height * exp2(-LOG2_E * jnp.abs(v - self.midpoint) / self.width)
