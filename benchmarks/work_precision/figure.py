"""The work-precision figure."""

from pathlib import Path

import matplotlib
import numpy as np

from .measure import Point


matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402


#: Colours that colour-blind readers tell apart (Okabe and Ito 2008), and a marker each.
_STYLE = {
    "Staggered": ("#0072B2", "o"),
    "Staggered4": ("#D55E00", "s"),
    "Heun": ("#009E73", "^"),
    "Tsit5": ("#CC79A7", "v"),
    "adaptive Tsit5": ("#56B4E9", "D"),
    "adaptive Kvaerno5": ("#7F7F7F", "P"),
}


def draw(found: dict[str, dict[float, Point]], fixed: set[str], neurons: int, path: Path) -> None:
    """Error against time, one line for each family; those of fixed steps are solid."""
    figure, axes = plt.subplots(figsize=(7.0, 4.6), layout="constrained")
    for name, points in found.items():
        seconds = np.asarray([point.seconds for point in points.values()])
        errors = np.asarray([point.error for point in points.values()])
        colour, marker = _STYLE[name]
        line = "-" if name in fixed else "--"
        axes.loglog(1e3 * seconds, errors, line, color=colour, marker=marker, markersize=5, linewidth=1.5, label=name)
    axes.axhline(1e-3, color="0.8", linewidth=1, zorder=0)
    axes.set_xlabel(f"time of a run of 100 ms, {neurons} neurons (ms)")
    axes.set_ylabel("largest error of a spike time (ms)")
    axes.grid(True, which="major", color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
