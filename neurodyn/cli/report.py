"""What a fit came to, in numbers."""

import math
from typing import Any

import numpy as np

from ..analysis import coincidence_factor
from ..fitting import FitResult
from .analysis import Analysis
from .config import Loaded
from .experiment import Plan, Sweep, Times
from .info import devices, versions
from .measure import Passive, crossings, fit_passive, onset, rms


def make_report(
    loaded: Loaded,
    plan: Plan,
    result: FitResult,
    traces: list[np.ndarray],
    passive: Passive | None,
    warned: list[str],
    found: Analysis,
) -> dict[str, Any]:
    """The report: strict JSON, with null for what is not finite."""
    fit = loaded.content.fit
    level = float(result.model.detection)
    report = {
        "format": "neurodyn fit report",
        "version": 1,
        "versions": versions(),
        "devices": devices(),
        "precision": fit.precision,
        "seed": fit.seed,
        "config": {"name": loaded.path.name, "sha256": loaded.sha256},
        "inputs": {name: {"sha256": digest} for name, digest in plan.inputs.items()},
        "notes": [*plan.notes, *warned],
        "loss": result.loss,
        "reason": result.reason,
        "steps": len(result.history.fraction),
        "starts": len(result.losses),
        "skipped_updates": result.skipped,
        "seconds": round(result.seconds, 1),
        "rank": _rank(result),
        "parameters": parameter_table(result),
        **found.report,
        "passive": None
        if passive is None
        else {
            "tau_ms": passive.tau,
            "rest_mV": passive.rest,
            f"resistance_{'Mohm' if loaded.content.model.units == 'absolute' else 'mV_cm2_per_uA'}": passive.resistance
            * (1e3 if loaded.content.model.units == "absolute" else 1.0),
        },
        "fitted": _part(plan, traces, passive, level, "score"),
        "holdout": _part(plan, traces, passive, level, "holdout"),
    }
    return finite(report)


def parameter_table(result: FitResult) -> dict[str, Any]:
    """The trained parameters by path."""
    return {
        p.path: {"unit": p.unit, "before": _plain(p.before), "after": _plain(p.after), "at_bound": p.at_bound}
        for p in result.parameters
    }


def best_passive(plan: Plan) -> Passive | None:
    """The passive membrane closest to the fitted windows; None where the target is not a voltage."""
    if any(sweep.voltage is None for sweep in plan.sweeps):
        return None
    fitted = [sweep.inside(sweep.window) for sweep in plan.sweeps]
    return fit_passive(
        [sweep.current()[mask] for sweep, mask in zip(plan.sweeps, fitted, strict=True)],
        [sweep.voltage[mask] for sweep, mask in zip(plan.sweeps, fitted, strict=True) if sweep.voltage is not None],
        [sweep.inside(sweep.score)[mask] for sweep, mask in zip(plan.sweeps, fitted, strict=True)],
        plan.sweeps[0].dt,
    )


def _part(
    plan: Plan, traces: list[np.ndarray], passive: Passive | None, level: float, which: str
) -> dict[str, Any] | None:
    """The fitted or the held-out part: every sweep, and all of them together."""
    if any(getattr(sweep, which) is None for sweep in plan.sweeps):
        return None
    rows, squares = [], {"model": [], "passive": []}
    for sweep, trace in zip(plan.sweeps, traces, strict=True):
        times = getattr(sweep, which)
        row = _spikes(sweep, trace, times, level)
        if sweep.voltage is not None and passive is not None:
            mask = sweep.inside(times)
            leaky = passive.simulate(sweep.current(), float(sweep.voltage[0]), sweep.dt)
            for name, values in (("model", trace), ("passive", leaky)):
                difference = (values - sweep.voltage)[mask]
                squares[name].append(difference**2)
                row.setdefault("voltage_rms_mV", {})[name] = rms(difference)
        rows.append(row)
    pooled = {name: math.sqrt(np.mean(np.concatenate(x))) for name, x in squares.items() if x}
    return {"sweeps": rows, "pooled_voltage_rms_mV": pooled or None}


def _spikes(sweep: Sweep, trace: np.ndarray, times: Times, level: float) -> dict[str, Any]:
    begins = onset(sweep.grid, sweep.current(), times)
    trains = {"data": sweep.spikes, "model": crossings(sweep.grid, trace, level)}
    trains = {name: x[(x >= times[0]) & (x <= times[1])] for name, x in trains.items()}
    first = {name: float(x[x >= begins][0]) - begins if (x >= begins).any() else None for name, x in trains.items()}
    try:
        coincidence = coincidence_factor(trains["data"], trains["model"], times[1] - times[0])
    except ValueError:  # a model that fires without pause matches anything
        coincidence = None
    return {
        "name": sweep.name,
        "from_to_ms": list(times),
        "stimulus_onset_ms": begins,
        "spike_count": {name: int(x.size) for name, x in trains.items()},
        "first_spike_latency_ms": first,
        "spike_times_ms": {name: [round(float(t), 4) for t in x] for name, x in trains.items()},
        "coincidence_factor_2ms": coincidence,
    }


def _rank(result: FitResult) -> dict[str, Any] | None:
    if result.rank is None:
        return None
    return {
        "text": str(result.rank),
        "rank": result.rank.rank,
        "of": result.rank.size,
        "singular_values": _plain(result.rank.singular_values),
        "null_directions": [dict(direction) for direction in result.rank.null_directions],
    }


def _plain(value: Any) -> Any:
    """A number or a list of numbers, as the shortest decimals that read back the same."""
    array = np.asarray(value)
    if array.ndim == 0:
        return float(str(array))
    return [_plain(x) for x in array]


def finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
