"""What the data determine and whether the gradients can be trusted, for the report of a fit that is done."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .._table import as_text
from ..fitting import FitResult, GradientHealth, Uncertainty, gradient_health, uncertainty
from ..fitting.identifiability.coordinates import check_likelihood
from ..fitting.identifiability.curvature import Curvature, curvature
from ..fitting.identifiability.health import silent_and_broken


Found = TypeVar("Found")

_PARTS = 10  # of a run, whose largest derivative by the drive is told
_SLOPPY = 3  # directions
_INTERRUPTED = "interrupted"


@dataclasses.dataclass(frozen=True)
class Analysis:
    """**Fields:** `report`: two sections, strict JSON but for numbers that are not finite; `text`: the same for a person."""

    report: dict[str, Any]
    text: str


def left_out(why: str) -> Analysis:
    """No analysis."""
    return Analysis({"determined": {"left_out": why}, "gradient": {"left_out": why}}, "")


def analyse(result: FitResult) -> Analysis:
    """At the end of a fit: standard deviations, or how fast the loss rises where it is no likelihood; sloppy directions; and the gradient.

    What fails becomes a sentence. So does an interruption: the fit is done and must be written.
    """
    found, failed = _attempt(lambda: _determined(result))
    hurry = failed == _INTERRUPTED
    health, unhealthy = (None, failed) if hurry else _attempt(lambda: gradient_health(result, fraction=1.0))
    report = {
        "determined": {"failed": failed} if found is None else found.report,
        "gradient": {"failed": unhealthy} if health is None else _gradient(result, health),
    }
    first = f"not worked out: {failed}" if found is None else found.text
    second = f"not looked at: {unhealthy}" if health is None else _gradient_text(report["gradient"])
    ranked = f"\nat the model given, by its response: {result.rank}" if result.rank is not None else ""
    return Analysis(report, f"what the data determine\n{first}{ranked}\n\ngradient of the loss at the end\n{second}")


def _attempt(work: Callable[[], Found]) -> tuple[Found | None, str | None]:
    try:
        return work(), None
    except KeyboardInterrupt:
        return None, _INTERRUPTED
    except Exception as error:  # whatever it is, the fit is done
        lines = str(error).strip().splitlines()
        return None, lines[0] if isinstance(error, ValueError) and lines else ": ".join(
            [type(error).__name__, *lines[:1]]
        )


def _determined(result: FitResult) -> Analysis:
    try:
        check_likelihood(result.task)
    except ValueError as error:
        found = curvature(result)  # says itself what it cannot do either
        return Analysis(_of_curvature(found, str(error)), f"{found!r}\nno standard deviations: {error}")
    found = uncertainty(result)
    return Analysis(_of_uncertainty(found), repr(found))


def _of_uncertainty(found: Uncertainty) -> dict[str, Any]:
    directions = found.sloppy(found.sd.size)
    return {
        "by": "Fisher information (Cramer-Rao bound) at the end of the fit",
        "rank": found.rank,
        "of": int(found.sd.size),
        "null_directions": [d.shares for d in directions[: found.sd.size - found.rank]],
        "sloppy_directions": [
            {"sd_in_scales": d.sd, "shares": d.shares} for d in directions[found.sd.size - found.rank :][:_SLOPPY]
        ],
        "condition": found.condition,
        "standard_deviations": {
            name: {"value": float(value), "sd": float(sd), "unit": unit, "scale": float(scale)}
            for name, value, sd, unit, scale in zip(
                found.names, found.values, found.sd, found.units, found.scale, strict=True
            )
        },
        "undetermined": list(found.undetermined),
        "assumed_noise": found.noise,
        "misfit_per_degree_of_freedom": found.misfit,
        "data": found.data,
    }


def _of_curvature(found: Curvature, why: str) -> dict[str, Any]:
    size = found.values.size
    directions = found.sloppy(size)
    return {
        "by": "curvature of the loss (Gauss-Newton) at the end of the fit",
        "rank": found.rank,
        "of": int(size),
        "null_directions": [shares for _, shares in directions[: size - found.rank]],
        "sloppy_directions": [
            {"reach_in_scales": reach, "shares": shares} for reach, shares in directions[size - found.rank :][:_SLOPPY]
        ],
        "standard_deviations": None,
        "why_no_standard_deviations": why,
        "change_that_raises_the_loss_by_a_tenth": {
            name: {"value": float(value), "alone": float(alone), "with_the_others": float(both), "unit": unit}
            for name, value, alone, both, unit in zip(
                found.names, found.values, found.alone, found.together, found.units, strict=True
            )
        },
    }


def _gradient(result: FitResult, health: GradientHealth) -> dict[str, Any]:
    descent = result.phases.get("descent")
    starts = None
    if descent is not None and len(descent.loss):
        silent, broken = silent_and_broken(
            descent.loss[0], np.where(descent.skipped[0], np.nan, descent.gradient_norm[0])
        )
        starts = {"of": int(descent.loss.shape[1]), "silent": list(silent), "broken": list(broken)}
    return {
        "starts": starts,
        "at_bounds": list(health.at_bound),
        "first_non_finite": health.first_non_finite,
        "by_parameter": health.gradient,
        "objectives": [
            {
                "name": o.name,
                "loss": o.loss,
                "norm": o.norm,
                "growth_back_in_time_decades": o.growth,
                "largest_by_drive_per_ms": _by_time(o.times, o.drive),
                "finding": o.finding or None,
            }
            for o in health.objectives
        ],
    }


def _by_time(times: np.ndarray, drive: np.ndarray) -> dict[str, list[float]] | None:
    """The largest size of the derivative of the loss with respect to the drive in equal parts of the run; times the capacitance it is that by the voltage."""
    if not drive.size:
        return None
    parts = [part for part in np.array_split(np.arange(drive.size), _PARTS) if part.size]
    return {
        "from_ms": [float(times[part[0]]) for part in parts],
        "size": [float(np.max(np.abs(drive[part]))) for part in parts],
    }


def _gradient_text(found: dict[str, Any]) -> str:
    rows, said = [], []
    for o in found["objectives"]:
        growth = o["growth_back_in_time_decades"]
        shown = "-" if not np.isfinite(growth) else f"{growth:+.1f} decades"
        rows.append([o["name"], f"{o['loss']:.4g}", f"{o['norm']:.2g}", shown, o["finding"] or "-"])
    starts = found["starts"]
    if starts is None:
        said.append("no start was judged: the search took no gradients")
    else:
        said.append(
            f"starts without a gradient: {len(starts['silent'])} of {starts['of']}; not finite: {len(starts['broken'])}"
        )
    if found["at_bounds"]:
        said.append(f"at a bound: {', '.join(found['at_bounds'])}")
    if found["first_non_finite"]:
        said.append(f"first derivative that is not finite: {found['first_non_finite']}")
    return "\n".join([as_text(["objective", "loss", "gradient", "growth back in time", "finding"], rows), *said])
