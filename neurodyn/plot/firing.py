"""Firing against current."""

from typing import Any

import numpy as np

from ..analysis import FICurve
from .axes import MODEL, MUTED, check_kind, new_axes, tidy


def f_i_curve(
    curve: FICurve, ax: Any = None, *, label: str | None = None, onsets: bool = False, unit: str = "uA/cm2", **line: Any
) -> Any:
    """Draw the steady firing rate for each current.

    **Arguments:** `curve`, from `nd.analysis.f_i_curve`; `ax`; `label`, for the legend; `onsets`, whether the rate of the first interval is drawn too;
    `unit`, of the current, empty for a model without units; `line`, passed on to `Axes.plot`.

    **Returns:** the axes.
    """
    check_kind("curve", curve, FICurve)
    ax = new_axes(ax, (4.0, 2.6))
    currents, rates = np.asarray(curve.currents), np.asarray(curve.rates)
    order = np.argsort(currents)
    style = {"color": MODEL, "marker": "o", "markersize": 3.5, "linewidth": 1.2, **line}
    if onsets:
        first = {**style, "color": MUTED, "markersize": 2.5, "linewidth": 1.0}
        ax.plot(currents[order], np.asarray(curve.onsets)[order], **{**first, "label": "first interval"})
    ax.plot(currents[order], rates[order], **{**style, "label": label or ("steady" if onsets else None)})
    ax.set_xlabel(current_label(unit))
    ax.set_ylabel("firing rate (Hz)")
    ax.set_ylim(bottom=0.0)
    if label is not None or onsets:
        ax.legend(frameon=False, fontsize="small", loc="best")
    return tidy(ax)


def current_label(unit: str) -> str:
    """What an axis of currents is called; `unit` is empty for a model without units."""
    return f"current ({unit.replace('uA/cm2', 'µA/cm²')})" if unit else "current"
