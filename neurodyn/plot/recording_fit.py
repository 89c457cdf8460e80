"""A fitted cell on the recording it was fitted to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..templates import RecordingFit
from .axes import DATA, MODEL, MUTED, check_kind, tidy


_SHOWN = 4


def recording_fit(found: RecordingFit, sweeps: Sequence[int] | None = None, axes: Sequence[Any] | None = None) -> Any:
    """Draw recorded and fitted voltage of some sweeps below each other; the steps that were held out are shaded.

    **Arguments:** `found`, a `RecordingFit`; `sweeps`, their indices, by default four from the weakest to the strongest current; `axes`, matplotlib axes, one for
    each sweep, or None for new ones.

    **Returns:** the axes, an array.

    **Raises:** `ValueError` for anything but a `RecordingFit`, a sweep without a step that was fitted or held out, and for another number of axes.
    """
    check_kind("found", found, RecordingFit)
    every = (*found.trained, *found.held_out)
    known = {s.sweep for s in every}
    chosen = found.spread(_SHOWN) if sweeps is None else list(sweeps)
    for sweep in chosen:
        if sweep not in known:
            raise ValueError(
                f"sweeps: {sweep} is not allowed: must be one of {', '.join(str(k) for k in sorted(known))}"
            )
    drawn = _below_each_other(axes, len(chosen))
    recording = found.recording
    for ax, sweep in zip(drawn, chosen, strict=True):
        times, v = found.drawn(sweep)
        here = (recording.times >= times[0]) & (recording.times <= times[-1])
        ax.plot(
            recording.times[here], np.asarray(recording.response)[sweep, here], color=DATA, linewidth=1.2, label="data"
        )
        ax.plot(times, v, color=MODEL, linewidth=0.8, label="model")
        for i, s in enumerate(s for s in found.held_out if s.sweep == sweep):
            label = None if i else "held out"  # once in the legend
            ax.axvspan(s.start, s.stop, color=MUTED, alpha=0.25, linewidth=0, zorder=0, label=label)
        own = sorted((s for s in every if s.sweep == sweep), key=lambda s: s.start)
        levels = ", ".join(f"{s.amplitude:g}" for s in own)
        ax.set_title(f"steps of {levels} {recording.command_unit}", loc="left", fontsize="small")
        ax.set_xlim(times[0], times[-1])
        ax.set_ylabel("mV")
        tidy(ax)
    for ax in drawn[:-1]:
        ax.tick_params(labelbottom=False)
    drawn[-1].set_xlabel("time (ms)")
    handles, labels = drawn[-1].get_legend_handles_labels()
    drawn[0].legend(handles, labels, frameon=False, fontsize="small", loc="lower right", ncols=3, bbox_to_anchor=(1, 1))
    return drawn


def _below_each_other(axes: Sequence[Any] | None, count: int) -> np.ndarray:
    if axes is not None:
        given = np.asarray(axes, object).ravel()
        if given.size != count:
            raise ValueError(f"axes: {given.size} are not allowed: must be {count}, one for each sweep")
        return given
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'neurodyn[plot]'") from error
    made = plt.subplots(count, 1, figsize=(7.0, 0.5 + 1.5 * count), sharex=True, squeeze=False, layout="constrained")
    return made[1][:, 0]
