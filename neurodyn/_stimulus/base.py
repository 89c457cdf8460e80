"""What a stimulus is: a function of time that knows its edges and its average over a step."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._parameter import Parameterised, parameter
from .._types import FloatArray, Parameter, RealScalar


class Instant(eqx.Module):
    """A point in time, `origin + steps * dt + offset` ms, kept apart so that float32 can tell it from an edge after hours of model time.

    `longest` is the largest width, ms, of intervals that begin there and have a width that only the running program knows.
    """

    origin: RealScalar
    steps: jax.Array | int = 0
    dt: RealScalar = 1.0
    offset: RealScalar = 0.0
    longest: float = eqx.field(static=True, default=0.0)

    def since(self, time: FloatArray) -> FloatArray:
        """The time elapsed since `time` (negative before it), differentiable with respect to it."""
        distance = time - self.origin
        whole = jnp.floor(jax.lax.stop_gradient(distance) / jax.lax.stop_gradient(jnp.asarray(self.dt, distance.dtype)))
        whole = jnp.clip(whole, -(2.0**30), 2.0**30)
        part = distance - whole * self.dt
        steps = jnp.asarray(self.steps - whole.astype(int), whole.dtype)
        return steps * self.dt + (self.offset - part)


class AbstractStimulus(Parameterised):
    """The drive of a neuron as a function of time: a current in the model's unit, or a command voltage in mV under `Clamped`.

    Stimuli add (`a + b`), subtract and scale (`2.0 * a`). Every array field is differentiable, the times of edges included.
    """

    @abstractmethod
    def at(self, time: Instant) -> FloatArray:
        """The value at a point in time; just after an edge on the edge itself."""

    @abstractmethod
    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        """The average over `width` ms from a point in time, exact at edges: a step that holds an edge gets the right charge."""

    @abstractmethod
    def edges(self) -> FloatArray:
        """The times at which the value, or its slope, jumps: shape (n,), in any order, infinite ones ignored."""

    def __call__(self, t: RealScalar) -> FloatArray:
        """The value at time `t` ms."""
        return self.at(Instant(jnp.zeros_like(jnp.asarray(t, dtype=float)), offset=t))

    def average(self, t0: RealScalar, t1: RealScalar) -> FloatArray:
        """The average from `t0` to `t1` ms."""
        return self.over(Instant(jnp.zeros_like(jnp.asarray(t0, dtype=float)), offset=t0), t1 - t0)

    def __add__(self, other: AbstractStimulus) -> AbstractStimulus:
        return Sum((self, other)) if isinstance(other, AbstractStimulus) else NotImplemented

    def __radd__(self, other: int) -> AbstractStimulus:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # for Python's sum

    def __sub__(self, other: AbstractStimulus) -> AbstractStimulus:
        return Sum((self, Scaled(other, -1.0))) if isinstance(other, AbstractStimulus) else NotImplemented

    def __mul__(self, factor: RealScalar) -> AbstractStimulus:
        return NotImplemented if isinstance(factor, AbstractStimulus) else Scaled(self, factor)

    __rmul__ = __mul__

    def __neg__(self) -> AbstractStimulus:
        return Scaled(self, -1.0)


class Sum(AbstractStimulus):
    """Several stimuli at once: they add."""

    terms: tuple[AbstractStimulus, ...]

    def at(self, time: Instant) -> FloatArray:
        return _sum([term.at(time) for term in self.terms])

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return _sum([term.over(time, width) for term in self.terms])

    def edges(self) -> FloatArray:
        return jnp.concatenate([term.edges() for term in self.terms])


def _sum(values: list[Any]) -> Any:
    """The sum of arrays, or of dictionaries of arrays name by name."""
    if not any(isinstance(value, dict) for value in values):
        return sum(values[1:], start=values[0])
    if not all(isinstance(value, dict) for value in values):
        raise ValueError(
            "nd.Drives added to a stimulus of one input are not allowed: must be added to nd.Drives, which say for which"
        )
    names = dict.fromkeys(name for value in values for name in value)
    return {name: _sum([value[name] for value in values if name in value]) for name in names}


class Scaled(AbstractStimulus):
    """A stimulus times a factor."""

    stimulus: AbstractStimulus
    factor: Parameter = parameter(1.0)

    def at(self, time: Instant) -> FloatArray:
        return jtu.tree_map(lambda x: self.factor * x, self.stimulus.at(time))

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return jtu.tree_map(lambda x: self.factor * x, self.stimulus.over(time, width))

    def edges(self) -> FloatArray:
        return self.stimulus.edges()


class Window(eqx.Module):
    """The part of an interval that lies between `start` and `stop`, seen from the interval's beginning."""

    begin: FloatArray  # of the overlap, ms since `start`
    width: FloatArray  # of the overlap, ms
    fraction: FloatArray  # of the interval

    @classmethod
    def overlap(cls, since_start: FloatArray, since_stop: FloatArray, width: RealScalar) -> Window:
        """Of an interval of `width` ms that begins `since_start` ms after the start and `since_stop` ms after the stop."""
        # An edge between two intervals belongs to one of them, a start to the later and a stop to the earlier: derivatives of `clip` and
        # `maximum` are halved on their bounds, which would lose a quarter of the gradient with respect to the edge.
        before_start = jnp.where(since_start > 0, 0.0, jnp.where(-since_start < width, -since_start, width))
        before_stop = jnp.where(since_stop >= 0, 0.0, jnp.where(-since_stop <= width, -since_stop, width))
        inside = jnp.where(before_stop > before_start, before_stop - before_start, 0.0)
        return cls(since_start + before_start, inside, inside / width)

    @property
    def middle(self) -> FloatArray:
        return self.begin + self.width / 2


def grid(start: FloatArray, dt: RealScalar, count: int) -> FloatArray:
    """`count` times from `start` on, `dt` ms apart."""
    return start + dt * jnp.arange(count, dtype=start.dtype)
