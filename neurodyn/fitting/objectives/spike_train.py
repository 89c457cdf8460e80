"""Spike times as the target."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, parameter
from ..._simulate import FixedStep, simulate
from ..._stimulus import AbstractStimulus
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .baseline import with_baseline
from .checks import as_schedule, check_positive_numbers, padded_spikes, stage
from .matching import count_spikes, match_spikes
from .spike_signal import averaged_impulses, bin_ends, filtered_impulses, filtered_spikes
from .voltages import main_voltage


class SpikeTrain(AbstractObjective):
    """Spike times: at first by a smooth distance that can create, move and remove spikes, in the end by the distances of paired spikes.

    *Models that only report their spikes* (Hodgkin-Huxley). The smooth distance is the squared one of van Rossum per target spike,
    `D^2 = (1/tau) int (f - g)^2 dt` with causal exponential kernels. A smooth spike signal stands for the model's spikes: each rise of the voltage
    through `level` counts as one, spread over the rise, and a rise that falls short counts in part.

    *Models that reset* (integrate-and-fire). The same distance of the exact spike times. It moves spikes; to create and remove them start with
    `SpikeLikelihood`, or from many points.

    *In the last phase of a fit*, both: pairs of spikes that are each other's nearest, in units of `reach`. A spike without a partner within reach costs
    1, and a missing one more the farther the voltage stays below `level` around it, so that there is a way to bring it back.

    Source: van Rossum (2001), Neural Computation 13:751.

    **Arguments:**

    - `stimulus`: what was injected.
    - `times`: target spike times, ms; infinite ones are padding. None at all is a target too: silence.
    - `t1`, `t0`: the run, ms.
    - `tau`: time constant of the kernel, ms, one per stage of the fit: long ones see far, short ones exactly.
    - `reach`: how far apart a spike and its partner may be in the last phase, ms.
    - `jitter`: standard deviation of the target spike times, ms; sets the scale of uncertainties, not what is best.
    - `level`, `softness`: the voltage whose crossing makes a spike, and the width of the sigmoid around it, mV. By default a little below 0 mV, so that
        small spikes count whole.
    - `dt`: step, ms; or `method`, a `FixedStep`.
    - `y0`: None for the model's own initial state, or `"rest"`.
    - `baseline`: a constant current that flowed besides the stimulus, in the model's unit; may be fitted as a nuisance.
    """

    stimulus: AbstractStimulus
    t0: float = eqx.field(static=True)
    t1: float = eqx.field(static=True)
    tau: tuple[float, ...] = eqx.field(static=True)
    reach: float = eqx.field(static=True)
    jitter: float = eqx.field(static=True)
    level: float = eqx.field(static=True)
    softness: float = eqx.field(static=True)
    method: FixedStep = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    times: Parameter = parameter(unit="ms", infinite=True, trainable=False)
    baseline: Parameter = parameter(trainable=False)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        times: Any,
        t1: float,
        *,
        t0: float = 0.0,
        tau: float | Sequence[float] = (20.0, 10.0, 5.0),
        reach: float = 5.0,
        jitter: float = 0.1,
        level: float = -10.0,
        softness: float = 5.0,
        dt: float = 0.025,
        method: FixedStep | None = None,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
        baseline: float = 0.0,
    ):
        check_positive_numbers(reach=reach, jitter=jitter, softness=softness, dt=dt, weight=weight)
        self.stimulus, self.t0, self.t1 = stimulus, float(t0), float(t1)
        self.times = jnp.asarray(padded_spikes(times, t0, t1), dtype=float)
        self.tau = as_schedule("tau", tau, 0.0, True)
        self.level, self.softness, self.reach, self.jitter = float(level), float(softness), float(reach), float(jitter)
        self.method = FixedStep(dt) if method is None else method
        self.y0, self.weight = y0, float(weight)
        self.baseline = as_floating(baseline, "baseline")

    def stages(self) -> int:
        return len(self.tau)

    def _run(self, model: AbstractNeuron, max_spikes: int | None):
        stimulus, record = with_baseline(self.stimulus, self.baseline), main_voltage(model)
        run = simulate(
            model, stimulus, self.t1, t0=self.t0, method=self.method, y0=self.y0, record=record, max_spikes=max_spikes
        )
        return run.ys[record], run.spikes.times if max_spikes != 0 else jnp.zeros((0,))

    def simulate(self, model: AbstractNeuron) -> FloatArray:
        """The model's voltage at every step, mV; that of the soma of a cell with a shape."""
        return self._run(model, 0)[0]

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        tau, spikes = stage(self.tau, fraction), count_spikes(self.times)
        if isinstance(model, AbstractSpikingNeuron) and model.resets:
            own = self._run(model, None)[1]
            ends, width = bin_ends(self.t1 - self.t0)
            signal = averaged_impulses(own - self.t0, ends, width, tau)
            target = averaged_impulses(self.times - self.t0, ends, width, tau)
        else:
            v = self.simulate(model)
            dt = (self.t1 - self.t0) / (v.shape[0] - 1)
            rises = jax.nn.relu(jnp.diff(jax.nn.sigmoid((v - self.level) / self.softness)))
            ends, signal, width = filtered_spikes(rises, dt, tau)
            target = filtered_impulses(self.times - self.t0, ends, tau)
        return jnp.sqrt(self.weight * width / tau / spikes) * (signal - target)

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """Distances of paired spikes in units of `jitter`; `reach / jitter` or more for each spike without a partner."""
        v, times = self._run(model, None)
        difference, paired, extra = match_spikes(self.times, times, self.reach)
        missing = jnp.isfinite(self.times) & ~paired
        short = jnp.where(missing, self._shortfall(v), 0.0)
        unit = self.reach / self.jitter
        own = jnp.where(missing, unit * (1 + short), difference / self.jitter)
        return jnp.concatenate([own, unit * extra.astype(own.dtype)])

    def _shortfall(self, v: FloatArray) -> FloatArray:
        """By how much the voltage stays below `level` within reach of each target, as a fraction of the way from far below, 0 to 1."""
        dt = (self.t1 - self.t0) / (v.shape[0] - 1)
        width = min(2 * max(1, round(self.reach / dt)), v.shape[0])
        at = jnp.where(jnp.isfinite(self.times), self.times, self.t0)
        first = jnp.floor((at - self.t0 - self.reach) / dt).astype(int)
        first = jnp.clip(first, 0, v.shape[0] - width)
        peaks = jax.vmap(lambda i: jnp.max(jax.lax.dynamic_slice(v, (i,), (width,))))(first)
        return jnp.tanh(jax.nn.relu(self.level - peaks) / 50.0)

    def share(self) -> FloatArray:
        return self.weight * (self.jitter / self.reach) ** 2 / count_spikes(self.times)

    def measured(self, model: AbstractNeuron) -> FloatArray:
        """The times of the model's own spikes, in units of `jitter`."""
        times = self._run(model, None)[1]
        return jnp.where(jnp.isfinite(times), times, 0.0) / self.jitter

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.simulate(model)
