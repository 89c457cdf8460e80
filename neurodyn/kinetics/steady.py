"""Steady states of gates as functions of the voltage, as modules whose constants are parameters."""

from abc import abstractmethod

import jax.numpy as jnp

from .._numerics import LOG2_E, exp2, logistic2
from .._parameter import parameter
from .._types import FloatArray, Parameter
from .parts import AbstractAssembled
from .rates import AbstractRate


class AbstractSteadyState(AbstractAssembled):
    """The fraction of open gates at a voltage in mV that is held for ever: finite, with its derivatives, between -200 and 200 mV."""

    @abstractmethod
    def __call__(self, v: FloatArray) -> FloatArray: ...


class Boltzmann(AbstractSteadyState):
    """`1 / (1 + exp(-(v - half) / slope))`; a negative slope makes an inactivating gate."""

    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", spread=3.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return logistic2(LOG2_E * (v - self.half) / self.slope)


class HyperbolicTangent(AbstractSteadyState):
    """`(1 + tanh((v - half) / slope)) / 2`: a `Boltzmann` of half that slope, in the form of Morris and Lecar."""

    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", spread=3.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        return logistic2(2 * LOG2_E * (v - self.half) / self.slope)


class RateRatio(AbstractSteadyState):
    """`alpha(v) / (alpha(v) + beta(v))`: the steady state of a gate that is given by its opening and closing rates."""

    alpha: AbstractRate
    beta: AbstractRate

    def __call__(self, v: FloatArray) -> FloatArray:
        opening = self.alpha(v)
        return opening / (opening + self.beta(v))


class Power(AbstractSteadyState):
    """Another steady state (which must be > 0) to the power of `exponent`, a whole number or not. Not trained unless asked for by name."""

    base: AbstractSteadyState
    exponent: Parameter = parameter(lower=0.0, exclusive=True, trainable=False)

    def __call__(self, v: FloatArray) -> FloatArray:
        return jnp.power(self.base(v), self.exponent)


class RisingBoltzmann(AbstractSteadyState):
    """`scale * exp((v - rise_midpoint) / rise) / (1 + exp((v - half) / slope))`: an exponential that a Boltzmann function brings to a halt, as
    Connor and Stevens fitted the A current. It is not quite flat where it saturates, and may be a little above 1 there.

    `rise_midpoint` only rescales it and is not trained unless asked for by name.
    """

    scale: Parameter = parameter(lower=0.0, exclusive=True)
    rise_midpoint: Parameter = parameter(unit="mV", trainable=False, spread=5.0)
    rise: Parameter = parameter(unit="mV", spread=4.0)
    half: Parameter = parameter(unit="mV", spread=8.0)
    slope: Parameter = parameter(unit="mV", spread=4.0)

    def __call__(self, v: FloatArray) -> FloatArray:
        growth = exp2(LOG2_E * (v - self.rise_midpoint) / self.rise)
        return self.scale * growth * logistic2(-LOG2_E * (v - self.half) / self.slope)
