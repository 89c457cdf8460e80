"""What a fit minimises."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._model import AbstractNeuron
from .._parameter import replace_leaves
from .._paths import named_leaves
from .._simulate import simulate
from .._stimulus import AbstractStimulus, Samples
from .._types import FloatArray, RealScalar, State
from .coupling import Coupled, Paired
from .spike_signal import filtered_impulses, filtered_spikes


class AbstractObjective(eqx.Module):
    """A sum of squares to minimise, possibly in stages from easy to exact."""

    @abstractmethod
    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        """The residuals, shape (n,), when `fraction` (0 to 1) of the fit is over. Their squares add up to the loss."""

    @abstractmethod
    def exact_residuals(self, model: AbstractNeuron) -> FloatArray:
        """The residuals of the last phase of a fit, shape (n,): what is wanted in the end, even where its gradient sees only the neighbourhood."""

    @abstractmethod
    def stages(self) -> int:
        """In how many equal parts of the fit the loss differs; it is comparable within one."""

    @abstractmethod
    def response(self, model: AbstractNeuron) -> FloatArray:
        """What the model does in this experiment, a vector: shows which parameters can make a difference."""

    def loss(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        """The loss, a scalar."""
        return jnp.sum(self.residuals(model, fraction) ** 2)


def _stage(values: tuple[float, ...], fraction: RealScalar) -> FloatArray:
    index = jnp.clip(jnp.floor(jnp.asarray(fraction) * len(values)), 0, len(values) - 1).astype(int)
    return jnp.asarray(values)[index]


def _as_schedule(name: str, values: float | Sequence[float], lower: float, strict: bool) -> tuple[float, ...]:
    schedule = tuple(float(x) for x in np.atleast_1d(np.asarray(values, dtype=float)))
    for i, x in enumerate(schedule):
        if not math.isfinite(x) or x < lower or (strict and x == lower):
            raise ValueError(
                f"{name}[{i}] = {x:g} is not allowed: must be finite and {'>' if strict else '>='} {lower:g}"
            )
    return schedule


def _finite_vector(name: str, values: Any, minimum: int) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size < minimum:
        raise ValueError(
            f"{name} of shape {array.shape} is not allowed: must be one-dimensional with at least {minimum} entries"
        )
    if not np.isfinite(array).all():
        i = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"{name}[{i}] = {array[i]} is not allowed: must be finite")
    return array


class VoltageTrace(AbstractObjective):
    """Mean squared difference between the model's voltage and a recorded one, in units of `noise` squared.

    **Arguments:**

    - `stimulus`: what was injected.
    - `values`: the recorded voltage, mV, shape (n,), the first at `t0`.
    - `dt`: their spacing, ms. The model is stepped with `dt / substeps`.
    - `window`: only samples from the first to the second of these times (ms) count; all by default.
    - `y0`: where a run starts: `"held"` (the first recorded voltage with the gates relaxed there; needs a model with an `initial` voltage),
        `"rest"`, or None for the model's own initial state.
    - `coupling`: pull of the model towards the recording, in 1/ms, one per stage of the fit. Ends in zero for a result that runs by itself; a
        start at 1 or so keeps spikes in step, without which the gradient leads nowhere.
    - `noise`: standard deviation of the recording's noise, mV.
    """

    stimulus: AbstractStimulus
    target: FloatArray
    scale: FloatArray  # of the residuals: zero outside the window
    dt: float = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    t0: float = eqx.field(static=True)
    y0: Literal["held", "rest"] | None = eqx.field(static=True)
    coupling: tuple[float, ...] = eqx.field(static=True)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        values: Any,
        dt: float,
        *,
        t0: float = 0.0,
        window: tuple[float, float] | None = None,
        y0: Literal["held", "rest"] | None = "held",
        coupling: float | Sequence[float] = 0.0,
        substeps: int = 1,
        noise: float = 1.0,
        weight: float = 1.0,
    ):
        target = _finite_vector("values", values, 2)
        for name, number in (("dt", dt), ("noise", noise), ("weight", weight), ("substeps", substeps)):
            if not (isinstance(number, int | float) and 0 < number < math.inf):
                raise ValueError(f"{name} = {number!r} is not allowed: must be a finite number > 0")
        times = t0 + dt * np.arange(target.size)
        first, last = window or (t0, times[-1])
        mask = (times >= first - 1e-9) & (times <= last + 1e-9)
        if not mask.any():
            raise ValueError(
                f"window = ({first:g}, {last:g}) ms is not allowed: holds no sample of {t0:g} to {times[-1]:g} ms"
            )
        self.stimulus, self.dt, self.substeps, self.t0 = stimulus, float(dt), int(substeps), float(t0)
        self.target = jnp.asarray(target, dtype=float)
        self.scale = jnp.asarray(mask * math.sqrt(weight / mask.sum()) / noise, dtype=float)
        self.y0 = y0
        self.coupling = _as_schedule("coupling", coupling, 0.0, False)

    def stages(self) -> int:
        return len(self.coupling)

    def _start(self, model: AbstractNeuron) -> State | Literal["rest"] | None:
        if self.y0 != "held":
            return self.y0
        if "initial" not in named_leaves(model):
            raise ValueError(
                f"y0 = 'held' is not allowed for {type(model).__name__}, which has no initial voltage; use 'rest' or None"
            )
        return replace_leaves(model, {"initial": self.target[0]}).init()

    def simulate(self, model: AbstractNeuron, coupling: RealScalar | None = None) -> FloatArray:
        """The model's voltage at the recorded times, mV, shape (n,)."""
        stimulus, y0 = self.stimulus, self._start(model)
        if coupling is not None:
            model = Coupled(model, coupling)
            stimulus = Paired(stimulus, Samples(self.target, self.dt, self.t0))
        return simulate(
            model,
            stimulus,
            self.t0 + self.dt * (self.target.size - 1),
            t0=self.t0,
            dt=self.dt / self.substeps,
            y0=y0,
            every=self.substeps,
            max_spikes=0,
        ).v

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        coupling = None if self.coupling == (0.0,) else _stage(self.coupling, fraction)
        return self.scale * (self.simulate(model, coupling) - self.target)

    def exact_residuals(self, model: AbstractNeuron) -> FloatArray:
        """The same without coupling, unless the schedule ends with some."""
        return self.residuals(model, 1.0)

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.simulate(model) * (self.scale > 0)


