"""Features of the voltage as the target."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, parameter
from ..._simulate import FixedStep, simulate
from ..._simulate.crossing import default_room, upward_crossings
from ..._stimulus import AbstractStimulus
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .baseline import with_baseline
from .checks import check_positive_numbers, finite_vector
from .episode import FEATURES, OF_SHAPE, Episode
from .voltages import main_voltage


class Features(AbstractObjective):
    """Mean square over features of (model - target) / noise.

    Each is a differentiable function of the run that stays finite, with a derivative that leads somewhere, when there is no spike:

    - `count`: spikes during the stimulus, soft: each rise of the voltage through `level` counts by how far it goes in a sigmoid of width `softness`.
    - `rate`: Hz; one over their mean interval, by exact spike times. With fewer than two, `count` over the duration of the stimulus.
    - `latency`: ms; the exact time of the first spike since the beginning of the stimulus. A silent run has the duration of the stimulus, times one plus how
        far its highest voltage is from a whole spike in units of 50 mV.
    - `ap_height`: mV; the peak of the first spike (parabola through three samples) above `rest`. Without a spike, of the highest voltage.
    - `ap_half_width`: ms; how long the first spike, or the highest hump, is above half of that height.
    - `ahp_depth`: mV; how far the voltage falls below `rest` between that peak and the next spike, or the end of the stimulus.
    - `sag`: mV; how far the voltage goes below `steady` during the stimulus, for a step that hyperpolarises.
    - `input_resistance`: (`steady` - `rest`) / change of the current: kohm cm2, or Gohm in absolute units.
    - `time_constant`: ms; area between the voltage and `steady` over `rest` - `steady`: exact for one exponential, weighted by amplitude for several.
    - `rest`: mV; the mean of the last 10 ms before the stimulus. `steady`: mV; that of the last tenth of the stimulus.

    The last four, and `sag`, are meant for steps without spikes. A silent run's `count` and `rate` have in addition its distance from a spike taken off while the
    target is more than zero, since a soft count is flat far from threshold. Models that reset have no `count`, `ap_height`, `ap_half_width` and `ahp_depth`, and
    need their threshold for `level`.

    **Arguments:**

    - `stimulus`: what was injected.
    - `targets`: values by name. `trace_features` measures those of a recording in the same way.
    - `t1`, `t0`: the run, ms.
    - `window`: when the stimulus is on, ms; begins after `t0`. All of the run but its first tenth by default.
    - `noise`: standard deviation of each by name, in its unit, or one number for all.
    - `level`, `softness`: mV.
    - `dt`: step, ms; or `method`, a `FixedStep`.
    - `y0`: None for the model's own initial state, or `"rest"`.
    - `baseline`: a constant current that flowed besides the stimulus, in the model's unit; may be fitted as a nuisance.

    **Raises:** `ValueError` for a feature that is not known or not a finite number, and for one of spike shape with a model that resets.
    """

    stimulus: AbstractStimulus
    targets: FloatArray
    noise: FloatArray
    names: tuple[str, ...] = eqx.field(static=True)
    t0: float = eqx.field(static=True)
    t1: float = eqx.field(static=True)
    window: tuple[float, float] = eqx.field(static=True)
    level: float = eqx.field(static=True)
    softness: float = eqx.field(static=True)
    method: FixedStep = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    baseline: Parameter = parameter(trainable=False)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        targets: Mapping[str, float],
        t1: float,
        *,
        t0: float = 0.0,
        window: tuple[float, float] | None = None,
        noise: Mapping[str, float] | float = 1.0,
        level: float = -10.0,
        softness: float = 5.0,
        dt: float = 0.025,
        method: FixedStep | None = None,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
        baseline: float = 0.0,
    ):
        check_positive_numbers(softness=softness, dt=dt, weight=weight)
        self.method = FixedStep(dt) if method is None else method
        self.names = _known(targets)
        self.stimulus, self.t0, self.t1 = stimulus, float(t0), float(t1)
        self.window = _checked_window(window, self.t0, self.t1, self.method.dt)
        self.level, self.softness, self.y0, self.weight = float(level), float(softness), y0, float(weight)
        self.targets = jnp.asarray(finite_vector("targets", list(targets.values()), 1), dtype=float)
        self.noise = jnp.asarray(_deviations(noise, self.names), dtype=float)
        self.baseline = as_floating(baseline, "baseline")
        if "input_resistance" in self.names and float(self._step()) == 0:
            raise ValueError("input_resistance is not allowed: the current at the end of window is the one before it")

    def stages(self) -> int:
        return 1

    def _around(self, v: FloatArray, spikes: FloatArray) -> Episode:
        (start, stop), dt = self.window, (self.t1 - self.t0) / (v.shape[0] - 1)
        return Episode(v, spikes, self._step(), self.t0, dt, start, stop, self.level, self.softness)

    def _step(self) -> FloatArray:
        empty = Episode(self.targets, self.targets, self.targets, self.t0, self.method.dt, *self.window, 0.0, 1.0)
        before, after = (self.stimulus.average(*span) for span in (empty.base(), empty.end()))
        return after - before

    def _run(self, model: AbstractNeuron) -> Episode:
        stimulus, spiking = with_baseline(self.stimulus, self.baseline), isinstance(model, AbstractSpikingNeuron)
        voltage = main_voltage(model)
        run = simulate(
            model,
            stimulus,
            self.t1,
            t0=self.t0,
            method=self.method,
            y0=self.y0,
            record=voltage,
            max_spikes=None if spiking else 0,
        )
        v = run.ys[voltage]
        return self._around(v, run.spikes.times if spiking else jnp.full((1,), jnp.inf, v.dtype))

    def features(self, model: AbstractNeuron) -> FloatArray:
        """The model's, in the order of the targets, shape (k,)."""
        return self._features(model)[0]

    def _features(self, model: AbstractNeuron) -> tuple[FloatArray, Episode]:
        resets = isinstance(model, AbstractSpikingNeuron) and model.resets
        shapes = [name for name in self.names if name in OF_SHAPE]
        if resets and shapes:
            raise ValueError(f"targets {shapes} are not allowed for {type(model).__name__}, which resets at its spikes")
        episode = self._run(model)
        return jnp.stack([FEATURES[name](episode) for name in self.names]), episode

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        found, episode = self._features(model)
        unit = {"count": 1.0, "rate": 1e3 / (episode.stop - episode.start)}
        pull = jnp.asarray([unit.get(name, 0.0) for name in self.names], found.dtype)
        short = jnp.where(self.targets > 0, pull * episode.shortfall(), 0.0)
        return (found - short - self.targets) / self.noise

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        del fraction
        return self.exact_residuals(model)

    def share(self) -> FloatArray:
        return self.weight / jnp.asarray(float(len(self.names)))

    def measured(self, model: AbstractNeuron) -> FloatArray:
        return self.features(model) / self.noise

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self._run(model).v


