"""The likelihood of a spike train under a neuron that fires at random near its threshold."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, parameter
from ..._simulate import FixedStep, rest_state, simulate
from ..._stimulus import AbstractStimulus
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .baseline import with_baseline
from .checks import as_schedule, check_positive_numbers, padded_spikes, stage, window_mask
from .matching import count_spikes
from .replay import EARLY, Replayed, ReplayReset


class SpikeLikelihood(AbstractObjective):
    """Minus twice the log likelihood of spike times under an escape-rate neuron, as the sum of squares of its deviance residuals.

    The model (one that resets and whose voltage stays finite above threshold, such as `LIF`, `AdaptiveLIF` or `GLIF`) is reset when the data has a
    spike. It fires at random with the hazard `rate exp(margin / width)`, where `margin` is how far it is above threshold; none while it is
    refractory. The likelihood has no local traps of the kind that missing and extra spikes make, and is concave for many models.

    A spike of the data in the model's refractory period ends that, and costs as much as one from a stray source of 0.05 Hz, whatever the parameters.

    Sources: Gerstner and Kistler (2002), Spiking Neuron Models, section 5.3; Paninski (2004), Network 15:243; Mensi et al. (2012), J. Neurophysiol.
    107:1756. Deviance residuals: McCullagh and Nelder (1989), Generalized Linear Models, section 2.4.3, Poisson.

    **Arguments:**

    - `stimulus`: what was injected.
    - `times`: spike times, ms; infinite ones are padding. None at all is a datum too.
    - `t1`, `t0`: the run, ms.
    - `width`: of the hazard around the threshold, in the unit of the voltage; one per stage of the fit.
    - `rate`: hazard at the threshold, 1/ms. May be fitted as a nuisance.
    - `window`: only steps from the first to the second of these times (ms) count, with the spikes in them; all by default. What comes before is for
        the model to get going.
    - `dt` or `method`, `y0`, `baseline`: as for `SpikeTrain`.

    **Raises:** `ValueError` for two spikes less than a step apart; when it is evaluated, for a model that does not reset.
    """

    noise_model: ClassVar[str | None] = "spikes at random with the model's own hazard, without a scale of noise"
    stimulus: AbstractStimulus
    width: tuple[float, ...] = eqx.field(static=True)
    t0: float = eqx.field(static=True)
    t1: float = eqx.field(static=True)
    method: FixedStep = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    window: tuple[float, float] | None = eqx.field(static=True)
    rate: Parameter = parameter(unit="1/ms", lower=0.0, exclusive=True, trainable=False)
    times: Parameter = parameter(unit="ms", infinite=True, trainable=False)
    baseline: Parameter = parameter(trainable=False)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        times: Any,
        t1: float,
        *,
        t0: float = 0.0,
        width: float | Sequence[float] = (4.0, 2.0, 1.0),
        rate: float = 0.1,
        window: tuple[float, float] | None = None,
        dt: float = 0.025,
        method: FixedStep | None = None,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
        baseline: float = 0.0,
    ):
        check_positive_numbers(dt=dt, weight=weight, rate=rate)
        self.stimulus, self.t0, self.t1 = stimulus, float(t0), float(t1)
        spikes = padded_spikes(times, t0, t1)
        self.times = jnp.asarray(spikes, dtype=float)
        self.width = as_schedule("width", width, 0.0, True)
        self.rate = as_floating(rate, "rate")
        self.method = FixedStep(dt) if method is None else method
        self.y0, self.weight, self.window = y0, float(weight), window
        _check_apart(spikes, self.method.dt)
        self.baseline = as_floating(baseline, "baseline")

    def stages(self) -> int:
        return len(self.width)

    def log_intensity(self, model: AbstractNeuron, width: RealScalar) -> tuple[FloatArray, FloatArray]:
        """Logarithm of the expected number of spikes in each step, and whether the data has one there; both of shape (steps,).

        The hazard of a step is that of the margin half-way between its ends. In a step with a spike it is that at the very time of the spike, and counts
        for half the step; what there is more or less before the spike counts to the step before, and what there is after it to the step behind.
        """
        if not (isinstance(model, AbstractSpikingNeuron) and model.resets):
            raise ValueError(
                f"model = {type(model).__name__} is not allowed: SpikeLikelihood needs one that resets; use SpikeTrain"
            )
        duration = self.t1 - self.t0
        replayed = Replayed(model, jnp.where(jnp.isfinite(self.times), self.times - self.t0, 2 * duration + 1.0))
        run = simulate(
            replayed,
            with_baseline(self.stimulus, self.baseline),
            self.t1,
            t0=self.t0,
            method=dataclasses.replace(self.method, reset=ReplayReset()),
            y0=None if self.y0 is None else replayed.begin(rest_state(model)),
            record=["margin", "ready", "count", "met", "open"],
            max_spikes=0,
        )
        steps = run.ts.shape[0] - 1
        dt = duration / steps
        count, ready, met, opened = run.ys["count"], run.ys["ready"] > 0, run.ys["met"][1:], run.ys["open"]
        spiked = count[1:] > count[:-1]
        margin = jnp.where(ready, run.ys["margin"], 0.0)  # what a refractory model calls so is something else
        middle = (margin[1:] + margin[:-1]) / jnp.maximum(ready[1:] + 1.0 * ready[:-1], 1.0)
        share = self._shares(run.ts[:-1], dt, count[1:].astype(int) - 1, spiked, ready, opened)
        inside = share > 0
        log = jnp.log(self.rate * dt * jnp.where(inside, share, 1.0)) + jnp.where(spiked, met, middle) / width
        log = jnp.where(spiked & (met == EARLY), jnp.log(dt / 2) + _STRAY, jnp.minimum(log, _CEILING))
        counts = window_mask(self.t0 + dt * (np.arange(steps) + 0.5), self.window)
        return jnp.where(inside & counts, log, -jnp.inf), jnp.asarray(spiked & counts, log.dtype)

    def _shares(self, begins, dt, last, spiked, ready, opened) -> FloatArray:
        """For how much of a step its hazard counts. `last`: the place of the last spike at the end of the step."""
        whole = jnp.where(ready[1:] & ready[:-1], 1.0, (opened[1:] - opened[:-1]) / dt)
        since = (self.times[jnp.maximum(last, 0)] - begins) / dt
        before = jnp.where(spiked, jnp.clip(jnp.where(spiked, since, 0.0), 0.0, 1.0) - 0.5, 0.0)
        behind = jnp.where(spiked, opened[1:] / dt, 0.0)
        silent = whole + jnp.append(before[1:], 0.0) + jnp.append(jnp.zeros_like(behind[:1]), behind[:-1])
        return jnp.where(spiked, 0.5, jnp.where(whole > 0, jnp.maximum(silent, 0.0), 0.0))

    def log_likelihood(self, model: AbstractNeuron) -> FloatArray:
        """Of the spike times (ms) with the last `width`, a scalar: the sum of the logarithms of the hazard at the spikes, less its integral."""
        log, spiked = self.log_intensity(model, self.width[-1])
        dt = (self.t1 - self.t0) / log.shape[0]
        return jnp.sum(jnp.where(spiked > 0, log - jnp.log(dt / 2), 0.0)) - jnp.sum(jnp.exp(log))

    def _deviances(self, model: AbstractNeuron, width: RealScalar) -> FloatArray:
        log, spiked = self.log_intensity(model, width)
        silent = jnp.sqrt(2.0) * jnp.exp(0.5 * jnp.where(jnp.isfinite(log), log, -_FAR))
        return jnp.where(spiked > 0, _spike_residual(jnp.where(spiked > 0, log, 0.0)), silent)

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        return jnp.sqrt(self.share()) * self._deviances(model, stage(self.width, fraction))

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        return self._deviances(model, self.width[-1])

    def share(self) -> FloatArray:
        return self.weight / count_spikes(self.times)

    def measured(self, model: AbstractNeuron) -> FloatArray:
        """Twice the square root of the expected number of spikes in each step: a count whose noise is one."""
        log, _ = self.log_intensity(model, self.width[-1])
        return 2.0 * jnp.exp(0.5 * jnp.where(jnp.isfinite(log), log, -_FAR))

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.measured(model)


def _check_apart(spikes: np.ndarray, dt: float) -> None:
    """**Raises:** `ValueError` for two spikes less than a step apart."""
    near = np.flatnonzero(np.diff(spikes[np.isfinite(spikes)]) < (1 - 1e-6) * dt)
    if near.size:
        first, second = spikes[near[0]], spikes[near[0] + 1]
        raise ValueError(
            f"times = {first:g} and {second:g} ms are not allowed: must be at least a step of {dt:g} ms apart; lower dt"
        )


_CEILING = 20.0  # of a logarithm of an intensity: beyond it a spike is as good as certain in any step
_FAR = 200.0
_STRAY = (
    -10.0
)  # logarithm of the hazard, 1/ms, of a spike that is impossible to the model: some other source has one in 20 s


def _spike_residual(log: FloatArray) -> FloatArray:
    """The deviance residual of one spike where `exp(log)` were expected: `2 (exp(u) - 1 - u)` is its square; a series around u = 0."""
    near = jnp.abs(log) < 0.1
    small, far = jnp.where(near, log, 0.0), jnp.where(near, 1.0, log)
    series = small * jnp.sqrt(1 + small / 3 + small**2 / 12 + small**3 / 60)
    exact = jnp.sign(far) * jnp.sqrt(2 * (jnp.exp(far) - 1 - far))
    return jnp.where(near, series, exact)
