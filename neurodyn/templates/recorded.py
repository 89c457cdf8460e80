"""A template fitted to a recording: the whole way in one call."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from .._simulate import FixedStep, simulate
from .._stimulus import Samples
from ..fitting import FitResult, Progress, StepResponse, fit, tie
from ..fitting.objectives.baseline import Baseline
from ..fitting.objectives.step_response import held_rest
from ..io import DataError, Passive, ProtocolStep, Recording
from .responses import GRID, LEAD, electrode, part, rises, step_responses
from .scores import StepScores
from .template import Template


_METHOD = FixedStep(0.05)  # of the runs that are scored and drawn
_TAIL = 100.0  # ms
_EVERY = 2  # steps between their samples
_TOP = 20.0  # mV, up to which the spikes of a model that resets are drawn


@dataclasses.dataclass(frozen=True)
class RecordingFit:
    """A template fitted to a recording.

    **Fields:**

    - `recording`, `passive`: what it was fitted to, and its passive properties.
    - `template`: at the size of the cell, as the fit began.
    - `fit`: the `FitResult`.
    - `trained`, `held_out`: the steps that were fitted and those that were not.
    """

    recording: Recording
    passive: Passive
    template: Template
    fit: FitResult
    trained: tuple[ProtocolStep, ...]
    held_out: tuple[ProtocolStep, ...]

    @property
    def model(self) -> Any:
        """The fitted cell, in pA, nS, pF, mV and ms."""
        return self.fit.model

    @cached_property
    def differentiable(self) -> FitResult:
        """The fit with spike times that have derivatives, for `fitting.curvature` and `fitting.gradient_health`: a model that resets is fitted with resets at the ends
        of steps, and looked at here with exact ones."""
        if not self.model.resets:
            return self.fit
        objectives = tuple(o.through(FixedStep(GRID)) for o in self.fit.objectives if isinstance(o, StepResponse))
        task = dataclasses.replace(self.fit.task, objectives=objectives)
        return dataclasses.replace(self.fit, objectives=objectives, task=task)

    @property
    def at_bounds(self) -> tuple[str, ...]:
        """The parameters that lie at one of their bounds."""
        return tuple(p.path for p in self.fit.parameters if p.at_bound)

    @cached_property
    def training(self) -> StepScores:
        """The scores on the steps that were fitted; without test pulses, which are the same in all sweeps."""
        levels = {(s.start, s.stop): {x.amplitude for x in self.trained if x.start == s.start} for s in self.trained}
        return self.score([s for s in self.trained if len(levels[s.start, s.stop]) > 1] or self.trained)

    def score(self, steps: Sequence[ProtocolStep]) -> StepScores:
        """The spikes of data and model in some steps of the recording, such as `held_out`. Each sweep is simulated from before its first step to a little
        after the last of these, and no step that follows."""
        data, model = [], []
        ends = {s.sweep: max(x.stop for x in steps if x.sweep == s.sweep) for s in steps}
        runs = {sweep: self.simulate(sweep, self.tail(sweep, stop)) for sweep, stop in ends.items()}
        for s in steps:
            data.append(rises(*part(self.recording, s.sweep, s.start, s.stop)) - s.start)
            spikes = runs[s.sweep][2]
            model.append(spikes[(spikes >= s.start) & (spikes < s.stop)] - s.start)
        return StepScores(tuple(steps), tuple(data), tuple(model))

    def tail(self, sweep: int, stop: float) -> float:
        """Up to 100 ms after `stop`, ms, but not into another step of the sweep."""
        later = [s.start for s in self.recording.steps() if s.sweep == sweep and s.start >= stop]
        return min(stop + _TAIL, self.recording.stop, *later)

    def spread(self, count: int) -> list[int]:
        """Some sweeps with steps that were fitted or held out, from the weakest to the strongest current."""
        steps = (*self.trained, *self.held_out)
        order = sorted(
            {s.sweep for s in steps}, key=lambda sweep: (max(s.amplitude for s in steps if s.sweep == sweep), sweep)
        )
        return [order[i] for i in sorted({round(x) for x in np.linspace(0, len(order) - 1, count)})]

    def drawn(self, sweep: int) -> tuple[np.ndarray, np.ndarray]:
        """Times, ms, and the model's voltage, mV, to be drawn over a sweep: up to a little after its last step; with the spikes of a model that resets."""
        last = max(s.stop for s in (*self.trained, *self.held_out) if s.sweep == sweep)
        times, v, spikes = self.simulate(sweep, self.tail(sweep, last))
        if self.model.resets:
            v = np.array(v)
            v[np.clip(np.searchsorted(times, spikes), 0, times.size - 1)] = _TOP
        return times, v

    def simulate(self, sweep: int, stop: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The model under the command of a sweep, from rest shortly before its first step, with what held the cell in this sweep.

        **Returns:** times, ms, and the voltage as the electrode shows it, mV, both of shape (n,), and the times of the spikes, ms, shape (k,).
        """
        recording = self.recording
        assert recording.command is not None
        command = recording.command[sweep]
        first = round((_begin(recording) - recording.start) / recording.dt)
        last = min(round((stop - recording.start) / recording.dt), recording.samples - 1)
        current = command[first : last + 1] - np.median(command[: max(first, 1)])
        held = 1e3 * (self.passive.rests[sweep] - self.passive.rest) / self.passive.membrane_resistance
        begin = recording.start + recording.dt * first
        return _run(self.model, current, held, recording.dt, begin, self.passive)

    def measured_passive(self) -> Passive:
        """The passive properties of the model, from the same step and by the same definitions as those of the recording."""
        step, dt = self.passive.steps[0], 0.1
        base, duration = 100.0, step.duration
        times = dt * np.arange(round((base + duration + 50.0) / dt) + 1)
        command = np.where((times >= base) & (times < base + duration), step.amplitude, 0.0)
        ts, v, _ = _run(self.model, command, 0.0, dt, 0.0, self.passive)
        v = np.interp(times, ts, v)
        return Recording("model", dt, command[None], "pA", v[None]).passive()


def fit_recording(
    recording: Recording,
    template: Template,
    *,
    key: PRNGKeyArray,
    train: Sequence[ProtocolStep] | None = None,
    hold_out: Sequence[ProtocolStep] | None = None,
    candidates: int = 1024,
    generations: int = 400,
    population: int = 64,
    polish: int | None = None,
    polish_starts: int = 1,
    attempts: int = 2,
    box_prior: float = 1.5,
    callback: Callable[[Progress], bool | None] | None = None,
    progress: bool = False,
    directory: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 10,
    resume: bool = False,
) -> RecordingFit:
    """A template fitted to the steps of a current-clamp recording, from its passive properties on, in a few minutes on a processor.

    The template is brought to the measured size (`Template.scaled`); each step that comes from rest becomes a `fitting.StepResponse`; then `fit` looks at
    many candidates, goes on from the best by CMA-ES, and polishes a model that does not reset by least squares. Run it in float32 with
    `configure_cpu(devices=2)`.

    **Arguments:**

    - `recording`: a current clamp in pA with a hyperpolarising step and some that make the cell fire.
    - `template`: `regular_spiking()`, `fast_spiking()`, `adaptive_threshold()` or one of yours.
    - `key`: for all random choices.
    - `train`, `hold_out`: some of `recording.steps()`; by default the steps of the protocol's last time are held out and all others are trained; of a protocol
      with one time all are trained.
    - `candidates`, `generations`, `population`: of the search; `generations` and `population` of CMA-ES.
    - `polish`, `polish_starts`: steps of least squares, by default 60, and none for a model that resets, whose spikes of the search are on a grid; and from
      how many ends.
    - `attempts`: searches, the best of which is the result: one may end in a valley that is not the deepest.
    - `box_prior`: see `fit`; keeps off their bounds the parameters that the steps leave open.
    - `callback`, `progress`, `directory`, `checkpoint_every`, `resume`: see `fit`.

    **Raises:** `DataError` for a recording without what is needed; `ValueError` for other arguments that are not allowed.
    """
    recording = recording.require("current")
    passive = recording.passive()
    trained, held_out = part_steps(recording, train, hold_out)
    if not np.isfinite(passive.capacitance):
        raise DataError(f"{recording.name}: the membrane charges like no exponential, so its capacitance is unknown")
    cell = template.scaled(
        capacitance=passive.capacitance, input_resistance=passive.membrane_resistance, rest=passive.rest
    )
    objectives = step_responses(recording, trained, cell, passive)
    result = fit(
        cell.model,
        objectives,
        trainable=list(cell.trainable),
        bounds=cell.bounds,
        ties=[tie(name, others) for name, others in cell.ties.items()],
        key=key,
        candidates=candidates,
        evolution=generations,
        starts=population,
        steps=0,
        polish=(0 if cell.model.resets else 60) if polish is None else polish,
        polish_starts=polish_starts,
        attempts=attempts,
        box_prior=box_prior,
        check_rank=False,  # the prior decides what the steps leave open
        callback=callback,
        progress=progress,
        directory=directory,
        checkpoint_every=checkpoint_every,
        resume=resume,
    )
    return RecordingFit(recording, passive, cell, result, trained, held_out)


def part_steps(
    recording: Recording,
    train: Sequence[ProtocolStep] | None = None,
    hold_out: Sequence[ProtocolStep] | None = None,
) -> tuple[tuple[ProtocolStep, ...], tuple[ProtocolStep, ...]]:
    """Which steps are trained and which are held out; see `fit_recording`.

    **Raises:** `DataError` where there is none to train; `ValueError` for a step that is in both.
    """
    every = recording.steps()
    windows = sorted({(s.start, s.stop) for s in every})
    if hold_out is None:
        chosen = set(train or ())
        hold_out = [s for s in every if len(windows) > 1 and (s.start, s.stop) == windows[-1] and s not in chosen]
    if train is None:
        train = [s for s in every if s not in set(hold_out)]
    if both := sorted({(s.sweep, s.start) for s in train} & {(s.sweep, s.start) for s in hold_out}):
        sweep, start = both[0]
        raise ValueError(f"hold_out: the step at {start:g} ms of sweep {sweep} is not allowed: it is in train too")
    if not train:
        raise DataError(f"{recording.name}: has no step to fit, must have one at least")
    return tuple(train), tuple(hold_out)


def _begin(recording: Recording) -> float:
    """When a run of a whole sweep begins, ms: before the first step of all sweeps."""
    return max(recording.start, min(s.start for s in recording.steps()) - LEAD)


def _run(model: Any, current: np.ndarray, held: float, dt: float, begin: float, passive: Passive):
    """The model under a sampled current, pA: times, voltages as the electrode shows them, and spikes."""
    samples = Samples(jnp.asarray(current, float), dt, jnp.asarray(begin, float))
    end = begin + dt * (current.size - 1)
    ts, v, spikes = (np.asarray(x, float) for x in _simulated(model, samples, jnp.asarray(held, float), begin, end))
    index = np.clip(np.round((ts - begin) / dt).astype(int), 0, current.size - 1)
    shown = np.asarray(electrode(passive).record(jnp.asarray(v), jnp.asarray(current[index]), dt), float)
    return ts, shown, spikes[np.isfinite(spikes)]


@eqx.filter_jit
def _simulated(model: Any, samples: Samples, held: jax.Array, begin: float, end: float):
    y0 = held_rest(model, held)
    run = simulate(model, samples + Baseline(held), end, t0=begin, method=_METHOD, y0=y0, every=_EVERY)
    return run.ts, run.v, run.spikes.times
