"""Voltage and other records over time."""

from typing import Any

import numpy as np

from .._simulate import Solution
from .axes import new_axes, tidy


def trace(
    what: Solution | tuple[Any, Any],
    ax: Any = None,
    *,
    record: str = "v",
    label: str | None = None,
    unit: int | None = None,
    peak: float | None = None,
    **line: Any,
) -> Any:
    """Draw a record of a solution, or a pair of times (ms) and values.

    **Arguments:** `what`; `ax`, matplotlib axes or None for new ones; `record`, the path of the record; `label`, for the legend; `unit`, which
    one of a network's units; `peak`, up to where the spikes of a solution are drawn, which a model that resets makes between two records; `line`, passed on
    to `Axes.plot`.

    **Returns:** the axes.

    **Raises:** `ValueError` for anything but a solution or a pair.
    """
    if not isinstance(what, Solution) and not (isinstance(what, tuple | list) and len(what) == 2):
        raise ValueError(
            f"what of type {type(what).__name__} is not allowed: must be a Solution, or a pair of times and values"
        )
    ax = new_axes(ax)
    ts, values = (what.ts, what.ys[record]) if isinstance(what, Solution) else what
    here = ... if unit is None else np.s_[..., unit]
    ts, values = np.asarray(ts), np.asarray(values)[here]
    if peak is not None and isinstance(what, Solution):
        spikes = np.asarray(what.spikes.times)
        ts, values = _with_peaks(ts, values, spikes if unit is None else spikes[unit], peak)
    ax.plot(ts, values, label=label, **{"linewidth": 1.0, **line})
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("voltage (mV)" if record == "v" else record)
    ax.margins(x=0.01)
    if label is not None:
        ax.legend(frameon=False, loc="upper right")
    return tidy(ax)


def _with_peaks(ts: np.ndarray, values: np.ndarray, spikes: np.ndarray, peak: float) -> tuple[np.ndarray, np.ndarray]:
    """The records with one more at each spike: straight up from the one before, on to the one after."""
    spikes = spikes[(spikes >= ts[0]) & (spikes <= ts[-1])]
    places = np.searchsorted(ts, spikes)
    return np.insert(ts, places, spikes), np.insert(values, places, peak)