def trace_features(
    values: Any,
    dt: float,
    window: tuple[float, float],
    names: Iterable[str] | None = None,
    *,
    t0: float = 0.0,
    step: float | None = None,
    level: float = -10.0,
    softness: float = 5.0,
    detection: float = 0.0,
) -> dict[str, float]:
    """The features of a recorded voltage by the definitions of `Features`.

    **Arguments:**

    - `values`: mV, shape (n,), the first at `t0`; `dt`: their spacing, ms.
    - `window`: when the stimulus is on, ms.
    - `names`: which; all by default, `input_resistance` only if `step` is given.
    - `step`: by how much the current changed from before the stimulus to its end.
    - `detection`: a spike is an upward crossing of this voltage, mV.
    """
    v = jnp.asarray(finite_vector("values", values, 4), dtype=float)
    wanted = _known(FEATURES if names is None else names)
    if step is None:
        wanted = tuple(name for name in wanted if name != "input_resistance")
    t1 = t0 + dt * (v.size - 1)
    start, stop = _checked_window(window, t0, t1, dt)
    ts = t0 + dt * jnp.arange(v.size, dtype=v.dtype)
    spikes = upward_crossings(ts, v - detection, default_room(t1 - t0)).times
    change = jnp.asarray(jnp.nan if step is None else step, dtype=v.dtype)
    episode = Episode(v, spikes, change, t0, dt, start, stop, level, softness)
    return {name: float(FEATURES[name](episode)) for name in wanted}


def _known(names: Iterable[str]) -> tuple[str, ...]:
    names = tuple(names)
    for name in names:
        if name not in FEATURES:
            raise ValueError(f"feature {name!r} is not allowed: must be one of {', '.join(FEATURES)}")
    return names


def _checked_window(window: tuple[float, float] | None, t0: float, t1: float, dt: float) -> tuple[float, float]:
    start, stop = (t0 + 0.1 * (t1 - t0), t1) if window is None else (float(x) for x in window)
    if not t0 + dt <= start < stop <= t1 + 1e-9 * max(1.0, abs(t1)) or stop - start < 4 * dt:
        raise ValueError(
            f"window = ({start:g}, {stop:g}) ms is not allowed: must begin a step after t0 = {t0:g} ms, end by t1 = {t1:g} ms and hold four steps"
        )
    return start, min(stop, t1)


def _deviations(noise: Mapping[str, float] | float, names: tuple[str, ...]) -> np.ndarray:
    """The standard deviation of each feature."""
    if not isinstance(noise, Mapping):
        noise = dict.fromkeys(names, noise)
    if set(noise) != set(names):
        raise ValueError(f"noise of {sorted(noise)} is not allowed: must be given for {sorted(names)}")
    check_positive_numbers(**{f"noise[{name!r}]": value for name, value in noise.items()})
    return np.asarray([float(noise[name]) for name in names])
