"""Recordings, and how often the cell in them fires."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..io import Features, Recording
from .axes import DATA, MODEL, MUTED, OTHER, check_kind, new_axes, tidy
from .firing import current_label


_AXES = {"mV": "voltage (mV)", "pA": "current (pA)", "uA/cm2": "current (µA/cm²)"}


def recording(recording: Recording, axes: Sequence[Any] | None = None) -> Any:
    """Draw all sweeps of a recording, the response above the command, coloured by the level of the step that varies most; the steps are shaded.

    **Arguments:** `recording`, an `nd.io.Recording`; `axes`, two matplotlib axes, for the response and for the command, or None for new ones.

    **Returns:** the two axes, an array.

    **Raises:** `ValueError` for a recording of nothing but spike times, and for another number of axes.
    """
    check_kind("recording", recording, Recording)
    if recording.response is None and recording.command is None:
        raise ValueError(f"{recording.name} holds no sweeps, only spike times: draw them by nd.plot.raster")
    above, below = _two_axes(axes)
    steps = recording.steps() if recording.command is not None else ()
    values, label = _levels(recording, steps)
    colours = _colours(above, values, label, (above, below))
    for ax, what, unit in (
        (below, recording.command, recording.command_unit),
        (above, recording.response, recording.response_unit),
    ):
        for start, stop in sorted({(step.start, step.stop) for step in steps}):
            # Steps that follow directly on each other are kept apart by their edges.
            ax.axvspan(start, stop, facecolor="#F4F4F4", edgecolor="#DADADA", linewidth=0.6, zorder=0)
        if what is not None:
            # The strongest first: the few spikes of the weak sweeps stay visible on top of the many of the strong ones.
            for i in np.argsort(-np.asarray(values), kind="stable"):
                ax.plot(recording.times, what[i], color=colours[i], linewidth=0.7, zorder=2)
            ax.set_ylabel(_AXES.get(unit, unit))
        ax.margins(x=0.0)
        tidy(ax)
    above.tick_params(labelbottom=False)
    below.set_xlabel("time (ms)")
    below.set_xlim(recording.start, recording.stop)
    above.set_title(f"{recording.name}, {recording.clamp} clamp", loc="left", fontsize="medium")
    return np.array([above, below])


def f_i(features: Features, ax: Any = None) -> Any:
    """Draw the firing rate against the level, a line for each step of the protocol that has several levels.

    **Arguments:** `features`, of a recording (`nd.io.Features`); `ax`, matplotlib axes or None for new ones.

    **Returns:** the axes.
    """
    check_kind("features", features, Features)
    ax = new_axes(ax, (4.0, 2.6))
    curves = [features.f_i(i) for i in range(len(features.windows))]
    several = [curve for curve in curves if len(curve.currents) > 1] or curves
    for i, curve in enumerate(several):
        style = dict(color=(MODEL, OTHER, DATA, MUTED)[i % 4], marker=("o", "s", "D", "^")[i % 4])
        hollow = dict(markerfacecolor="white") if i else {}
        label = f"{curve.start:g} to {curve.stop:g} ms"
        ax.plot(
            curve.currents, curve.rates, markersize=3.5, linewidth=1.2, label=label, clip_on=False, **style, **hollow
        )
    ax.set_xlabel(current_label(features.unit))
    ax.set_ylabel("firing rate (Hz)")
    ax.set_ylim(bottom=0.0)
    if several:
        ax.legend(frameon=False, fontsize="small", loc="upper left")
    return tidy(ax)


def _two_axes(axes: Sequence[Any] | None) -> tuple[Any, Any]:
    if axes is not None:
        if len(axes) != 2:
            raise ValueError(f"{len(axes)} axes are not allowed: must be 2, for the response and the command")
        return axes[0], axes[1]
    above = new_axes(None, (8.0, 4.4))
    figure = above.figure
    above.remove()
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    return above, below


def _levels(recording: Any, steps: Sequence[Any]) -> tuple[list[float], str]:
    """What each sweep is coloured by: its level in the step that has the most of them, or else its number."""
    windows = sorted({(step.start, step.stop) for step in steps})

    def of(window):
        found = dict.fromkeys(range(recording.sweeps), 0.0)
        return found | {s.sweep: s.amplitude for s in steps if (s.start, s.stop) == window}

    best = max((of(window) for window in windows), key=lambda levels: len(set(levels.values())), default={})
    if len(set(best.values())) > 1:
        return list(best.values()), f"step ({recording.command_unit.replace('uA/cm2', 'µA/cm²')})"
    return [float(i) for i in range(recording.sweeps)], "sweep"


def _colours(ax: Any, values: Sequence[float], label: str, axes: tuple[Any, Any]) -> list[Any]:
    """A colour for each value, with a bar that tells them where there are several."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    if len(set(values)) < 2:
        return [DATA] * len(values)
    # Without the lightest end, which would not show on white.
    shades = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.88, 256)))
    norm = Normalize(min(values), max(values))
    mapped = ScalarMappable(norm, shades)
    bar = ax.figure.colorbar(mapped, ax=list(axes), label=label, pad=0.01, aspect=30)
    bar.outline.set_visible(False)
    return [shades(norm(value)) for value in values]
