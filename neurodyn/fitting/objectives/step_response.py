"""The response to a current step as the target: where the spikes are and what the voltage does between them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, check_whole, parameter
from ..._simulate import FixedStep, Solution, rest_state, simulate
from ..._stimulus import Step
from ..._types import FloatArray, Parameter, RealScalar, State
from .base import AbstractObjective
from .baseline import Baseline
from .checks import check_positive_numbers, finite_vector
from .electrode import Electrode


#: How much each term counts. Choices, made on the training part of one recording.
WEIGHTS = {"times": 6.0, "below": 1.0, "approach": 1.0, "between": 1.0, "after": 1.0, "onset": 1.0, "peak": 0.25}

_APPROACH = (0.3, 0.6, 0.85)  # of the data's first latency, at which the voltage is compared
_CAP, _CAP_APPROACH = -30.0, -35.0  # mV; where spikes are cut off before voltages are averaged or compared
_MISSING = 60.0  # ms after the step; where a spike that the model lacks counts as being
_EXTRA = 15.0  # ms before the end of the step, in which a spike too many costs one unit
_BEFORE, _SETTLED = 5.0, 15.0  # ms before the step and after it, from which on the voltage counts
_UPSTROKE = 1.0  # ms before a spike rises through 0 mV, when the voltage is still about its threshold
_SPIKE = 3.0  # ms from that rise, in which it has its peak
_SPACING = 5.0  # ms between the samples of the voltage that count
_BELOW, _AFTER = 25, 8  # samples that a sweep's voltage below threshold, and after the step, counts as


class StepResponse(AbstractObjective):
    """The response to one current step from rest, by terms that lead a search: which spikes there are and when, and the voltage where it carries information.

    The terms, each of residuals in units of a scale; all but `below` grow linearly where they are large (soft L1):

    - `times`, weight 6: the spikes in order, the first with the first. Scale `1 + 0.07 t` ms of the first and `2 + 0.025 t` ms of the others, t from the start of
      the step. A spike that the model lacks counts as 60 ms after the end of the step, and one too many by how long before the end it is, in units of 15 ms: so
      there is a way to lose and to gain spikes, the last first.
    - `below`, weight 1: for a step without spikes, the voltage every 5 ms, from 5 ms before the step; scale `noise`; together as many as 25 samples.
    - `approach`, weight 1: the voltage at 30, 60 and 85 % of the way to the first spike, cut off at -35 mV; scale 2 mV.
    - `between`, weight 1: the voltage, cut off at -30 mV, averaged over each quarter of the step; scale 1.5 mV.
    - `after`, weight 1: the voltage from 15 ms after the step, every 5 ms; scale 1.5 mV; together as many as 8 samples.
    - `onset`, weight 1: the voltage 1 ms before a spike rises through 0 mV, of each spike that both have; scale 1.5 mV.
    - `peak`, weight 1/4: the highest voltage within 3 ms of that rise; scale 5 mV. Not for models that reset, which have none.

    The terms, scales and weights are choices that work, not a model of the noise, so that `misfit` is not a likelihood: no uncertainties from it.

    The run starts at rest under `baseline`, to first order in it. Sweeps of the same length, step and `room` run as one batch.

    **Arguments:**

    - `amplitude`: of the step, in the model's unit; from `start` to `stop`, ms.
    - `values`: the recorded voltage, mV, shape (n,), the first at `t0`; NaN where it is unknown, which counts for nothing.
    - `dt`: their spacing, ms.
    - `spikes`: when the data's spikes during the step were, ms, shape (k,); by default the rises of `values` through 0 mV.
    - `noise`: standard deviation of the voltage below threshold, what the model leaves out included, mV.
    - `weights`: by term, in the place of those above; 0 leaves a term out.
    - `room`: how many spikes can be compared.
    - `grid`: spacing at which the voltage is looked at, ms; a multiple of `dt` and of the steps of both methods.
    - `method`: a `FixedStep`, of the last phase of a fit.
    - `coarse`: one for the phases before; that of the last one by default.
    - `y0`: `"rest"`, or None for the model's own initial state.
    - `electrode`: its drop and junction potential are taken off the recorded voltage; its filter is not used.
    - `baseline`: a current that flowed besides the step, such as what held the cell; with the fields of the electrode it may be fitted as a nuisance of the sweep.

    **Raises:** `ValueError` for arguments that are not allowed.
    """

    noise_model: ClassVar[str | None] = None  # its scales are choices
    target: FloatArray  # mV, on the grid; 0 where it is unknown
    known: FloatArray  # 1 where it is known
    noise: FloatArray
    electrode: Electrode | None
    start: float = eqx.field(static=True)
    stop: float = eqx.field(static=True)
    t0: float = eqx.field(static=True)
    grid: float = eqx.field(static=True)
    method: FixedStep
    coarse: FixedStep
    weights: tuple[tuple[str, float], ...] = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    spikes: Parameter = parameter(unit="ms", infinite=True, trainable=False)  # after the start of the step
    amplitude: Parameter = parameter(trainable=False)
    baseline: Parameter = parameter(trainable=False)

    def __init__(
        self,
        amplitude: float,
        values: Any,
        dt: float,
        *,
        start: float,
        stop: float,
        t0: float = 0.0,
        spikes: Any = None,
        noise: float = 1.0,
        weights: Mapping[str, float] | None = None,
        room: int = 16,
        grid: float = 0.2,
        method: FixedStep = FixedStep(0.05),
        coarse: FixedStep | None = None,
        y0: Literal["rest"] | None = "rest",
        weight: float = 1.0,
        electrode: Electrode | None = None,
        baseline: float = 0.0,
    ):
        check_positive_numbers(dt=dt, grid=grid, noise=noise, weight=weight)
        check_whole("room", room)
        self.start, self.stop, self.t0, self.grid = float(start), float(stop), float(t0), float(grid)
        self.method, self.coarse = method, method if coarse is None else coarse
        trace = np.asarray(values, float)
        known = np.isfinite(trace)
        trace = finite_vector("values", np.where(np.isnan(trace), 0.0, trace), 2)
        skip = _multiple("grid", self.grid, dt, "the spacing of the values")
        for name, chosen in (("method", self.method), ("coarse", self.coarse)):
            _multiple("grid", self.grid, chosen.dt, f"the step of {name}")
        end = self.t0 + dt * (trace.size - 1)
        if not self.t0 < self.start < self.stop < end:
            raise ValueError(
                f"start = {start:g} and stop = {stop:g} ms are not allowed: must lie in this order between {self.t0:g} and {end:g} ms"
            )
        if spikes is None:
            spikes = _rises(np.where(known, trace, -np.inf), dt, self.t0)
        self.spikes = jnp.asarray(_padded(spikes, self.start, self.stop, room), float)
        self.target, self.known = jnp.asarray(trace[::skip], float), jnp.asarray(known[::skip], float)
        self.noise = jnp.asarray(noise, float)
        self.weights = tuple(_checked(weights or {}).items())
        self.y0, self.weight, self.electrode = y0, float(weight), electrode
        self.amplitude, self.baseline = as_floating(amplitude, "amplitude"), as_floating(baseline, "baseline")

    def stages(self) -> int:
        return 1

    def through(self, method: FixedStep) -> Self:
        """The same with one method for all phases."""
        return eqx.tree_at(lambda o: (o.method, o.coarse), self, (method, method))

    @property
    def times(self) -> np.ndarray:
        """When the voltage is compared, ms from the start of the step, shape (n,)."""
        return self.t0 - self.start + self.grid * np.arange(self.target.shape[-1])

    def membrane(self) -> FloatArray:
        """The recorded voltage without what the electrode adds, mV, shape (n,)."""
        if self.electrode is None:
            return self.target
        times = self.start + jnp.asarray(self.times)
        current = jax.vmap(Step(self.amplitude, self.start, self.stop))(times)
        return self.target - self.electrode.record(jnp.zeros_like(self.target), current, self.grid)

    def simulate(self, model: AbstractNeuron, method: FixedStep | None = None) -> Solution:
        """The model's own run, its voltage at `times`."""
        method = self.method if method is None else method
        stimulus = Step(self.amplitude, self.start, self.stop) + Baseline(self.baseline)
        end = self.t0 + self.grid * (self.target.shape[-1] - 1)
        y0 = None if self.y0 is None else held_rest(model, self.baseline)
        every = round(self.grid / method.dt)
        room = self.spikes.shape[-1]
        return simulate(model, stimulus, end, t0=self.t0, method=method, y0=y0, every=every, max_spikes=room)

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        return jnp.sqrt(self.share()) * self._soft(self._terms(model, self.coarse))

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """The terms one after the other, in units of their scales, not of the noise."""
        return self._soft(self._terms(model, self.method))

    def share(self) -> FloatArray:
        return jnp.asarray(self.weight)

    def measured(self, model: AbstractNeuron) -> FloatArray:
        """The terms in units of their scales, as they are."""
        terms = self._terms(model, self.method)
        return jnp.concatenate([scale * value for value, scale in terms.values()])

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.simulate(model).v

    def _soft(self, terms: dict[str, tuple[FloatArray, FloatArray]]) -> FloatArray:
        return jnp.concatenate(
            [scale * (value if name == "below" else soft_l1(value)) for name, (value, scale) in terms.items()]
        )

    def _terms(self, model: AbstractNeuron, method: FixedStep) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Of each term the differences in units of its scale, shape (k,), and the roots of their weights."""
        run = self.simulate(model, method)
        v, target, own = run.v, self.membrane(), run.spikes.times - self.start
        silent = ~jnp.isfinite(self.spikes[0])
        found = {
            "times": (self._times(own), jnp.asarray(1.0)),
            "below": self._below(v, target, silent),
            "approach": self._approach(v, target, silent),
            "between": self._between(v, target, silent),
            "after": self._after(v, target, silent),
            **self._spike_shapes(v, target, own),
        }
        if isinstance(model, AbstractSpikingNeuron) and model.resets:
            del found["peak"]
        weights = dict(self.weights)
        return {
            name: (value, jnp.sqrt(weights[name]) * scale) for name, (value, scale) in found.items() if weights[name]
        }

    def _times(self, own: FloatArray) -> FloatArray:
        duration = self.stop - self.start
        own = jnp.where(jnp.isfinite(own) & (own < duration), own, duration + _MISSING)
        real = jnp.isfinite(self.spikes)
        data = jnp.where(real, self.spikes, duration)
        scale = jnp.where(jnp.arange(data.size) == 0, 1 + 0.07 * data, 2 + 0.025 * data)
        return jnp.where(real, (own - data) / scale, jnp.minimum(own - duration, 0.0) / _EXTRA)

    def _spike_shapes(self, v: FloatArray, target: FloatArray, own: FloatArray):
        """Where the spikes that both have begin and how high they get, one by one."""
        both = jnp.isfinite(self.spikes) & jnp.isfinite(own) & (own < self.stop - self.start)
        last = v.size - 1

        def places(times: FloatArray, later: float) -> FloatArray:
            return jnp.clip((jnp.where(both, times, 0.0) + later + self.start - self.t0) / self.grid, 0, last)

        def onset(trace: FloatArray, times: FloatArray) -> FloatArray:
            place = places(times, -_UPSTROKE)
            left = jnp.minimum(place.astype(int), last - 1)
            return trace[left] + (place - left) * (trace[left + 1] - trace[left])

        def during(times: FloatArray) -> FloatArray:
            on = np.arange(round(_SPIKE / self.grid) + 1)
            return jnp.minimum(places(times, 0.0).astype(int)[:, None] + on[None], last)

        known = jnp.min(self.known[during(self.spikes)], axis=1) * _where(both)
        peaks = jnp.max(v[during(own)], axis=1) - jnp.max(target[during(self.spikes)], axis=1)
        onsets = onset(v, own) - onset(target, self.spikes)
        return {"onset": (onsets / 1.5, known * onset(self.known, self.spikes)), "peak": (peaks / 5.0, known)}

    def _samples(self, first: float) -> np.ndarray:
        """Which samples count from `first` ms on."""
        each = max(1, round(_SPACING / self.grid))
        return np.flatnonzero((self.times >= first - 1e-9) & (np.arange(self.times.size) % each == 0))

    def _below(self, v: FloatArray, target: FloatArray, silent: FloatArray):
        here = self._samples(-_BEFORE)
        known = self.known[here]
        scale = jnp.sqrt(_BELOW / jnp.maximum(jnp.sum(known), 1.0)) * known
        return (v[here] - target[here]) / self.noise, scale * _where(silent)

    def _approach(self, v: FloatArray, target: FloatArray, silent: FloatArray):
        latency = jnp.where(silent, self.stop - self.start, self.spikes[0])
        places = (jnp.asarray(_APPROACH) * latency + self.start - self.t0) / self.grid
        places = jnp.clip(places.astype(int), 0, v.size - 1)
        off = jnp.minimum(v[places], _CAP_APPROACH) - jnp.minimum(target[places], _CAP_APPROACH)
        return off / 2.0, self.known[places] * _where(~silent)

    def _between(self, v: FloatArray, target: FloatArray, silent: FloatArray):
        edges = np.linspace(0.0, self.stop - self.start, 5)
        off = (jnp.minimum(v, _CAP) - jnp.minimum(target, _CAP)) * self.known
        quarters = [(self.times >= a) & (self.times < b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        means = [jnp.sum(off[q]) / jnp.maximum(jnp.sum(self.known[q]), 1.0) for q in quarters]
        return jnp.stack(means) / 1.5, _where(~silent)

    def _after(self, v: FloatArray, target: FloatArray, silent: FloatArray):
        here = self._samples(self.stop - self.start + _SETTLED)
        known = self.known[here]
        scale = jnp.sqrt(_AFTER / jnp.maximum(jnp.sum(known), 1.0)) * known
        return (v[here] - target[here]) / 1.5, scale * _where(~silent)


def soft_l1(x: FloatArray) -> FloatArray:
    """The number whose square is the soft L1 loss `2 (sqrt(1 + x^2) - 1)` of x: x where it is small."""
    # That formula's difference is zero in float32 where x is small.
    return x * jnp.sqrt(2 / (1 + jnp.sqrt(1 + x**2)))


def held_rest(model: AbstractNeuron, current: RealScalar) -> State:
    """The model's resting state under a small constant current, to first order in it: one steady state serves all sweeps."""
    rest, unravel = jax.flatten_util.ravel_pytree(rest_state(model))

    def slope(y, drive):
        return jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(y), drive).slope)[0]

    zero = jnp.zeros((), rest.dtype)
    jacobian, push = jax.jacfwd(slope, argnums=(0, 1))(rest, zero)
    # A leaf that is at rest whatever its value would make the matrix singular.
    tiny = float(jnp.finfo(rest.dtype).eps) * jnp.eye(rest.size, dtype=rest.dtype)
    return unravel(rest + current * jnp.linalg.solve(tiny - jacobian, push))


