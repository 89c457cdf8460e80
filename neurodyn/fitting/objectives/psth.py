"""The firing rate over repeated trials as the target."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, parameter
from ..._simulate import FixedStep, simulate
from ..._stimulus import AbstractStimulus
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .baseline import with_baseline
from .checks import as_schedule, check_positive_numbers, padded_spikes, window_mask
from .spike_signal import filtered_impulses, filtered_spikes
from .voltages import main_voltage


_FLOOR = 0.5  # spikes; what a silent stretch of the data is uncertain by, or one spike of the model there would cost infinitely much


class PSTH(AbstractObjective):
    """The peristimulus rate of repeated trials, smoothed, in units of the standard deviation that it has if spikes are Poisson's.

    Trials and model are smoothed by the same causal exponential kernel, `exp(-t / tau) / tau`, and compared every 0.5 ms. The variance of the trials' mean is
    `(1/N) int rate(t - s) exp(-2 s / tau) / tau^2 ds` for N trials, estimated from their spikes, half a spike added so that it is nowhere zero. Neighbouring
    bins are correlated as `exp(-|lag| / tau)`: their misfits are scaled down so that they count as often as there are independent ones.

    The model's density is the smooth one of `SpikeTrain`: each rise of the voltage through `level` counts by how far it goes in units of a sigmoid, so a
    rise that falls short counts in part. For models that report their spikes; for those that reset take a `SpikeLikelihood` per trial.

    **Arguments:**

    - `stimulus`: what was injected in every trial.
    - `trials`: the spike times of each trial, ms; infinite ones are padding. A trial without spikes is one too.
    - `t1`, `t0`: the run, ms.
    - `tau`: time constant of the kernel, ms, one per stage of the fit: long ones see far, short ones exactly.
    - `window`: only bins that end from the first to the second of these times (ms) count; all by default.
    - `level`, `softness`: the voltage whose crossing makes a spike, and the width of the sigmoid around it, mV.
    - `dt`: step, ms; or `method`, a `FixedStep`.
    - `y0`: None for the model's own initial state, or `"rest"`.
    - `baseline`: a constant current that flowed besides the stimulus, in the model's unit; may be fitted as a nuisance.
    """

    stimulus: AbstractStimulus
    target: FloatArray  # smoothed counts per trial, (stages, bins)
    deviation: FloatArray
    scale: FloatArray  # of the residuals: zero outside the window
    t0: float = eqx.field(static=True)
    t1: float = eqx.field(static=True)
    tau: tuple[float, ...] = eqx.field(static=True)
    width: float = eqx.field(static=True)  # of a bin, ms
    level: float = eqx.field(static=True)
    softness: float = eqx.field(static=True)
    method: FixedStep = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    baseline: Parameter = parameter(trainable=False)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        trials: Sequence[Any],
        t1: float,
        *,
        t0: float = 0.0,
        tau: float | Sequence[float] = (20.0, 10.0, 5.0),
        window: tuple[float, float] | None = None,
        level: float = -10.0,
        softness: float = 5.0,
        dt: float = 0.025,
        method: FixedStep | None = None,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
        baseline: float = 0.0,
    ):
        check_positive_numbers(softness=softness, dt=dt, weight=weight)
        if not len(trials):
            raise ValueError("trials is not allowed: must hold at least one, which may be without spikes")
        self.stimulus, self.t0, self.t1 = stimulus, float(t0), float(t1)
        self.tau = as_schedule("tau", tau, 0.0, True)
        self.level, self.softness, self.y0, self.weight = float(level), float(softness), y0, float(weight)
        self.method = FixedStep(dt) if method is None else method
        self.baseline = as_floating(baseline, "baseline")
        spikes = jnp.asarray(np.concatenate([padded_spikes(x, t0, t1) for x in trials]) - self.t0, dtype=float)
        steps = int(np.ceil((self.t1 - self.t0) / self.method.dt - 1e-6))
        ends, _, self.width = filtered_spikes(jnp.zeros(steps), (self.t1 - self.t0) / steps, jnp.asarray(self.tau[0]))

        def smoothed(factor):
            return jnp.stack([filtered_impulses(spikes, ends, jnp.asarray(factor * tau)) for tau in self.tau])

        self.target = smoothed(1.0) / len(trials)
        self.deviation = jnp.sqrt(smoothed(0.5) + _FLOOR) / len(trials)
        self.scale = jnp.asarray(window_mask(self.t0 + np.asarray(ends), window), dtype=float)

    def stages(self) -> int:
        return len(self.tau)

    def simulate(self, model: AbstractNeuron) -> FloatArray:
        """The model's voltage at every step, mV."""
        stimulus = with_baseline(self.stimulus, self.baseline)
        voltage = main_voltage(model)
        return simulate(
            model, stimulus, self.t1, t0=self.t0, method=self.method, y0=self.y0, record=voltage, max_spikes=0
        ).ys[voltage]

    def rate(self, model: AbstractNeuron) -> tuple[FloatArray, FloatArray]:
        """The model's smoothed rate, and that of the trials, with the last `tau`: Hz, shape (bins,) each."""
        signal, target, _, _ = self._signals(model, len(self.tau) - 1)
        return 1e3 * signal / self.tau[-1], 1e3 * target / self.tau[-1]

    def _signals(self, model: AbstractNeuron, stage: Any) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Smoothed counts of the model and per trial, the latter's standard deviation, and the share of bins that are independent."""
        if isinstance(model, AbstractSpikingNeuron) and model.resets:
            raise ValueError(
                f"PSTH is not allowed for {type(model).__name__}, which resets at its spikes: take a SpikeLikelihood per trial"
            )
        v, tau = self.simulate(model), jnp.asarray(self.tau)[stage]
        dt = (self.t1 - self.t0) / (v.shape[0] - 1)
        rises = jax.nn.relu(jnp.diff(jax.nn.sigmoid((v - self.level) / self.softness)))
        _, signal, _ = filtered_spikes(rises, dt, tau)
        return signal, self.target[stage], self.deviation[stage], self._independent(tau)

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        stage = jnp.clip(jnp.floor(jnp.asarray(fraction) * len(self.tau)), 0, len(self.tau) - 1).astype(int)
        signal, target, deviation, _ = self._signals(model, stage)
        return jnp.sqrt(self.weight / jnp.sum(self.scale)) * self.scale * (signal - target) / deviation

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """With the last `tau`."""
        signal, target, deviation, independent = self._signals(model, len(self.tau) - 1)
        return jnp.sqrt(independent) * self.scale * (signal - target) / deviation

    def share(self) -> FloatArray:
        return self.weight / (jnp.sum(self.scale) * self._independent(jnp.asarray(self.tau[-1])))

    def _independent(self, tau: FloatArray) -> FloatArray:
        """(1 - r) / (1 + r) with r = exp(-width / tau): how many independent numbers tell as much of a mean as one bin."""
        return jnp.tanh(self.width / (2 * tau))

    def measured(self, model: AbstractNeuron) -> FloatArray:
        return self.misfit(model)

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.simulate(model)
