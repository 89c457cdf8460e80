"""The part of the page that a run writes."""

from typing import Any

import numpy as np

from ..results import machine
from . import bars, layer, population
from .bars import Cells
from .engines import NAMES, Row
from .models import SUBJECTS, T1


_HEAD = """What it costs that a spike happens where the threshold is crossed, inside a step (`nd.ExactReset()`, the default), and not at the end of it
(`nd.GridReset()`). Everything on one core; the engines take turns, each in a process of its own, and the best run counts; compilation is apart. Made by
`python -m benchmarks.resets`, which `make bench` runs."""

_COST = """## Cost

{neurons} neurons for {t1:g} ms, `nd.vmap` over `nd.simulate` with the default solver. `forward` counts spikes (`reduce={{"spikes": nd.reducers.SpikeCount()}}`);
`gradient` is that of the mean voltage by all parameters of the model. `HH` is Hodgkin and Huxley's membrane put back to -65 mV when it crosses 0 mV
([models.py](resets/models.py)): what steps of that cost are slowed down by. Drives: {drives}."""

_SPEEDS = "Million neuron-steps per second, and in brackets the seconds of compilation; `ratio` is the time of exact resets over that of the others."

_POPULATION = """## Every spike of a population

{neurons} LIF neurons for {t1:g} ms at steps of {dt:g} ms, driven by {weakest:g} to {strongest:g} nA, exact resets, single precision, all spike times kept: as
`simulate` gives them (`max_spikes={most}`) and by a reducer (`nd.reducers.SpikeTimes({most})`). Memory is the peak of the process above what it had when
everything was compiled."""

_LAYER = """## Against Eventax

A layer of {neurons} neurons, `20 ms dv/dt = X - v`, threshold 1, reset to 0, for {t1:g} ms, each with a constant X between {weakest:g} and {strongest:g}: {spikes}
spikes. `forward` gives all spike times; `gradient` is that of their sum by every X. Errors are against the closed form `k 20 ms ln(X / (X - 1))`: the largest of
a spike time, and the largest relative one of a derivative. Single precision, Eventax's default. Every engine is jitted, with X as its argument; neurodyn has the XLA
flags of `nd.configure_cpu()`, Eventax none ([eventax_worker.py](resets/eventax_worker.py)). Eventax, and neurodyn's `LIFNetwork`, have one state and go from one spike of
any neuron to the next, as neurons that hear each other must; under `nd.vmap` each neuron goes by itself."""


def page(
    found: dict[str, Cells],
    neurons: int,
    rates: dict[str, list[float]],
    populations: dict[str, dict[str, Any]],
    rows: dict[str, Row],
) -> str:
    """The whole part: cells of each precision, spikes per second by kind of reset, the populations, the engines of the layer."""
    parts = [_HEAD, machine()]
    if found:
        drives = ", ".join(f"{name} {subject.drive}" for name, subject in SUBJECTS.items())
        parts += [_COST.format(neurons=neurons, t1=T1, drives=drives), firing(rates), summary(found, neurons)]
        for precision, cells in found.items():
            parts += [f"### {precision}", _SPEEDS, speeds(cells, neurons)]
    if populations:
        known = {name.lower(): getattr(population, name) for name in ("T1", "DT", "WEAKEST", "STRONGEST", "MOST")}
        neurons = next(iter(populations.values()))["neurons"]
        parts += [_POPULATION.format(neurons=neurons, **known), kept(populations)]
    if rows:
        known = {name.lower(): getattr(layer, name) for name in ("NEURONS", "T1", "WEAKEST", "STRONGEST")}
        spikes = int(np.isfinite(layer.exact(layer.currents())[0]).sum())
        parts += [_LAYER.format(spikes=spikes, **known)]
        if missing := [name for name in NAMES if name not in rows]:
            parts += [f"Not installed: {', '.join(missing)}."]
        parts += [compared(rows)]
    return "\n\n".join(parts)


def firing(rates: dict[str, list[float]]) -> str:
    """How often the neurons of each model fire."""
    text = "; ".join(
        f"{model} {', '.join(f'{rates[reset][i]:.0f} ({reset})' for reset in rates)}"
        for i, model in enumerate(SUBJECTS)
    )
    return f"Spikes per second at steps of 0.025 ms, on average: {text}."


def summary(found: dict[str, Cells], neurons: int) -> str:
    """Every bar with what was found."""
    head = ["| model | dt, ms | neurodyn's | bar | " + " | ".join(found) + " |", "|---" * (4 + len(found)) + "|"]
    return "\n".join([*head, *bars.lines(found, neurons)])


def speeds(cells: Cells, neurons: int) -> str:
    """Speed and compilation of each cell."""
    lines = ["| model | dt, ms | work | grid | exact | ratio |", "|---|---|---|---|---|---|"]
    for (model, dt, kind), row in cells.items():
        shown = " | ".join(
            f"{bars.speed(neurons, dt, row[reset]):.3g} ({row[reset].preparing:.1f} s)" for reset in ("grid", "exact")
        )
        lines.append(f"| {model} | {dt:g} | {kind} | {shown} | {bars.slowdown(row):.2f} |")
    return "\n".join(lines)


def kept(populations: dict[str, dict[str, Any]]) -> str:
    """Time and memory of each way to keep spikes."""
    lines = [
        "| spikes kept by | time, s | million neuron-steps per second | compilation, s | memory, MB | of it results, MB | spikes |"
    ]
    lines.append("|---" * 7 + "|")
    for way, x in populations.items():
        ok = x["spikes"] if x["ok"] else "**fails**"
        row = f"{x['seconds']:.3g} | {x['rate'] / 1e6:.3g} | {x['compiling']:.1f} | {x['megabytes']:.3g} | {x['output']:.3g} | {ok}"
        lines.append(f"| {way} | {row} |")
    return "\n".join(lines)


def compared(rows: dict[str, Row]) -> str:
    """Time and errors of each engine."""
    lines = [
        "| engine | forward, ms | gradient, ms | error of spike times, ms | of derivatives |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        times = " | ".join(f"{1e3 * x.seconds:.3g} ({x.preparing:.1f} s)" for x in (row.forward, row.gradient))
        errors = " | ".join(
            f"{x:.1e}" if np.isfinite(x) else "other spikes" for x in (row.time_error, row.derivative_error)
        )
        lines.append(f"| {NAMES[name]} | {times} | {errors} |")
    return "\n".join([*lines, "", "In brackets: seconds of compilation."])
