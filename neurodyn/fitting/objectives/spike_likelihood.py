"""The likelihood of a spike train under a neuron that fires at random near its threshold."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, parameter
from ..._simulate import FixedStep, rest_state, simulate
from ..._stimulus import AbstractStimulus
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .baseline import Baseline
from .checks import as_schedule, check_positive_numbers, padded_spikes, stage
from .coupling import Paired
from .matching import count_spikes
from .replay import Impulses, Replayed


class SpikeLikelihood(AbstractObjective):
    """Minus twice the log likelihood of spike times under an escape-rate neuron, as the sum of squares of its deviance residuals.

    The model (one that resets and whose voltage stays finite above threshold, such as `LIF`, `AdaptiveLIF` or `GLIF`) is reset when the data has a
    spike. It fires at random with the hazard `rate exp(margin / width)`, where `margin` is how far it is above threshold; none while it is
    refractory. The likelihood has no local traps of the kind that missing and extra spikes make, and is concave for many models.

    Sources: Gerstner and Kistler (2002), Spiking Neuron Models, section 5.3; Paninski (2004), Network 15:243; Mensi et al. (2012), J. Neurophysiol.
    107:1756. Deviance residuals: McCullagh and Nelder (1989), Generalized Linear Models, section 2.4.3, Poisson.

    **Arguments:**

    - `stimulus`: what was injected.
    - `times`: spike times, ms; infinite ones are padding. None at all is a datum too.
    - `t1`, `t0`: the run, ms.
    - `width`: of the hazard around the threshold, in the unit of the voltage; one per stage of the fit.
    - `rate`: hazard at the threshold, 1/ms. May be fitted as a nuisance.
    - `dt` or `method`, `y0`, `baseline`: as for `SpikeTrain`.

    **Raises:** `ValueError`, when it is evaluated, for a model that does not reset.
    """

    stimulus: AbstractStimulus
    width: tuple[float, ...] = eqx.field(static=True)
    t0: float = eqx.field(static=True)
    t1: float = eqx.field(static=True)
    method: FixedStep = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
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
        dt: float = 0.025,
        method: FixedStep | None = None,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
        baseline: float = 0.0,
    ):
        check_positive_numbers(dt=dt, weight=weight, rate=rate)
        self.stimulus, self.t0, self.t1 = stimulus, float(t0), float(t1)
        self.times = jnp.asarray(padded_spikes(times, t0, t1), dtype=float)
        self.width = as_schedule("width", width, 0.0, True)
        self.rate = as_floating(rate, "rate")
        self.method = FixedStep(dt) if method is None else method
        self.y0, self.weight = y0, float(weight)
        self.baseline = as_floating(baseline, "baseline")

    def stages(self) -> int:
        return len(self.width)

    def log_intensity(self, model: AbstractNeuron, width: RealScalar) -> tuple[FloatArray, FloatArray]:
        """Logarithm of the expected number of spikes in each step, and whether the data has one there; both of shape (steps,)."""
        if not (isinstance(model, AbstractSpikingNeuron) and model.resets):
            raise ValueError(
                f"model = {type(model).__name__} is not allowed: SpikeLikelihood needs one that resets; use SpikeTrain"
            )
        replayed, impulses = Replayed(model), Impulses(self.times)
        start = None
        if self.y0 is not None:
            start = {**replayed.init(), "model": rest_state(model)}
        run = simulate(
            replayed,
            Paired(self.stimulus + Baseline(self.baseline), impulses),
            self.t1,
            t0=self.t0,
            method=self.method,
            y0=start,
            record=["margin", "ready"],
            max_spikes=0,
        )
        steps = run.ts.shape[0] - 1
        dt = (self.t1 - self.t0) / steps
        index = jnp.floor((self.times - self.t0) / dt)
        index = jnp.where(jnp.isfinite(index), index, steps).astype(int)
        spiked = jnp.zeros(steps).at[jnp.minimum(index, steps)].max(1.0, mode="drop")
        # A data spike in the refractory period is impossible to the model and says nothing about its parameters: it is left out.
        ready = run.ys["ready"][:-1] > 0
        log = jnp.log(self.rate * dt) + run.ys["margin"][:-1] / width
        return jnp.where(ready, jnp.minimum(log, _CEILING), -jnp.inf), spiked * ready

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


_CEILING = 20.0  # of a logarithm of an intensity: beyond it a spike is as good as certain in any step
_FAR = 200.0


def _spike_residual(log: FloatArray) -> FloatArray:
    """The deviance residual of one spike where `exp(log)` were expected: `2 (exp(u) - 1 - u)` is its square; a series around u = 0."""
    near = jnp.abs(log) < 0.1
    small, far = jnp.where(near, log, 0.0), jnp.where(near, 1.0, log)
    series = small * jnp.sqrt(1 + small / 3 + small**2 / 12 + small**3 / 60)
    exact = jnp.sign(far) * jnp.sqrt(2 * (jnp.exp(far) - 1 - far))
    return jnp.where(near, series, exact)
