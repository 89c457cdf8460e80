"""Stimuli given by a formula."""

import equinox as eqx
import jax.numpy as jnp

from .._numerics import sinc
from .._parameter import parameter
from .._types import FloatArray, RealScalar
from .base import AbstractStimulus, Instant, Window, is_on


def _start(default: float = 0.0):
    return parameter(default, unit="ms", spread=5.0, trainable=False)


def _stop(default: float = float("inf")):
    return parameter(default, unit="ms", spread=5.0, infinite=True, trainable=False)


class Step(AbstractStimulus):
    """`amplitude` from `start` until `stop` (ms), zero elsewhere."""

    amplitude: FloatArray = parameter()
    start: FloatArray = _start()
    stop: FloatArray = _stop()

    def at(self, time: Instant) -> FloatArray:
        return jnp.where(is_on(time, self.start, self.stop), self.amplitude, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return self.amplitude * Window.overlap(time, width, self.start, self.stop).fraction

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])


class Ramp(AbstractStimulus):
    """A straight line of `slope` per ms from `start` until `stop` (ms), beginning at `offset`; zero elsewhere."""

    slope: FloatArray = parameter()
    start: FloatArray = _start()
    stop: FloatArray = _stop()
    offset: FloatArray = parameter(0.0)

    def at(self, time: Instant) -> FloatArray:
        value = self.offset + self.slope * time.since(self.start)
        return jnp.where(is_on(time, self.start, self.stop), value, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        window = Window.overlap(time, width, self.start, self.stop)
        return window.fraction * (self.offset + self.slope * window.middle)

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])


class Pulses(AbstractStimulus):
    """`count` rectangular pulses of `width` ms, one every `period` ms, the first at `start` ms."""

    amplitude: FloatArray = parameter()
    width: FloatArray = parameter(unit="ms", lower=0.0, trainable=False)
    period: FloatArray = parameter(unit="ms", lower=0.0, exclusive=True, trainable=False)
    count: int = eqx.field(static=True)
    start: FloatArray = _start()

    def __check_init__(self):
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"Pulses.count = {self.count!r} is not allowed: must be a whole number >= 1")

    def _starts(self) -> FloatArray:
        return self.start + self.period * jnp.arange(self.count)

    def at(self, time: Instant) -> FloatArray:
        starts = self._starts()
        return self.amplitude * jnp.sum(jnp.where(is_on(time, starts, starts + self.width), 1.0, 0.0))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        starts = self._starts()
        return self.amplitude * jnp.sum(Window.overlap(time, width, starts, starts + self.width).fraction)

    def edges(self) -> FloatArray:
        starts = self._starts()
        return jnp.concatenate([starts, starts + self.width])


class Sine(AbstractStimulus):
    """`amplitude * sin(2 pi frequency (t - start) + phase)` from `start` until `stop`; frequency in Hz, phase in rad."""

    amplitude: FloatArray = parameter()
    frequency: FloatArray = parameter(unit="Hz", lower=0.0)
    phase: FloatArray = parameter(0.0, unit="rad")
    start: FloatArray = _start()
    stop: FloatArray = _stop()

    def _angle(self, since: FloatArray) -> FloatArray:
        return 2e-3 * jnp.pi * self.frequency * since + self.phase

    def at(self, time: Instant) -> FloatArray:
        value = self.amplitude * jnp.sin(self._angle(time.since(self.start)))
        return jnp.where(is_on(time, self.start, self.stop), value, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        window = Window.overlap(time, width, self.start, self.stop)
        half = 1e-3 * jnp.pi * self.frequency * window.width
        return window.fraction * self.amplitude * jnp.sin(self._angle(window.middle)) * sinc(half)

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])


class Chirp(AbstractStimulus):
    """A sine whose frequency rises linearly from `f0` at `start` to `f1` at `stop` (Hz): `amplitude * sin(2 pi (f0 s + (f1 - f0) s^2 / 2 d))`
    with s the time since `start` and d the duration."""

    amplitude: FloatArray = parameter()
    f0: FloatArray = parameter(unit="Hz", lower=0.0)
    f1: FloatArray = parameter(unit="Hz", lower=0.0)
    start: FloatArray = parameter(unit="ms", trainable=False)
    stop: FloatArray = parameter(unit="ms", trainable=False)

    def _frequency(self, since: FloatArray) -> FloatArray:
        return self.f0 + (self.f1 - self.f0) * since / (self.stop - self.start)

    def _angle(self, since: FloatArray) -> FloatArray:
        return 2e-3 * jnp.pi * since * (self.f0 + self._frequency(since)) / 2

    def at(self, time: Instant) -> FloatArray:
        value = self.amplitude * jnp.sin(self._angle(time.since(self.start)))
        return jnp.where(is_on(time, self.start, self.stop), value, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        window = Window.overlap(time, width, self.start, self.stop)
        half = 1e-3 * jnp.pi * self._frequency(window.middle) * window.width
        return window.fraction * self.amplitude * jnp.sin(self._angle(window.middle)) * sinc(half)

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])
