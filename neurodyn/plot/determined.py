"""What the data determine: ranks, uncertainties, profiles, posteriors, and where gradients come from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..fitting.identifiability import GradientHealth, Posterior, Profile, RankReport, Uncertainty
from .axes import DATA, MODEL, MUTED, OTHER, check_kind, new_axes, tidy


_MOST = 6  # parameters of a corner plot


def _grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> Any:
    """New axes in rows and columns, shape (rows, columns)."""
    ax = new_axes(None, size)
    figure = ax.figure
    ax.remove()
    return figure.subplots(rows, columns, squeeze=False, **options)


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def rank(report: RankReport, ax: Any = None) -> Any:
    """The singular values of the responses' Jacobian, one row each, and the combinations of parameters that change nothing by name. **Returns:** the
    axes."""
    check_kind("report", report, RankReport)
    ax = new_axes(ax, (6.0, 0.9 + 0.2 * report.size))
    floor = 1e-17
    x = np.maximum(report.singular_values, floor)
    rows = np.arange(report.size)
    for part, colour, label in (
        (rows < report.rank, OTHER, "makes a difference"),
        (rows >= report.rank, MODEL, "null"),
    ):
        ax.hlines(rows[part], floor, x[part], color=colour, linewidth=1.0, alpha=0.4)
        ax.scatter(x[part], rows[part], s=20, color=colour, label=label if part.any() else None, zorder=3)
    for row, direction in zip(rows[report.rank :], report.null_directions, strict=False):
        shares = list(direction.items())
        text = "  ".join(f"{share:+.2f} {name}" for name, share in shares[:3]) + (" ..." if len(shares) > 3 else "")
        ax.annotate(text, (x[row], row), (8, 0), textcoords="offset points", va="center", fontsize="x-small")
    ax.set_xscale("log")
    ax.set_xlim(floor, 5.0)
    ax.set_ylim(report.size - 0.5, -0.5)
    ax.set_yticks([0, report.size - 1], ["1", str(report.size)])
    ax.set_ylabel("direction")
    ax.set_xlabel("singular value / largest")
    ax.set_title(f"{report.rank} of {report.size} directions make a difference", fontsize="medium", loc="left")
    return tidy(ax)


def uncertainty(result: Uncertainty, axes: Sequence[Any] | None = None) -> Any:
    """Left the standard deviation of each parameter, relative to its value (to the spread of its declaration for potentials and shifts: those in mV);
    right the correlations. **Returns:** the two axes."""
    check_kind("result", result, Uncertainty)
    n = len(result.names)
    side = 1.3 + 0.27 * n
    left, right = _grid(1, 2, (4.6 + side, side), width_ratios=(3.4, side))[0] if axes is None else (axes[0], axes[1])
    sd, rows = result.relative_sd, np.arange(n)
    known = np.isfinite(sd)
    high = max(1.0, *(3 * sd[known])) if known.any() else 1.0
    low = min(10 ** np.floor(np.log10(sd[known].min()) - 0.2), high / 100) if known.any() else high / 100
    left.barh(rows[known], sd[known], height=0.6, color=OTHER)
    left.barh(rows[~known], 3 * high, height=0.6, color="white", edgecolor=MODEL, hatch="////", linewidth=0.5)
    for row in rows[~known]:
        note = dict(facecolor="white", edgecolor="none", pad=1.0)
        left.text(
            np.sqrt(low * 3 * high), row, "not determined", ha="center", va="center", fontsize="x-small", bbox=note
        )
    for row in rows[known]:
        text = f"±{result.sd[row]:.2g} {result.units[row]}"
        left.annotate(text, (sd[row], row), (3, 0), textcoords="offset points", va="center", fontsize="x-small")
    left.axvline(1.0, color=MUTED, linewidth=1.0, linestyle="--", zorder=0)
    left.set_xscale("log")
    left.set_xlim(low, high * 3)
    left.set_yticks(
        rows, [name if rel else f"{name} *" for name, rel in zip(result.names, result.relative, strict=True)]
    )
    left.set_ylim(n - 0.5, -0.5)
    left.set_xlabel("standard deviation / value" + ("\n(*: / declared spread)" if not result.relative.all() else ""))
    tidy(left)
    right.set_facecolor("#E6E6E6")  # where a correlation is not known
    image = right.imshow(np.ma.masked_invalid(result.correlation), cmap="RdBu_r", vmin=-1, vmax=1)
    right.set_xticks(rows, result.names, rotation=90)
    right.set_yticks([])
    right.set_title("correlation", fontsize="medium")
    right.figure.colorbar(image, ax=right, ticks=[-1, 0, 1], shrink=0.8)
    return np.array([left, right])


def profile(result: Profile, ax: Any = None) -> Any:
    """The profile likelihood of a parameter with its 95 % interval shaded; to the edge where it is open. **Returns:** the axes."""
    check_kind("result", result, Profile)
    ax = new_axes(ax, (4.0, 2.8))
    top = 3 * result.threshold
    ends = np.clip([result.lower, result.upper], result.values[0], result.values[-1])
    ax.axvspan(*ends, color=OTHER, alpha=0.12, linewidth=0)
    ax.axhline(result.threshold, color=MUTED, linewidth=1.0, linestyle="--")
    # Its signed root is nearly straight between the points, so the curve is drawn through that.
    z = np.sign(result.values - result.estimate) * np.sqrt(np.maximum(result.chi2, 0.0))
    dense = np.unique(np.concatenate([result.values, np.linspace(result.values[0], result.values[-1], 400)]))
    ax.plot(dense, np.interp(dense, result.values, z) ** 2, color=MODEL, linewidth=1.2)
    ax.plot(result.values, result.chi2, "o", color=MODEL, markersize=3.5)
    ax.plot(
        result.values[~result.settled],
        result.chi2[~result.settled],
        "o",
        color="white",
        markeredgecolor=MODEL,
        markersize=5,
    )
    ax.axvline(result.estimate, color=DATA, linewidth=0.8)
    if result.values[0] > 0 and result.values[-1] > 10 * result.values[0]:
        ax.set_xscale("log")
    else:
        ax.locator_params(axis="x", nbins=5)
    ax.set_ylim(-0.03 * top, top)
    ax.annotate(
        "95 %",
        (1.0, result.threshold),
        (-2, 2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize="x-small",
        color=DATA,
    )
    for is_open, place, side in zip(result.open, (0.02, 0.98), ("left", "right"), strict=True):
        if is_open:
            ax.text(place, 0.95, "open", transform=ax.transAxes, ha=side, va="top", color=MODEL, fontsize="small")
    ax.set_xlabel(_with_unit(result.path, result.unit))
    ax.set_ylabel("−2 log likelihood ratio")
    return tidy(ax)


def posterior(
    result: Posterior, axes: Any = None, *, names: Sequence[str] | None = None, truth: Mapping[str, float] | None = None
) -> Any:
    """A corner plot: histograms on the diagonal, pairs of parameters below it, draws that diverged in colour.

    **Arguments:** `names`, which parameters, the first six by default; `truth`, values to mark; `axes`, an array of shape (names, names). **Returns:** the
    axes.
    """
    check_kind("result", result, Posterior)
    columns = result.columns()
    chosen = list(columns)[:_MOST] if names is None else list(names)
    n = len(chosen)
    axes = _grid(n, n, (1.0 + 1.5 * n, 0.8 + 1.4 * n)) if axes is None else np.asarray(axes).reshape(n, n)
    diverged = result.diverging.ravel()
    for i, row in enumerate(chosen):
        y = columns[row].ravel()
        for j, column in enumerate(chosen):
            ax, x = axes[i, j], columns[column].ravel()
            if j > i:
                ax.set_axis_off()
                continue
            if i == j:
                ax.hist(x, bins=int(np.clip(np.sqrt(x.size), 8, 40)), color=OTHER, alpha=0.7)
                ax.set_yticks([])
            else:
                ax.scatter(x, y, s=2, color=OTHER, alpha=min(1.0, 300 / x.size), linewidths=0, rasterized=True)
                ax.scatter(x[diverged], y[diverged], s=8, color=MODEL, linewidths=0, zorder=3)
            _mark_truth(ax, truth or {}, column, row if i != j else None)
            _label(ax, result, column if i == n - 1 else "", row if j == 0 and i > 0 else "", i == j)
    return axes


def _mark_truth(ax: Any, truth: Mapping[str, float], column: str, row: str | None) -> None:
    if column in truth:
        ax.axvline(truth[column], color=DATA, linewidth=0.8)
    if row is not None and row in truth:
        ax.axhline(truth[row], color=DATA, linewidth=0.8)


def _label(ax: Any, result: Posterior, below: str, left: str, diagonal: bool) -> None:
    def text(name):
        unit = result.units[name.split("[")[0]]
        return f"{name}\n({unit})" if unit else name

    ax.tick_params(labelsize="x-small", labelbottom=bool(below), labelleft=bool(left) and not diagonal)
    ax.locator_params(nbins=3)
    ax.tick_params(axis="x", labelrotation=30)
    if below:
        ax.set_xlabel(text(below), fontsize="small")
    if left:
        ax.set_ylabel(text(left), fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)


def gradient_health(result: GradientHealth, ax: Any = None) -> Any:
    """The size of dL/d(drive)(t) over time for each objective: level for a healthy one, rising to the left for one that explodes. **Returns:** the axes."""
    check_kind("result", result, GradientHealth)
    ax = new_axes(ax, (5.0, 2.8))
    shown = [o for o in result.objectives if o.drive.size]
    colours = [MODEL, OTHER, DATA, "#009E73", "#CC79A7", "#E69F00"]
    for k, o in enumerate(shown):
        size = np.abs(o.drive)
        size = np.where(np.isfinite(size) & (size > 0), size, np.nan)
        ax.plot(o.times, size, color=colours[k % len(colours)], linewidth=1.0, label=o.name)
        bad = np.flatnonzero(~np.isfinite(o.drive))
        if bad.size:
            ax.axvspan(o.times[0], o.times[bad[-1]], color=MODEL, alpha=0.15, linewidth=0)
    if shown and any(np.isfinite(o.drive).any() and np.any(o.drive) for o in shown):
        ax.set_yscale("log")
        largest = max(np.nanmax(line.get_ydata(), initial=0.0) for line in ax.lines)
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-10 * largest))  # below is rounding
    if len(shown) > 8:
        ax.set_title(f"{len(shown)} objectives", fontsize="medium", loc="left")
    elif shown:
        ax.legend(frameon=False, fontsize="x-small", loc="upper left", bbox_to_anchor=(0.0, 1.18), ncols=2)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("|d loss / d drive(t)|  (per ms)")
    return tidy(ax)
