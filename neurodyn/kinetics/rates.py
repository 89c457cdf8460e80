"""Voltage-dependent transition rates of gates, as modules whose constants are parameters."""

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from .._numerics import LOG2_E, exp2, exprel2, logistic2
from .._parameter import Parameterised, parameter
from .._types import FloatArray, Parameter


class AbstractRate(Parameterised):
    """A rate in 1/ms as a function of the membrane voltage in mV.

    Any subclass will do, a small neural network included, as long as it is positive and finite between -200 and 200 mV.
    """

    @abstractmethod
    def __call__(self, v: FloatArray) -> FloatArray: ...


class _AbstractScaled(AbstractRate):
    """A rate that is an amplitude times a function of the voltage's distance from a midpoint in units of a scale."""

    midpoint: eqx.AbstractVar[FloatArray]
    scale: eqx.AbstractVar[FloatArray]

    @abstractmethod
    def amplitude(self) -> FloatArray: ...

    @staticmethod
    @abstractmethod
    def shape(t: FloatArray) -> FloatArray:
        """The function, of that distance times log2(e): time loops take powers of two."""

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.amplitude() * self.shape((v - self.midpoint) * (LOG2_E / self.scale))


class _Prepared(AbstractRate):
    """A rate with everything done ahead of the time loop that does not depend on the voltage."""

    amplitude: FloatArray
    per_scale: FloatArray
    offset: FloatArray
    shape: Callable[[FloatArray], FloatArray] = eqx.field(static=True)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.amplitude * self.shape(v * self.per_scale - self.offset)


class _Modified(AbstractRate):
    """Any rate, moved and scaled."""

    rate: AbstractRate
    factor: FloatArray
    shift: FloatArray

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.factor * self.rate(v - self.shift)


def prepare_rate(rate: AbstractRate, factor: FloatArray, shift: FloatArray) -> AbstractRate:
    """`factor * rate(v - shift)` as a rate, for use in a time loop."""
    if not isinstance(rate, _AbstractScaled):
        return _Modified(rate, factor, shift)
    per_scale = LOG2_E / rate.scale
    return _Prepared(factor * rate.amplitude(), per_scale, (rate.midpoint + shift) * per_scale, rate.shape)


class Exponential(_AbstractScaled):
    """`rate * exp((v - midpoint) / scale)`.

    The midpoint only rescales the rate, so it is a fixed reference voltage and not trained unless asked for by name.
    """

    rate: Parameter = parameter(unit="1/ms", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", trainable=False, spread=5.0)
    scale: Parameter = parameter(unit="mV", spread=4.0)

    def amplitude(self) -> FloatArray:
        return self.rate

    @staticmethod
    def shape(t: FloatArray) -> FloatArray:
        return exp2(t)


class LinearExponential(_AbstractScaled):
    """`rate * x / (1 - exp(-x / scale))` with `x = v - midpoint`, which is `rate * scale` at the midpoint. A negative scale gives its mirror image,
    `rate * x / (exp(x / |scale|) - 1)`, so that the rate is positive in any case."""

    rate: Parameter = parameter(unit="1/(ms mV)", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", spread=5.0)
    scale: Parameter = parameter(unit="mV", spread=4.0)

    def amplitude(self) -> FloatArray:
        return self.rate * jnp.abs(self.scale)

    @staticmethod
    def shape(t: FloatArray) -> FloatArray:
        return exprel2(t)


class Sigmoid(_AbstractScaled):
    """`rate / (1 + exp(-(v - midpoint) / scale))`."""

    rate: Parameter = parameter(unit="1/ms", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", spread=5.0)
    scale: Parameter = parameter(unit="mV", spread=4.0)

    def amplitude(self) -> FloatArray:
        return self.rate

    @staticmethod
    def shape(t: FloatArray) -> FloatArray:
        return logistic2(t)
