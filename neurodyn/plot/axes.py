"""Where pictures are drawn."""

from typing import Any


#: A palette that colour-blind readers can tell apart (Okabe and Ito 2008); data first, model second.
DATA, MODEL, OTHER, MUTED = "#404040", "#D55E00", "#0072B2", "#B0B0B0"


def check_kind(name: str, value: Any, kind: type) -> None:
    """Refuse what is not of a kind. **Raises:** `ValueError`."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} of type {type(value).__name__} is not allowed: must be of type {kind.__name__}")


def new_axes(ax: Any = None, size: tuple[float, float] = (7.0, 2.6), projection: str | None = None) -> Any:
    """The axes given, or new ones of their own.

    **Raises:** `ValueError` for what is not matplotlib axes, and for flat ones where a `projection` is needed or the other way round; `ImportError` naming the
    extra when matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'neurodyn[plot]'") from error
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained", subplot_kw={"projection": projection})[1]
    if not isinstance(ax, Axes):
        raise ValueError(
            f"ax of type {type(ax).__name__} is not allowed: must be one matplotlib axes, or None for new ones"
        )
    if (ax.name == "3d") != (projection == "3d"):
        raise ValueError(
            f"ax is not allowed: must be axes {'with' if projection == '3d' else 'without'} projection='3d'"
        )
    return ax


def tidy(ax: Any) -> Any:
    """The axes without the lines that say nothing."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax
