"""Features of a voltage trace around one stimulus, each differentiable and finite, with spikes or without."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._types import BoolArray, FloatArray, IntArray


_SPIKE = 5.0  # ms; the peak of a spike lies within so much of its upstroke
_BASE = 10.0  # ms; the voltage before the stimulus is averaged over so much
_STEADY = 0.1  # of the stimulus; the voltage at its end is averaged over so much
_FAR = 50.0  # mV; the scale of how far a silent run is from a spike


class Episode(eqx.Module):
    """A voltage trace sampled every `dt` ms from `t0` on, the spikes in it, and the stimulus, from `start` to `stop` ms."""

    v: FloatArray
    spikes: FloatArray  # ms, padded with infinity
    step: FloatArray  # by how much the current changed
    t0: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    start: float = eqx.field(static=True)
    stop: float = eqx.field(static=True)
    level: float = eqx.field(static=True)
    softness: float = eqx.field(static=True)

    def part(self, start: float, stop: float) -> FloatArray:
        """The samples from `start` to `stop` ms, at least one."""
        first, last = (round((t - self.t0) / self.dt) for t in (start, stop))
        first = min(max(first, 0), self.v.shape[0] - 1)
        return self.v[first : max(last, first) + 1]

    def during(self) -> FloatArray:
        return self.part(self.start, self.stop)

    def times(self) -> FloatArray:
        """Of the samples during the stimulus, ms."""
        first = round((self.start - self.t0) / self.dt)
        return self.t0 + self.dt * (first + jnp.arange(self.during().shape[0], dtype=self.v.dtype))

    def base(self) -> tuple[float, float]:
        """When the voltage before the stimulus is taken."""
        return max(self.t0, self.start - _BASE), self.start - self.dt

    def end(self) -> tuple[float, float]:
        """When the voltage at the end of the stimulus is taken."""
        return self.stop - _STEADY * (self.stop - self.start), self.stop

    def counted(self) -> BoolArray:
        """Which spikes lie within the stimulus."""
        return jnp.isfinite(self.spikes) & (self.spikes >= self.start) & (self.spikes <= self.stop)

    def silent(self) -> BoolArray:
        return ~jnp.any(self.counted())

    def first(self, after: FloatArray | float = -jnp.inf) -> FloatArray:
        """The first spike during the stimulus and after some time, ms; `stop` without one."""
        return jnp.min(jnp.where(self.counted() & (self.spikes > after), self.spikes, self.stop))

    def shortfall(self) -> FloatArray:
        """How far the highest voltage of a silent run is from that of a whole spike, in units of 50 mV; 0 with a spike."""
        short = jax.nn.relu(self.level + 4 * self.softness - jnp.max(self.during())) / _FAR
        return jnp.where(self.silent(), short, 0.0)


def rest(e: Episode) -> FloatArray:
    """The mean voltage in the last 10 ms before the stimulus, mV."""
    return jnp.mean(e.part(*e.base()))


def steady(e: Episode) -> FloatArray:
    """The mean voltage in the last tenth of the stimulus, mV."""
    return jnp.mean(e.part(*e.end()))


def count(e: Episode) -> FloatArray:
    """Spikes during the stimulus: each rise of the voltage through `level` counts by how far it goes in units of a sigmoid's width `softness`."""
    return jnp.sum(jax.nn.relu(jnp.diff(jax.nn.sigmoid((e.during() - e.level) / e.softness))))


def rate(e: Episode) -> FloatArray:
    """One over the mean interval of the spikes during the stimulus, Hz; with fewer than two, their `count` over its duration."""
    counted = e.counted()
    number = jnp.sum(counted)
    last = jnp.max(jnp.where(counted, e.spikes, e.start))
    several = number > 1
    span = jnp.where(several, last - e.first(), 1.0)
    return 1e3 * jnp.where(several, (number - 1) / span, count(e) / (e.stop - e.start))


def latency(e: Episode) -> FloatArray:
    """From the beginning of the stimulus to the first spike, ms; its duration, and more the farther the voltage stays from a spike, without one."""
    return jnp.where(e.silent(), (e.stop - e.start) * (1 + e.shortfall()), e.first() - e.start)


def _highest(v: FloatArray, where: BoolArray) -> tuple[IntArray, FloatArray]:
    """The sample that is highest, and the top of the parabola through it and its neighbours."""
    index = jnp.argmax(jnp.where(where, v, -jnp.inf))
    middle = jnp.clip(index, 1, v.shape[0] - 2)
    before, at, after = v[middle - 1], v[middle], v[middle + 1]
    bend = before - 2 * at + after
    top = (index == middle) & (at >= before) & (at >= after) & (bend < 0)
    return index, jnp.where(top, at - (before - after) ** 2 / (8 * jnp.where(top, bend, -1.0)), v[index])


def _first_peak(e: Episode) -> tuple[IntArray, FloatArray]:
    """Of the first spike; of all there is during the stimulus without one."""
    times, first = e.times(), jax.lax.stop_gradient(e.first())
    near = (times > first - e.dt) & (times <= jnp.minimum(first + _SPIKE, jax.lax.stop_gradient(e.first(first))))
    return _highest(e.during(), near | e.silent())


def ap_height(e: Episode) -> FloatArray:
    """The peak of the first spike above `rest`, mV; without a spike that of the highest voltage during the stimulus."""
    return _first_peak(e)[1] - rest(e)


def ap_half_width(e: Episode) -> FloatArray:
    """How long the first spike (without one the highest hump) is above half of `ap_height`, ms, by straight lines between samples."""
    index, peak = _first_peak(e)
    above = e.during() - (peak + rest(e)) / 2
    places = jnp.arange(above.shape[0])
    below = above < 0
    begin = jnp.max(jnp.where(below & (places < index), places, 0))
    end = jnp.min(jnp.where(below & (places > index), places, above.shape[0] - 1))
    left, right = above[:-1], above[1:]
    crossing = (left < 0) != (right < 0)
    part = jnp.maximum(left, right) / jnp.where(crossing, jnp.abs(left - right), 1.0)
    part = jnp.where(crossing, part, (left >= 0).astype(above.dtype))
    return e.dt * jnp.sum(jnp.where((places[:-1] >= begin) & (places[:-1] < end), part, 0.0))


def ahp_depth(e: Episode) -> FloatArray:
    """How far the voltage falls below `rest` between the first peak and the next spike or the end of the stimulus, mV."""
    index, _ = _first_peak(e)
    places = jnp.arange(e.during().shape[0])
    second = jax.lax.stop_gradient(e.first(jax.lax.stop_gradient(e.first())))
    after = (places >= index) & ((e.times() <= second) | (places == index))
    return rest(e) + _highest(-e.during(), after)[1]


def sag(e: Episode) -> FloatArray:
    """How far the voltage goes below its `steady` value during the stimulus, mV: for a step that hyperpolarises."""
    return steady(e) + _highest(-e.during(), jnp.ones(e.during().shape, bool))[1]


def input_resistance(e: Episode) -> FloatArray:
    """(`steady` - `rest`) / change of the current: kohm cm2, or Gohm in absolute units. For a step without spikes."""
    return (steady(e) - rest(e)) / e.step


def time_constant(e: Episode) -> FloatArray:
    """The area between the voltage and its `steady` value during the stimulus, over the voltage's change, ms: that of a membrane that relaxes by one
    exponential, the mean weighted by amplitude of several. For a step without spikes, several time constants long."""
    v, change = e.during() - steady(e), rest(e) - steady(e)
    area = e.dt * (jnp.sum(v) - (v[0] + v[-1]) / 2)
    return area * change / (change**2 + 1e-6)  # nothing moved: zero


FEATURES: dict[str, Callable[[Episode], FloatArray]] = {
    function.__name__: function
    for function in (
        count,
        rate,
        latency,
        ap_height,
        ap_half_width,
        ahp_depth,
        sag,
        input_resistance,
        time_constant,
        rest,
        steady,
    )
}

#: What a model that resets at its spikes has none of: the shape of an action potential.
OF_SHAPE = ("count", "ap_height", "ap_half_width", "ahp_depth")