class SpikeTrain(AbstractObjective):
    """The van Rossum distance, squared and per target spike, between the model's spikes and target spike times.

    A smooth spike signal stands for the model's spikes: each rise of the voltage through `level` counts as one, spread over the rise, and a rise
    that falls short counts in part. So the loss has a gradient that can create, move and remove spikes, and works from spike times alone.

    Source: van Rossum (2001), Neural Computation 13:751, `D^2 = (1/tau) int (f - g)^2 dt` with causal exponential kernels.

    **Arguments:**

    - `stimulus`: what was injected.
    - `times`: target spike times, ms; infinite ones are padding.
    - `t1`, `t0`: the run, ms.
    - `tau`: time constant of the kernel, ms, one per stage of the fit: long ones see far, short ones exactly.
    - `reach`: how far apart a spike and its partner may be in the last phase, where the distances of spike times are minimised, ms.
    - `level`, `softness`: the voltage whose crossing makes a spike, and the width of the sigmoid around it, mV. By default a little below 0 mV, so that
        small spikes count whole.
    - `dt`: step, ms.
    - `y0`: None for the model's own initial state, or `"rest"`.
    """

    stimulus: AbstractStimulus
    times: FloatArray
    t0: float = eqx.field(static=True)
    t1: float = eqx.field(static=True)
    tau: tuple[float, ...] = eqx.field(static=True)
    reach: float = eqx.field(static=True)
    level: float = eqx.field(static=True)
    softness: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        times: Any,
        t1: float,
        *,
        t0: float = 0.0,
        tau: float | Sequence[float] = (20.0, 10.0, 5.0),
        reach: float = 5.0,
        level: float = -10.0,
        softness: float = 5.0,
        dt: float = 0.025,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
    ):
        times = np.asarray(times, dtype=float)
        spikes = np.sort(_finite_vector("times", times[times != np.inf], 1))
        if spikes[0] < t0 or spikes[-1] > t1:
            raise ValueError(
                f"times from {spikes[0]:g} to {spikes[-1]:g} ms are not allowed: must be within [{t0:g}, {t1:g}] ms"
            )
        for name, number in (("reach", reach), ("softness", softness), ("dt", dt), ("weight", weight)):
            if not 0 < number < math.inf:
                raise ValueError(f"{name} = {number!r} is not allowed: must be finite and > 0")
        self.stimulus, self.t0, self.t1, self.dt = stimulus, float(t0), float(t1), float(dt)
        self.times = jnp.asarray(spikes, dtype=float)
        self.tau = _as_schedule("tau", tau, 0.0, True)
        self.level, self.softness, self.reach = float(level), float(softness), float(reach)
        self.y0, self.weight = y0, float(weight)

    def stages(self) -> int:
        return len(self.tau)

    def simulate(self, model: AbstractNeuron) -> FloatArray:
        """The model's voltage at every step, mV."""
        return simulate(model, self.stimulus, self.t1, t0=self.t0, dt=self.dt, y0=self.y0, max_spikes=0).v

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        v = self.simulate(model)
        tau, dt = _stage(self.tau, fraction), (self.t1 - self.t0) / (v.shape[0] - 1)
        spikes = jax.nn.relu(jnp.diff(jax.nn.sigmoid((v - self.level) / self.softness)))
        ends, signal, width = filtered_spikes(spikes, dt, tau)
        target = filtered_impulses(self.times - self.t0, ends, tau)
        return jnp.sqrt(self.weight * width / tau / self.times.size) * (signal - target)

    def exact_residuals(self, model: AbstractNeuron) -> FloatArray:
        """The distances of target spikes to the nearest spike of the model and the other way round, in units of `reach`. A spike without a
        partner within reach counts 1: it has no gradient, and a step that loses or gains one is seen in the loss."""
        run = simulate(model, self.stimulus, self.t1, t0=self.t0, dt=self.dt, y0=self.y0)
        times = run.spikes.times
        distance = (times[None, :] - self.times[:, None]) / self.reach
        nearest = jnp.argmin(jnp.abs(distance), axis=1)
        own = jnp.take_along_axis(distance, nearest[:, None], axis=1)[:, 0]
        own = jnp.where(jnp.abs(own) < 1, own, 1.0)
        extra = jnp.isfinite(times) & (jnp.min(jnp.abs(distance), axis=0) >= 1)
        scale = jnp.sqrt(self.weight / self.times.size)
        return scale * jnp.concatenate([own, extra.astype(own.dtype)])

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.simulate(model)
