"""Stimuli given by a formula."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._numerics import sinc
from .._parameter import parameter
from .._types import FloatArray, Parameter, RealScalar
from .base import AbstractStimulus, Instant, Window, grid


def _start(default: float = 0.0):
    return parameter(default, unit="ms", spread=5.0, trainable=False)


def _stop(default: float = float("inf")):
    return parameter(default, unit="ms", spread=5.0, infinite=True, trainable=False)


def _is_on(stimulus: Step | Ramp | Sine | Chirp, time: Instant) -> jax.Array:
    return (time.since(stimulus.start) >= 0) & (time.since(stimulus.stop) < 0)


def _window(stimulus: Step | Ramp | Sine | Chirp, time: Instant, width: RealScalar) -> Window:
    return Window.overlap(time.since(stimulus.start), time.since(stimulus.stop), width)


class Step(AbstractStimulus):
    """`amplitude` from `start` until `stop` (ms), zero elsewhere.

    As with all stimuli the amplitude is in the unit of what it drives: uA/cm2 for conductance-based point neurons, pA for those in absolute units, nA into the
    electrode of a cell with a shape (mV into a voltage clamp, uS into a synapse), and what a reduced model says of its own.
    """

    amplitude: Parameter = parameter()
    start: Parameter = _start()
    stop: Parameter = _stop()

    def at(self, time: Instant) -> FloatArray:
        return jnp.where(_is_on(self, time), self.amplitude, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return self.amplitude * _window(self, time, width).fraction

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])


class Ramp(AbstractStimulus):
    """A straight line of `slope` per ms from `start` until `stop` (ms), beginning at `offset`; zero elsewhere."""

    slope: Parameter = parameter()
    start: Parameter = _start()
    stop: Parameter = _stop()
    offset: Parameter = parameter(0.0)

    def at(self, time: Instant) -> FloatArray:
        value = self.offset + self.slope * time.since(self.start)
        return jnp.where(_is_on(self, time), value, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        window = _window(self, time, width)
        return window.fraction * (self.offset + self.slope * window.middle)

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])


class Pulses(AbstractStimulus):
    """`count` rectangular pulses of `width` ms, one every `period` ms, the first at `start` ms. Pulses that overlap add."""

    amplitude: Parameter = parameter()
    width: Parameter = parameter(unit="ms", lower=0.0, trainable=False)
    period: Parameter = parameter(unit="ms", lower=0.0, exclusive=True, trainable=False)
    count: int = eqx.field(static=True)  # pyright: ignore[reportGeneralTypeIssues]
    start: Parameter = _start()

    def __check_init__(self):
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise ValueError(f"Pulses.count = {self.count!r} is not allowed: must be a whole number >= 1")

    def _since(self, time: Instant) -> FloatArray:
        """The time since the beginning of each pulse. Pulses are placed relative to the first, or float32 would blur them late in a run."""
        return time.since(self.start) - grid(jnp.zeros_like(self.start), self.period, self.count)

    def at(self, time: Instant) -> FloatArray:
        since = self._since(time)
        return self.amplitude * jnp.sum(jnp.where((since >= 0) & (since < self.width), 1.0, 0.0))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        since = self._since(time)
        return self.amplitude * jnp.sum(Window.overlap(since, since - self.width, width).fraction)

    def edges(self) -> FloatArray:
        starts = grid(self.start, self.period, self.count)
        return jnp.concatenate([starts, starts + self.width])


class Sine(AbstractStimulus):
    """`amplitude * sin(2 pi frequency (t - start) + phase)` from `start` until `stop`; frequency in Hz, phase in rad."""

    amplitude: Parameter = parameter()
    frequency: Parameter = parameter(unit="Hz", lower=0.0)
    phase: Parameter = parameter(0.0, unit="rad")
    start: Parameter = _start()
    stop: Parameter = _stop()

    def _angle(self, since: FloatArray) -> FloatArray:
        return 2e-3 * jnp.pi * self.frequency * since + self.phase

    def at(self, time: Instant) -> FloatArray:
        value = self.amplitude * jnp.sin(self._angle(time.since(self.start)))
        return jnp.where(_is_on(self, time), value, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        window = _window(self, time, width)
        half = 1e-3 * jnp.pi * self.frequency * window.width
        return window.fraction * self.amplitude * jnp.sin(self._angle(window.middle)) * sinc(half)

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])


_GAUSS = tuple(np.polynomial.legendre.leggauss(8) / np.array([[1.0], [2.0]]))  # nodes, weights of a mean over [-1, 1]


class Chirp(AbstractStimulus):
    """A sine whose frequency rises linearly from `f0` at `start` to `f1` at `stop` (Hz): `amplitude * sin(2 pi (f0 s + (f1 - f0) s^2 / 2 d))`
    with s the time since `start` and d the duration.

    Averages over an interval are exact to rounding up to half a cycle per interval, and to 1e-9 up to a whole one.
    """

    amplitude: Parameter = parameter()
    f0: Parameter = parameter(unit="Hz", lower=0.0)
    f1: Parameter = parameter(unit="Hz", lower=0.0)
    start: Parameter = parameter(unit="ms", trainable=False)
    stop: Parameter = parameter(unit="ms", trainable=False)

    def __check_init__(self):
        if any(isinstance(x, Tracer) for x in (self.start, self.stop)):
            return
        if not np.all(np.asarray(self.start) < np.asarray(self.stop)):
            raise ValueError(f"Chirp.stop = {self.stop} ms is not allowed: must be > start = {self.start} ms")

    def _frequency(self, since: FloatArray) -> FloatArray:
        return self.f0 + (self.f1 - self.f0) * since / (self.stop - self.start)

    def _angle(self, since: FloatArray) -> FloatArray:
        return 2e-3 * jnp.pi * since * (self.f0 + self._frequency(since)) / 2

    def at(self, time: Instant) -> FloatArray:
        value = self.amplitude * jnp.sin(self._angle(time.since(self.start)))
        return jnp.where(_is_on(self, time), value, 0.0)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        window = _window(self, time, width)
        # Its integral has no elementary form: Gauss's rule instead.
        nodes, weights = (jnp.asarray(x, window.middle.dtype) for x in _GAUSS)
        values = jnp.sin(self._angle(window.middle + window.width / 2 * nodes))
        return window.fraction * self.amplitude * jnp.sum(weights * values)

    def edges(self) -> FloatArray:
        return jnp.stack([self.start, self.stop])
