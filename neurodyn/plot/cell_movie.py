"""Values on a cell over time."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._parameter import check_positive, check_whole
from .._paths import match
from .._simulate import Solution
from ..cells import Cell
from ..cells.layout import Layout
from .axes import DATA, MUTED, tidy
from .cell_drawn import Drawn, colour_bar, draw, draw_marks
from .cell_outline import Pieces, pieces
from .cell_shape import LINES, Shape, Sites, check_colours, colour_map, layout_of, named_sites, per_compartment
from .cell_view import cell_size, check_view, draw_scale
from .video import check_video, write_video


def cell_movie(
    path: str | os.PathLike[str],
    shape: Shape,
    values: Any,
    ts: Any = None,
    *,
    record: str = "v",
    at: Sites | None = None,
    view: str = "xy",
    frames: int = 100,
    fps: float = 20.0,
    label: str | None = None,
    limits: tuple[float, float] | None = None,
    cmap: str = "viridis",
    dpi: float = 100.0,
) -> Path:
    """Write a film of values on a cell; below it their traces in the soma, or at other places, with the time of the frame.

    `nd.plot.cell_movie("spike.gif", cell, nd.simulate(cell, nd.Step(1.0), 20.0, record=["v"]))`

    **Arguments:**

    - `path`: a file that ends in `.gif`, or in `.mp4` where the program ffmpeg is. It is written whole or not at all, over what is there.
    - `shape`: a `Cell`, `Compartments` or a `Morphology`.
    - `values`: a `Solution`, of which `record` is shown: `v`, a state or a current of a channel (grey where that is not); or values of the compartments, or of the
      sections, shape (times, n), at the times `ts`, ms, shape (times,).
    - `at`: places whose traces are drawn, marked on the cell: one, several, or by their labels (of several places of one label the first). The middle of the root
      section by default.
    - `view`: `xy`, `xz` or `yz`.
    - `frames`: at most so many, at equal steps of time: the records nearest to these, so of t records about every (t / frames)-th. `fps`: of them per second; a
      GIF keeps the time between them in whole hundredths of a second.
    - `label`, `limits`, `cmap`: as in `nd.plot.cell`; the limits are those of all times by default. `dpi`: pixels per inch, 10 to 600, of at most 7.5 x 6.7 inches.

    How many frames there are and the time between them is written into the file as its comment.

    **Returns:** the path.

    **Raises:** `ValueError` for another ending, record, shape, number of values, place, view or frame rate (a GIF allows up to 50 per second); `RuntimeError` for
    `.mp4` where there is no ffmpeg.
    """
    check_whole("frames", frames)
    check_positive("fps", fps, "frames per second")
    check_positive("dpi", dpi, "dots per inch")
    if not 10 <= dpi <= 600:
        raise ValueError(f"dpi = {dpi!r} is not allowed: must be 10 to 600 dots per inch")
    path = check_video(path, fps)
    if check_view(view) == "3d":
        raise ValueError("view = '3d' is not allowed for a film: must be one of xy, xz, yz")
    check_colours(limits, cmap)
    layout = layout_of(shape)
    ts, shown, label = _over_time(shape, layout, values, ts, record, label)
    sites = named_sites(layout, at)
    chosen = _chosen(ts, frames)
    figure, drawn, moving = _picture(layout, ts, shown, sites, view, dpi, label, limits, cmap)
    step = f", one every {(ts[-1] - ts[0]) / (len(chosen) - 1):.4g} ms" if len(chosen) > 1 else ""
    pictures = _frames(figure, drawn, moving, ts[chosen], shown[chosen])
    write_video(path, pictures, fps, _palette(cmap), f"{len(chosen)} frames{step}")
    return path


def _over_time(
    shape: Shape, layout: Layout, values: Any, ts: Any, record: str, label: str | None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Times, shape (times,), values, shape (times, n), and what they are called."""
    if isinstance(values, Solution):
        if ts is not None:
            raise ValueError("ts are not allowed with a Solution: it has its own")
        if not isinstance(record, str):
            raise ValueError(f"record = {record!r} is not allowed: must be the path of one record")
        several = match(record, values.ys, "record")
        if len(several) > 1:
            raise ValueError(f"record = {record!r} is not allowed: must be one record, not {', '.join(several)}")
        record = several[0]
        ts, found = values.ts, np.asarray(values.ys[record])
        channel = record.removeprefix("i_").split(".")[0]
        if isinstance(shape, Cell) and channel in shape.channels and found.shape[1:] == shape.where(channel).shape:
            placed = np.full((len(found), layout.size), np.nan)
            placed[:, shape.where(channel)] = found
            found = placed
        label = label if label is not None else "voltage (mV)" if record == "v" else record
        values = found
    shown = per_compartment(layout, values, rows=True)
    if ts is None:
        raise ValueError("ts = None is not allowed for an array: must be the times of its rows, ms")
    ts = np.asarray(ts)
    numbers = ts.dtype.kind in "fiu" and np.isfinite(ts).all()
    if shown.ndim != 2 or ts.shape != shown.shape[:1] or not numbers or not (np.diff(ts) > 0).all():
        raise ValueError(
            f"ts of shape {ts.shape} are not allowed for values of shape {np.shape(values)}: must be finite, ascending times, one for each row of (times, n)"
        )
    ts = ts.astype(float)
    return ts, shown, label or ""


def _chosen(ts: np.ndarray, frames: int) -> np.ndarray:
    """The records nearest to times at equal steps."""
    wanted = np.linspace(ts[0], ts[-1], min(frames, len(ts)))
    after = np.clip(np.searchsorted(ts, wanted), 1, max(len(ts) - 1, 1))
    if len(ts) == 1:
        return np.asarray([0])
    return np.unique(np.where(wanted - ts[after - 1] < ts[after] - wanted, after - 1, after))


def _picture(
    layout: Layout,
    ts: np.ndarray,
    shown: np.ndarray,
    sites: dict[str, tuple[str, ...]],
    view: str,
    dpi: float,
    label: str,
    limits: tuple[float, float] | None,
    cmap: str,
) -> tuple[Any, Drawn, tuple[Any, Any]]:
    """The figure, laid out; the cell in it, and what moves: the time in words and the line at it."""
    cut = pieces(layout)
    figure, ax, below = _figure(cut, view, dpi)
    drawn = draw(ax, layout, cut, view)
    drawn.scale(shown, limits, cmap)
    drawn.show(shown[0])
    colour_bar(ax, drawn, label)
    draw_marks(ax, layout, view, sites, LINES)
    draw_scale(ax, cut, view)
    traces = {name: layout.locate(group[0]) for name, group in sites.items()} or {
        layout.name_of(layout.root): layout.root
    }
    for colour, (name, compartment) in zip(LINES * len(traces), traces.items(), strict=False):
        below.plot(ts, shown[:, compartment], color=colour, linewidth=1.0, label=name)
    below.set_xlabel("time (ms)")
    below.set_ylabel(label, fontsize="small")
    below.margins(x=0.01)
    above: dict[str, Any] = dict(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2, columnspacing=1.2
    )
    below.legend(frameon=False, fontsize="small", **above)
    tidy(below)
    time = ax.text(0.0, 1.0, f"{ts[-1]:.2f} ms", transform=ax.transAxes, va="bottom", color=DATA)
    line = below.axvline(ts[0], color=MUTED, linewidth=1.0)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for artist in (drawn.collection, time, line):
        artist.set_animated(True)
    return figure, drawn, (time, line)


def _figure(cut: Pieces, view: str, dpi: float) -> tuple[Any, Any, Any]:
    """A figure of its own that nothing else knows of, and its two axes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'neurodyn[plot]'") from error
    width, height = cell_size(cut, view)
    figure = Figure(figsize=(max(width, 4.6), height + 1.7), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    ax, below = figure.subplots(2, 1, height_ratios=[height, 1.4])
    ax.set_axis_off()
    return figure, ax, below


def _palette(cmap: str) -> np.ndarray:
    """The colours of a film: greys, the colour map, and the lines, with their blends with white at the edges; shape (256, 3)."""
    from matplotlib.colors import to_rgb

    greys = np.repeat(np.linspace(0.0, 1.0, 34)[:, None], 3, axis=1)
    scale = colour_map(cmap)(np.linspace(0.0, 1.0, 128))[:, :3]
    lines = np.asarray([to_rgb(colour) for colour in LINES])
    blends = [lines + part * (1 - lines) for part in (0.0, 0.2, 0.4, 0.6, 0.8)]
    return np.round(255 * np.concatenate([greys, scale, (scale[::2] + 1) / 2, *blends])).astype(int)


def _frames(
    figure: Any, drawn: Drawn, moving: tuple[Any, Any], ts: np.ndarray, shown: np.ndarray
) -> Iterator[np.ndarray]:
    """The pictures, of which only what moves, and what stands before it, is drawn anew."""
    canvas, (time, line) = figure.canvas, moving
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    ax = drawn.collection.axes
    before = [artist for artist in (*ax.lines, *ax.texts, *ax.artists) if artist is not time]
    for t, values in zip(ts, shown, strict=True):
        canvas.restore_region(ground)
        drawn.show(values)
        time.set_text(f"{t:.2f} ms")
        line.set_xdata([t, t])
        for artist in (drawn.collection, *before, time, line):
            artist.axes.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()
