"""Voltage-dependent transition rates of gates, as modules whose constants are parameters."""

from abc import abstractmethod

import jax
import jax.numpy as jnp

from .._numerics import exprel
from .._parameter import Parameterised, parameter
from .._types import FloatArray, Parameter


class AbstractRate(Parameterised):
    """A rate in 1/ms as a function of the membrane voltage in mV.

    Any module will do, a small neural network included, as long as it is positive and finite between -200 and 200 mV.
    """

    @abstractmethod
    def __call__(self, v: FloatArray) -> FloatArray: ...


class Exponential(AbstractRate):
    """`rate * exp((v - midpoint) / scale)`.

    The midpoint only rescales the rate, so it is a fixed reference voltage and not trained unless asked for by name.
    """

    rate: Parameter = parameter(unit="1/ms", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", trainable=False, spread=5.0)
    scale: Parameter = parameter(unit="mV", spread=4.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.rate * jnp.exp((v - self.midpoint) / self.scale)


class LinearExponential(AbstractRate):
    """`rate * (v - midpoint) / (1 - exp(-(v - midpoint) / scale))`, which is `rate * scale` at the midpoint."""

    rate: Parameter = parameter(unit="1/(ms mV)", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", spread=5.0)
    scale: Parameter = parameter(unit="mV", spread=4.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.rate * self.scale * exprel((v - self.midpoint) / self.scale)


class Sigmoid(AbstractRate):
    """`rate / (1 + exp(-(v - midpoint) / scale))`."""

    rate: Parameter = parameter(unit="1/ms", lower=0.0)
    midpoint: Parameter = parameter(unit="mV", spread=5.0)
    scale: Parameter = parameter(unit="mV", spread=4.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return self.rate * jax.nn.sigmoid((v - self.midpoint) / self.scale)
