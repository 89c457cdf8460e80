"""From the steps of a recording to what a fit minimises."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from .._simulate import FixedStep, GridReset
from ..fitting import Electrode, StepResponse
from ..io import DataError, Passive, ProtocolStep, Recording
from .template import Template


LEAD = 7.0  # ms; a run starts so long before the step
GRID = 0.2  # ms; spacing of the voltage that is compared
_ALONE = 100.0  # ms without a step before one that is fitted, in which the cell comes to rest
_BASE = 100.0  # ms before a step, of which the voltage is the cell's rest in this sweep
_SPIKE = 0.0  # mV, through which a spike rises
_NOISE = 1.0  # mV; by how much a sweep below threshold differs from the next


def step_responses(
    recording: Recording, steps: Sequence[ProtocolStep], template: Template, passive: Passive
) -> tuple[StepResponse, ...]:
    """An objective for each of the steps that come from rest.

    Repeats of a hyperpolarising step, such as a test pulse in every sweep, are averaged over the sweeps that are silent from 100 ms before it to its end. Each
    sweep has a holding current of its own, as large as it takes to move the rest of the model from that of all sweeps to its own. Steps of equal length form one
    batch.

    **Arguments:** `recording`, a current clamp in pA; `steps`, some of `recording.steps()`; `template`, for its kind of model; `passive`, of the recording.

    **Raises:** `DataError` when none of the steps comes from rest.
    """
    every = recording.steps()
    alone = [s for s in steps if _is_alone(recording, every, s)]
    if not alone:
        raise DataError(
            f"{recording.name}: no step to fit comes from {_ALONE:g} ms or more at the holding level, must be one at least"
        )
    lead = min(LEAD, *(s.start - recording.start for s in alone))
    cut = [_lane(recording, every, repeats, lead) for repeats in _with_repeats(recording, alone)]
    room = 8 * -(-(max(lane["spikes"].size for lane in cut) + 4) // 8)
    found = []
    for lane in cut:
        length = max(len(x["values"]) for x in cut if x["stop"] == lane["stop"])
        values = np.append(lane["values"], np.full(length - len(lane["values"]), np.nan))
        held = 1e3 * (lane["rest"] - passive.rest) / passive.membrane_resistance
        found.append(
            StepResponse(
                lane["amplitude"],
                values,
                GRID,
                t0=-lead,
                start=0.0,
                stop=lane["stop"],
                spikes=lane["spikes"],
                noise=lane["noise"],
                baseline=held,
                room=room,
                method=fine(template.model),
                coarse=coarse(template.model),
                electrode=electrode(passive),
            )
        )
    return tuple(found)


def electrode(passive: Passive) -> Electrode:
    """What the recording left uncorrected."""
    return Electrode(resistance=max(passive.series_resistance, 0.0))


def coarse(model: Any) -> FixedStep:
    """For the search: as coarse as the spikes bear."""
    return FixedStep(GRID, reset=GridReset()) if model.resets else FixedStep(0.1)


def fine(model: Any) -> FixedStep:
    """For the last phase, which a model that resets does without."""
    return coarse(model) if model.resets else FixedStep(0.05)


def rises(times: np.ndarray, v: np.ndarray) -> np.ndarray:
    """When a voltage, mV, rises through 0 mV, by linear interpolation."""
    (k,) = np.nonzero((v[:-1] < _SPIKE) & (v[1:] >= _SPIKE))
    return times[k] + (times[k + 1] - times[k]) * (_SPIKE - v[k]) / (v[k + 1] - v[k])


def part(recording: Recording, sweep: int, start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and voltages of a sweep from `start` to before `stop`, ms."""
    assert recording.response is not None
    first, last = (max(0, round((t - recording.start) / recording.dt)) for t in (start, stop))
    return recording.times[first:last], recording.response[sweep, first:last]


def _is_alone(recording: Recording, every: Sequence[ProtocolStep], step: ProtocolStep) -> bool:
    before = [s.stop for s in every if s.sweep == step.sweep and s.start < step.start]
    return step.start - max(before, default=-np.inf) >= _ALONE and step.stop < recording.stop


def _with_repeats(recording: Recording, steps: Sequence[ProtocolStep]) -> list[list[ProtocolStep]]:
    """The steps one by one, but repeats of a hyperpolarising one together."""
    order = sorted(steps, key=lambda s: (s.start, s.stop, s.amplitude, s.sweep))
    found = []
    for _, window in groupby(order, key=lambda s: (s.start, s.stop)):
        left = list(window)
        while left:
            alike = [s for s in left if s.is_like(left[0])]
            left = left[len(alike) :]
            quiet = [s for s in alike if not rises(*part(recording, s.sweep, s.start - _BASE, s.stop)).size]
            together = alike[0].amplitude < 0 and len(quiet) > 1
            found += [quiet] if together else [[s] for s in alike]
    return found


def _lane(
    recording: Recording, every: Sequence[ProtocolStep], repeats: Sequence[ProtocolStep], lead: float
) -> dict[str, Any]:
    """The average of the repeats, in time from the start of the step."""
    step = repeats[0]
    sweeps = [s.sweep for s in repeats]
    later = [s.start for s in every if s.sweep in sweeps and s.start >= step.stop]
    end = min(step.stop + step.duration, recording.stop, *later)
    before = max([s.stop for s in every if s.sweep in sweeps and s.start < step.start], default=recording.start)
    times, _ = part(recording, step.sweep, step.start - lead - recording.dt, end)
    v = np.mean([part(recording, sweep, step.start - lead - recording.dt, end)[1] for sweep in sweeps], axis=0)
    base = max(step.start - _BASE, (before + step.start) / 2)
    rest = np.mean([part(recording, sweep, base, step.start)[1].mean() for sweep in sweeps])
    spikes = rises(*part(recording, step.sweep, step.start, step.stop)) - step.start
    grid = np.arange(0, int((end - step.start + lead - recording.dt) / GRID) + 1) * GRID - lead
    return {
        "amplitude": float(np.mean([s.amplitude for s in repeats])),
        "values": np.interp(grid, times - step.start, v),
        "stop": step.duration,
        "spikes": spikes,
        "noise": _NOISE / np.sqrt(len(repeats)),
        "rest": float(rest),
    }
