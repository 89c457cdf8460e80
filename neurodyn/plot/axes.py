"""Where pictures are drawn."""

from typing import Any


#: A palette that colour-blind readers can tell apart (Okabe and Ito 2008); data first, model second.
DATA, MODEL, OTHER, MUTED = "#404040", "#D55E00", "#0072B2", "#B0B0B0"


def new_axes(ax: Any = None, size: tuple[float, float] = (7.0, 2.6)) -> Any:
    """The axes given, or new ones of their own.

    **Raises:** `ImportError` naming the extra when matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'neurodyn[plot]'") from error
    return plt.subplots(figsize=size, layout="constrained")[1]


def tidy(ax: Any) -> Any:
    """The axes without the lines that say nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax
