"""Values on a cell over time."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from .._parameter import check_positive, check_whole
from .._paths import match
from .._simulate import Solution
from ..cells import Cell
from ..cells.layout import Layout
from .axes import MUTED, tidy
from .cell import cell_size, check_flat, colour_bar, draw_marks
from .cell_drawn import draw
from .cell_outline import pieces
from .cell_scale import draw_scale
from .cell_shape import COLOURS, Shape, Sites, layout_of, named_sites, per_compartment
from .video import FORMATS, Frames, check_format, write_gif, write_mp4


_LARGEST = 8  # inches


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
    dpi: int = 100,
) -> Path:
    """Write a film of values on a cell, with the time and the trace of the soma below.

    `nd.plot.cell_movie("spike.gif", cell, nd.simulate(cell, nd.Step(1.0), 20.0, record=["v"]))`
    """
    path = check_format(path)
    layout = layout_of(shape)
    ts, values, label = _over_time(shape, layout, values, ts, record, label)
    return path
