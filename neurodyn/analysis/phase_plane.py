"""The phase plane of two variables."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._model import AbstractNeuron
from .._parameter import check_whole
from .._paths import named_leaves
from .._types import FloatArray, State
from .equilibrium import settle
from .fixed_points import check_range
from .flow import Pinned, checked, entry, flow_of


class PhasePlane(eqx.Module):
    """The vector field of two variables on a grid. Its nullclines are where `dx` and `dy` are zero: see `nd.plot.phase_plane`.

    **Fields:**

    - `x`, `y`: values on the axes, shapes (n,), (m,).
    - `dx`, `dy`: rates of change, per ms, shape (m, n); NaN where the other variables have no steady state.
    - `drive`: the constant drive.
    - `names`: the paths of x and y.
    """

    x: FloatArray
    y: FloatArray
    dx: FloatArray
    dy: FloatArray
    drive: FloatArray
    names: tuple[str, str] = eqx.field(static=True)


def phase_plane(
    model: AbstractNeuron,
    drive: Any = 0.0,
    *,
    x: str = "v",
    y: str | None = None,
    x_range: tuple[float, float] = (-80.0, 50.0),
    y_range: tuple[float, float] | None = None,
    points: int = 201,
    others: Literal["steady", "held"] = "steady",
    state: State | None = None,
) -> PhasePlane:
    """The vector field of two variables of a model under a constant drive.

    **Arguments:**

    - `model`, `drive`: not changed.
    - `x`, `y`: paths of two scalar states; by default the voltage and, in a model of two variables, the other one.
    - `x_range`, `y_range`: what the axes span; by default y spans its nullcline with a margin.
    - `points`: values on each axis.
    - `others`: any further variables are at their steady state for each x and y (as if they were fast), or held.
    - `state`: where they are held; `model.init()` by default.

    **Returns:** a `PhasePlane`.

    **Raises:** `ValueError` for paths that do not name a scalar state each, and for ranges that are empty.
    """
    drive, held_at = checked(model, drive, state)
    check_whole("points", points, 2)
    if others not in ("steady", "held"):
        raise ValueError(f"others = {others!r} is not allowed: must be 'steady' or 'held'")
    if y is None:
        rest = [path for path in named_leaves(model.init()) if path != x]
        if len(rest) != 1:
            raise ValueError(f"y = None is not allowed for more than two variables: must be one of {', '.join(rest)}")
        y = rest[0]
    places = entry(model, x, "x"), entry(model, y, "y")
    if places[0] == places[1]:
        raise ValueError(f"y = {y!r} is not allowed: must be another state than x")
    xs = jnp.linspace(*check_range("x_range", x_range), points)
    start = model.init() if held_at is None else held_at
    if y_range is None:
        y_range = _span(np.asarray(_steady(model, drive, places, start, xs)))
    ys = jnp.linspace(*check_range("y_range", y_range), points)
    dx, dy = _field(model, drive, places, start, others == "steady", xs, ys)
    return PhasePlane(xs, ys, dx, dy, drive, (x, y))


def _span(values: np.ndarray) -> tuple[float, float]:
    """A range that shows all values, or one unit either way where they are the same."""
    values = values[np.isfinite(values)]
    lower, upper = (values.min(), values.max()) if values.size else (0.0, 0.0)
    margin = 0.1 * (upper - lower) or 1.0
    return float(lower - margin), float(upper + margin)


@eqx.filter_jit
def _steady(model, drive, places: tuple[int, int], state, xs):
    """y at its steady state for each x, the other variables too."""
    flow = flow_of(model)
    u = flow.flatten(state)
    pinned, held = flow.pinned(u, drive), jnp.arange(u.size) == places[0]
    return jax.vmap(lambda x: settle(pinned, held, u.at[places[0]].set(x), drive)[places[1]])(xs)


@eqx.filter_jit
def _field(model, drive, places: tuple[int, int], state, steady: bool, xs, ys):
    flow = flow_of(model)
    u = flow.flatten(state)
    pinned = flow.pinned(u, drive)
    held = (jnp.arange(u.size) == places[0]) | (jnp.arange(u.size) == places[1])

    def rates(y, x):
        at = u.at[places[0]].set(x).at[places[1]].set(y)
        if steady and u.size > 2:
            at = settle(Pinned(flow, pinned.values, pinned.mask & ~held), held, at, drive)
        slope = flow(at, drive)
        return slope[places[0]], slope[places[1]]

    return jax.vmap(lambda y: jax.vmap(lambda x: rates(y, x))(xs))(ys)