def _where(condition: Any) -> FloatArray:
    return jnp.where(condition, 1.0, 0.0)


def _checked(weights: Mapping[str, float]) -> dict[str, float]:
    for name, value in weights.items():
        if name not in WEIGHTS:
            raise ValueError(f"weights[{name!r}] is not allowed: must be of {', '.join(WEIGHTS)}")
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"weights[{name!r}] = {value:g} is not allowed: must be finite and >= 0")
    return {name: float(weights.get(name, default)) for name, default in WEIGHTS.items()}


def _multiple(name: str, whole: float, part: float, what: str) -> int:
    ratio = round(whole / part)
    if ratio < 1 or abs(whole / part - ratio) > 1e-6:
        raise ValueError(f"{name} = {whole:g} ms is not allowed: must be a multiple of {what}, {part:g} ms")
    return ratio


def _rises(v: np.ndarray, dt: float, t0: float) -> np.ndarray:
    """When a voltage rises through 0 mV, ms, by linear interpolation."""
    (k,) = np.nonzero((v[:-1] < 0) & (v[1:] >= 0) & np.isfinite(v[:-1]))
    return t0 + dt * (k - v[k] / (v[k + 1] - v[k]))


def _padded(spikes: Any, start: float, stop: float, room: int) -> np.ndarray:
    """The spikes of the step, ms from its start, padded with infinity."""
    times = np.asarray(spikes, float)
    times = np.sort(finite_vector("spikes", times[times != np.inf], 0))
    times = times[(times >= start) & (times < stop)] - start
    if times.size > room:
        raise ValueError(f"room = {room} is not allowed: must be >= {times.size}, the number of spikes")
    return np.concatenate([times, np.full(room - times.size, np.inf)])
