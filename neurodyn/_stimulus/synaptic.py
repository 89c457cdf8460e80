"""Conductances, or currents, that follow events: inputs of synapses."""

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._numerics import phi1
from .._parameter import parameter
from .._types import FloatArray, Parameter, RealScalar
from .base import AbstractStimulus, Instant, Window


def _times():
    return parameter(unit="ms", spread=5.0, infinite=True, trainable=False)


def _since(time: Instant, times: FloatArray) -> FloatArray:
    """The time since each event, ms; what is infinite lies ahead."""
    times = jnp.atleast_1d(times)
    return time.since(jnp.where(jnp.isinf(times), jnp.inf, times))


class DoubleExponential(AbstractStimulus):
    """After each event `peak` times the difference of two exponentials, `exp(-s / decay) - exp(-s / rise)`, over its maximum; s is the time since the event.

    **Fields:** `times` of the events, ms, a number or an array of shape (n,), infinite ones ignored; `peak`, in uS for a `ConductanceInput`; `rise` and `decay`,
    ms, rise < decay. Overlapping responses add.

    Source: Roth and van Rossum (2009), in De Schutter, Computational Modeling Methods for Neuroscientists, equations 6.4-6.6.
    """

    times: Parameter = _times()
    peak: Parameter = parameter()
    rise: Parameter = parameter(0.3, unit="ms", lower=0.0, exclusive=True)
    decay: Parameter = parameter(3.0, unit="ms", lower=0.0, exclusive=True)

    def __check_init__(self):
        if any(isinstance(x, Tracer) for x in (self.rise, self.decay)):
            return
        if not np.all(np.asarray(self.rise) < np.asarray(self.decay)):
            raise ValueError(
                f"DoubleExponential.rise = {self.rise} ms is not allowed: must be < decay = {self.decay} ms; use Alpha where they are equal"
            )

    def _scale(self) -> FloatArray:
        top = self.rise * self.decay / (self.decay - self.rise) * jnp.log(self.decay / self.rise)
        return self.peak / (jnp.exp(-top / self.decay) - jnp.exp(-top / self.rise))

    def at(self, time: Instant) -> FloatArray:
        since = _since(time, self.times)
        s = jnp.maximum(since, 0.0)
        shape = jnp.exp(-s / self.decay) - jnp.exp(-s / self.rise)
        return self._scale() * jnp.sum(jnp.where(since >= 0, shape, 0.0))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        since = _since(time, self.times)
        window = Window.overlap(since, jnp.full_like(since, -jnp.inf), width)
        mean = [
            jnp.exp(-jnp.maximum(window.begin, 0.0) / tau) * phi1(-window.width / tau)
            for tau in (self.decay, self.rise)
        ]
        return self._scale() * jnp.sum(window.fraction * (mean[0] - mean[1]))

    def edges(self) -> FloatArray:
        return jnp.atleast_1d(self.times)


class Alpha(AbstractStimulus):
    """After each event `peak s / tau exp(1 - s / tau)`, whose maximum `peak` comes `tau` ms after it; s is the time since the event.

    **Fields:** `times` of the events, ms, a number or an array of shape (n,), infinite ones ignored; `peak`, in uS for a `ConductanceInput`; `tau`, ms. Overlapping
    responses add.

    Source: Rall (1967), J. Neurophysiol. 30:1138.
    """

    times: Parameter = _times()
    peak: Parameter = parameter()
    tau: Parameter = parameter(1.0, unit="ms", lower=0.0, exclusive=True)

    def at(self, time: Instant) -> FloatArray:
        since = _since(time, self.times)
        s = jnp.maximum(since, 0.0) / self.tau
        return self.peak * jnp.sum(jnp.where(since >= 0, s * jnp.exp(1 - s), 0.0))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        since = _since(time, self.times)
        window = Window.overlap(since, jnp.full_like(since, -jnp.inf), width)
        begin, span = jnp.maximum(window.begin, 0.0) / self.tau, window.width / self.tau
        mean = phi1(-span)
        return self.peak * jnp.sum(window.fraction * jnp.exp(1 - begin) * ((1 + begin) * mean - jnp.exp(-span)))

    def edges(self) -> FloatArray:
        return jnp.atleast_1d(self.times)
