"""A recorded voltage-clamp current as the target."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._clamped import Clamped
from ..._model import AbstractNeuron
from ..._parameter import as_floating, parameter
from ..._simulate import simulate
from ..._simulate.rest import rest_state
from ..._stimulus import AbstractStimulus
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .baseline import Baseline
from .checks import check_positive_numbers, finite_vector
from .electrode import Electrode, low_pass
from .series_clamp import SeriesClamp
from .voltage_trace import sample_weights


class CurrentTrace(AbstractObjective):
    """Mean squared difference between the current that clamps the model's voltage and a recorded one, in units of `noise` squared.

    *By an ideal clamp* the membrane is at the command, and the current is the ionic one that the model observes as `i_ionic`, outward positive, plus
    `capacitance * d command / dt`, `leak * v` (a seal that leaks to 0 mV) and `offset`, all three zero by default and nuisances of the sweep. A step of the
    command also charges the membrane at once: keep the samples behind it out by `blank`.

    *Through an electrode with a resistance* (`Electrode(resistance=10.0)`) the membrane follows the command with a delay and an error, and the current
    that charges it is part of what is compared. For models in absolute units.

    A sample on an edge of the command is the current just after it.

    **Arguments:**

    - `stimulus`: the command voltage, mV.
    - `values`: the recorded current, in the unit of the model's currents (uA/cm2, or pA in absolute units), shape (n,), the first at `t0`.
    - `dt`: their spacing, ms. The model is stepped with `dt / substeps`; gates are exact for a command that is constant within each step.
    - `holding`: the voltage before the run, at which all gates are relaxed, mV; by default that of the command at `t0`.
    - `window`: only samples from the first to the second of these times (ms) count; all by default. Or an array of shape (n,) of weights from 0
        to 1, one per sample.
    - `blank`: nor do samples up to so many ms after a jump of the command by more than 1 mV; 0 for those on the jump itself, None to keep all.
    - `noise`: standard deviation of the recording's noise, in the unit of the current.
    - `electrode`: series resistance, junction potential (the membrane is at the command minus it), and the filter of the recording.
    - `offset`, `leak`, `capacitance`: what flowed besides, in the model's units of current, conductance and capacitance.
    """

    stimulus: AbstractStimulus
    target: FloatArray
    scale: FloatArray  # of the residuals: zero where samples do not count
    command: FloatArray  # mV, at the samples
    slope: FloatArray  # of the command, mV/ms
    electrode: Electrode | None
    noise: FloatArray  # an array, as is the weight, so that sweeps that differ in it run as one batch
    weight: FloatArray
    dt: float = eqx.field(static=True)
    substeps: int = eqx.field(static=True)
    t0: float = eqx.field(static=True)
    series: bool = eqx.field(static=True)
    holding: Parameter = parameter(unit="mV", trainable=False, potential=True)
    offset: Parameter = parameter(trainable=False)
    leak: Parameter = parameter(lower=0.0, trainable=False)
    capacitance: Parameter = parameter(trainable=False)

    def __init__(
        self,
        stimulus: AbstractStimulus,
        values: Any,
        dt: float,
        *,
        t0: float = 0.0,
        holding: float | None = None,
        window: Any = None,
        blank: float | None = 0.0,
        substeps: int = 1,
        noise: float = 1.0,
        weight: float = 1.0,
        electrode: Electrode | None = None,
        offset: float = 0.0,
        leak: float = 0.0,
        capacitance: float = 0.0,
    ):
        target = finite_vector("values", values, 2)
        check_positive_numbers(dt=dt, noise=noise, weight=weight, substeps=substeps)
        times = float(t0) + float(dt) * np.arange(target.size)
        scale = sample_weights(target.size, float(t0), float(dt), window)
        if blank is not None:
            scale = scale * ~_is_blank(stimulus, times, float(dt), blank)
        if not scale.any():
            raise ValueError(f"window and blank = {blank!r} ms are not allowed: no sample is left")
        self.stimulus, self.dt, self.substeps, self.t0 = stimulus, float(dt), int(substeps), float(t0)
        self.target, self.scale = jnp.asarray(target, dtype=float), jnp.asarray(scale, dtype=float)
        self.command = jax.vmap(stimulus)(jnp.asarray(times, dtype=float))
        self.slope = _slope(stimulus, times, float(dt))
        self.noise, self.weight = jnp.asarray(noise, dtype=float), jnp.asarray(weight, dtype=float)
        self.electrode = electrode
        self.series = electrode is not None and float(electrode.resistance) > 0
        self.holding = as_floating(self.command[0] if holding is None else holding, "holding")
        self.offset, self.leak = as_floating(offset, "offset"), as_floating(leak, "leak")
        self.capacitance = as_floating(capacitance, "capacitance")

    def stages(self) -> int:
        return 1

    def simulate(self, model: AbstractNeuron) -> FloatArray:
        """The current at the recorded times, outward positive, shape (n,)."""
        junction = jnp.zeros_like(self.holding) if self.electrode is None else self.electrode.junction
        clamped, name, y0 = Clamped(model, self.holding - junction), "i_ionic", None
        if self.electrode is not None and self.series:
            if getattr(model, "units", "absolute") != "absolute":
                raise ValueError(
                    f"electrode with a resistance is not allowed for {type(model).__name__} in density units: Mohm need absolute ones"
                )
            clamped, name = SeriesClamp(model, self.electrode.resistance, self.holding - junction), "i_electrode"
            y0 = rest_state(clamped, self.holding - junction)
        current = simulate(
            clamped,
            self.stimulus + Baseline(-junction),
            self.t0 + self.dt * (self.target.size - 1),
            t0=self.t0,
            dt=self.dt / self.substeps,
            y0=y0,
            record=name,
            every=self.substeps,
            max_spikes=0,
        ).ys[name]
        current = current + self.offset + self.leak * self.command + self.capacitance * self.slope
        return current if self.electrode is None else low_pass(current, self.electrode.filter, self.dt)

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        del fraction
        return self.exact_residuals(model)

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        return self.scale / self.noise * (self.simulate(model) - self.target)

    def share(self) -> FloatArray:
        return self.weight / jnp.sum(self.scale**2)

    def measured(self, model: AbstractNeuron) -> FloatArray:
        return self.misfit(model)

    def response(self, model: AbstractNeuron) -> FloatArray:
        return self.simulate(model) * (self.scale > 0)


def _is_blank(stimulus: AbstractStimulus, times: np.ndarray, dt: float, blank: float) -> np.ndarray:
    """Which samples lie within `blank` ms behind a jump of the command."""
    if not 0 <= blank < np.inf:
        raise ValueError(f"blank = {blank!r} ms is not allowed: must be a finite number >= 0")
    edges = np.asarray(stimulus.edges(), dtype=float)
    edges = edges[(edges > times[0] - blank - dt) & (edges <= times[-1] + dt / 2)]
    if not edges.size:
        return np.zeros(times.size, bool)
    sides = np.asarray([[-dt / 4], [dt / 4]])
    before, after = np.asarray(jax.vmap(jax.vmap(stimulus))(jnp.asarray(edges + sides, dtype=float)))
    edges = edges[(np.abs(after - before) > 1.0) & (edges > times[0])]  # the first sample is where the run begins
    since, hair = times[:, None] - edges[None, :], 1e-3 * dt
    # Of an edge between two samples, the nearer has half of its charge at least.
    return np.any((since >= -dt / 2 - hair) & (since <= max(blank, dt / 2) + hair), axis=1)


def _slope(stimulus: AbstractStimulus, times: np.ndarray, dt: float) -> FloatArray:
    """How fast the command moves around each sample, without what lies outside the run."""
    ends = np.clip(np.concatenate([times - dt / 2, [times[-1] + dt / 2]]), times[0], times[-1])
    values = jax.vmap(stimulus)(jnp.asarray(ends, dtype=float))
    return jnp.diff(values) / jnp.asarray(np.diff(ends), dtype=float)
