"""How the voltages of integrate-and-fire neurons move where an exponential step is not exact, or not even second order.

An upstroke diverges in finite time. A solver that takes steps in the voltage is first order there, whatever its order elsewhere, because the step that
holds the spike, and those before it, are as long as the time to it. The flows below solve the divergent part of the equation in closed form. Each is
written for the excursion x of the voltage from where it is now, so a voltage at rest stays exactly there.
"""

import math
from abc import abstractmethod

import jax.numpy as jnp

from .._model import AbstractFlow
from .._numerics import phi1, polynomial
from .._types import FloatArray, RealScalar


class AbstractVoltageFlow(AbstractFlow):
    """The flow of a voltage; other leaves may follow its mean excursion (`Following`)."""

    @abstractmethod
    def excursion(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        """How far the voltage gets in `dt`, mV; beyond any threshold (from 1e9 mV on) once it has diverged."""

    @abstractmethod
    def mean(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        """The mean of the excursion over `dt`, mV."""

    def advance(self, y: FloatArray, slope: FloatArray, dt: RealScalar) -> FloatArray:
        x = self.excursion(slope, dt)
        return jnp.where(x >= _DIVERGED, x, y + x)


_CLOSE = 1e-6  # to divergence, as part of the way: nothing next to the error of a step
_DIVERGED = 1e9  # mV: so much that the voltage before, and rounding, tell little on the way back to a time


def since_divergence(v: FloatArray) -> FloatArray:
    """How long ago, ms, a voltage diverged, roughly; 0 if it did not. A margin that goes on with it is quick to search."""
    rounding = 2 * float(jnp.finfo(v.dtype).eps)
    return jnp.maximum(v / _DIVERGED - (1 - rounding), 0.0)


class ExponentialUpstroke(AbstractVoltageFlow):
    """`dx/dt = slope + drift t + rate (exp(x / sharpness) - 1) - leak x`.

    A constant and an exponential are solved together exactly, and the leak reduces the constant; second order throughout, through the spike too, and exact for
    `rate = 0`.

    **Fields:** `rate`: the exponential term now, mV/ms; `sharpness`: mV; `leak`: 1/ms; `drift`: how fast the slope changes because of what else moves,
    mV/ms2.
    """

    rate: FloatArray
    sharpness: FloatArray
    leak: FloatArray
    drift: FloatArray | float = 0.0

    def _solved(self, slope: FloatArray, dt: RealScalar) -> tuple[FloatArray, FloatArray]:
        """What is linear in time, mV, and how much of the way to divergence is made: more than 1 after it."""
        steep = self.rate * dt / self.sharpness
        # The leak acts on an excursion that is straight, and bends with the exponential term. (It must not see how far x gets in the end: time would not
        # pass evenly for exp(-x / sharpness) any more, in which the crossing is searched.)
        leaking = phi1(-self.leak * dt) - self.leak * dt / 12 * steep / (1 + steep)
        linear = (slope * leaking + self.drift * (dt / 2) - self.rate) * dt
        return linear, steep * phi1(jnp.minimum(linear / self.sharpness, 80.0))  # far beyond any cut, and no overflow

    def excursion(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        linear, way = self._solved(slope, dt)
        diverged = way >= 1
        x = linear - self.sharpness * jnp.log1p(-jnp.where(diverged, 0.0, way))
        # A high cut and the divergence are less than rounding apart: what is left of either has the same slope in time.
        bent = jnp.clip(jnp.where(diverged, linear, 0.0) / self.sharpness, -20.0, 80.0)
        speed = self.rate / self.sharpness * jnp.exp(bent)
        since = jnp.minimum(jnp.where(diverged, way - 1, 0.0) / jnp.where(diverged, speed, 1.0), dt)
        return jnp.where(diverged, _DIVERGED * (1 + since), x)

    def mean(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        linear, way = self._solved(slope, dt)
        # The slope of the mean grows without bound towards the divergence: straight from just before to just after, where the spike is.
        before = jnp.minimum(way, 1 - _CLOSE)
        past = jnp.minimum(way - before, 2 * _CLOSE) * (-math.log(_CLOSE) - 1)
        return linear / 2 + self.sharpness * (before * (1 - (1 - before) * _mean_on_the_way(before)) + past)


class MovingUpstroke(AbstractVoltageFlow):
    """An upstroke that is driven by the voltage's height above a threshold which itself moves at a constant rate. Second order.

    Of the height the equation is that of the voltage less the threshold's rate; the leak acts on both.

    **Fields:** `upstroke`: for a threshold at rest; `rise`: of the threshold, mV/ms.
    """

    upstroke: ExponentialUpstroke
    rise: FloatArray

    def _height(self) -> ExponentialUpstroke:
        upstroke = self.upstroke
        drift = upstroke.drift - upstroke.leak * self.rise
        return ExponentialUpstroke(upstroke.rate, upstroke.sharpness, upstroke.leak, drift)

    def excursion(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        x = self._height().excursion(slope - self.rise, dt)
        return jnp.where(x >= _DIVERGED, x, x + self.rise * dt)

    def mean(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        return self._height().mean(slope - self.rise, dt) + self.rise * dt / 2


class QuadraticUpstroke(AbstractVoltageFlow):
    """`dx/dt = slope + drift t + growth x + curvature x^2`, exact for `drift = 0` and else second order.

    **Fields:** `growth`: 1/ms; `curvature`: 1/(mV ms), positive; `drift`: how fast the slope changes because of what else moves, mV/ms2.
    """

    growth: FloatArray
    curvature: FloatArray
    drift: FloatArray | float = 0.0

    def _solved(self, slope: FloatArray, dt: RealScalar) -> tuple[FloatArray, FloatArray]:
        """Numerator and denominator of the excursion; the latter is 1 at first and 0 at divergence."""
        slope = slope + self.drift * (dt / 2)
        cosh, sinhc = _cosh_and_sinhc((self.growth**2 / 4 - self.curvature * slope) * dt**2)
        return slope * dt * sinhc, cosh - self.growth * (dt / 2) * sinhc

    def excursion(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        numerator, denominator = self._solved(slope, dt)
        diverged = numerator >= _DIVERGED * denominator
        return jnp.where(diverged, _DIVERGED, numerator / jnp.where(diverged, 1.0, denominator))

    def mean(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        numerator, denominator = self._solved(slope, dt)
        initial = (slope + self.drift * (dt / 2)) * dt
        # Between the ends x is nearly initial * s / (1 - way * s) for s from 0 to 1.
        final = jnp.where(numerator == 0, 1.0, numerator)
        way = 1 - jnp.where(numerator == 0, 1.0, initial / final) * denominator
        return initial * _mean_on_the_way(jnp.minimum(way, 1.0))


class Following(AbstractFlow):
    """`dx/dt = slope + gain * (excursion of the leader) - decay x` for the excursion x of a leaf that follows a voltage, with that of the voltage replaced
    by its mean.

    A recovery variable would see little of an upstroke, which is short, but a scheme that looks at both ends of a step takes the height of the spike
    for the whole of it.

    **Fields:** `leader`, `leader_slope`: the flow of the voltage and its slope, mV/ms; `gain`: of this leaf's slope per mV; `decay`: 1/ms.
    """

    leader: AbstractVoltageFlow
    leader_slope: FloatArray
    gain: FloatArray
    decay: FloatArray

    def advance(self, y: FloatArray, slope: FloatArray, dt: RealScalar) -> FloatArray:
        mean = self.leader.mean(self.leader_slope, dt)
        return y + dt * phi1(-self.decay * dt) * (slope + self.gain * mean)


class RelaxationWithInputs(AbstractVoltageFlow):
    """`dx/dt = slope - decay x + sum(inputs (exp(-rates t) - 1))`, exact.

    **Fields:** `decay`: 1/ms, shape (...,); `inputs`: the parts of the slope that decay, mV/ms, shape (..., n); `rates`: how fast, 1/ms, shape (..., n).
    """

    decay: FloatArray
    inputs: FloatArray
    rates: FloatArray

    def excursion(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        response = phi1(-self.decay * dt)
        kept = 1 - self.decay * dt * response
        slower = phi1((self.decay[..., None] - self.rates) * dt)
        driven = jnp.sum(self.inputs * (kept[..., None] * slower - response[..., None]), axis=-1)
        return dt * (response * slope + driven)

    def mean(self, slope: FloatArray, dt: RealScalar) -> FloatArray:
        return self.excursion(slope, dt) / 2  # nothing here diverges


class Rotation(AbstractFlow):
    """`tau dtheta/dt = 1 - cos(theta) + (1 + cos(theta)) drive`, exact: a linear flow of the sine and the cosine of half the phase, which is followed through
    any number of half turns that are each longer than a step.

    **Fields:** `drive`: without unit; `tau`: ms.
    """

    drive: FloatArray
    tau: FloatArray

    def advance(self, y: FloatArray, slope: FloatArray, dt: RealScalar) -> FloatArray:
        step = dt / self.tau
        cosh, sinhc = _cosh_and_sinhc(-self.drive * step**2)
        return y + 2 * jnp.arctan2(slope * (dt / 2) * sinhc, cosh + step / 2 * sinhc * (self.drive - 1) * jnp.sin(y))


_TAYLOR = tuple(1 / (k + 2) for k in range(8))


def _mean_on_the_way(r: FloatArray) -> FloatArray:
    """The mean of s/(1 - r s) for s from 0 to 1: `-(log(1 - r) + r)/r^2`. 1/2 at 0; bounded at 1, where it diverges."""
    small = jnp.abs(r) < 0.02
    safe = jnp.where(small, 0.5, jnp.minimum(r, 1 - jnp.finfo(r.dtype).eps))
    return jnp.where(small, polynomial(r, _TAYLOR), -(jnp.log1p(-safe) + safe) / safe**2)


_SINHC = tuple(1 / math.factorial(2 * k + 1) for k in range(8))


def _cosh_and_sinhc(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`cosh(sqrt z)` and `sinh(sqrt z)/sqrt z`, for z of either sign, both over `cosh(sqrt z)` where z > 4. Below -pi^2, where the second changes its sign,
    as at -pi^2."""
    large = z > 4
    root = jnp.sqrt(jnp.where(large, z, 4.0))
    # A short series at an eighth of the root, then three times the double: a third of the operations of the long series.
    eighth = jnp.clip(z, -9.8696, 4.0) / 64
    sinhc = polynomial(eighth, _SINHC[: 8 if z.dtype == jnp.float64 else 5])
    square = eighth * sinhc**2
    more = square / (1 + jnp.sqrt(1 + square))  # than 1 in the cosh, without cancellation
    for _ in range(3):
        sinhc, more = sinhc * (1 + more), 2 * more * (2 + more)
    return jnp.where(large, 1.0, 1 + more), jnp.where(large, jnp.tanh(root) / root, sinhc)
