"""How often units fire, on average and over time."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._parameter import ParameterInfo
from .._types import FloatArray
from .trains import as_number, as_trains, as_window


_WIDTH = ParameterInfo("ms", lower=0.0, exclusive=True)


def firing_rate(times: Any, start: Any, stop: Any) -> FloatArray:
    """Spikes per second (Hz) from `start` to `stop`, both included.

    **Arguments:** `times`: ms, shape (..., spikes), padded with inf; `start`, `stop`: ms.

    **Returns:** shape (...,).

    **Raises:** `ValueError` for an empty window.
    """
    start, stop = as_window(start, stop)
    times = as_trains(times, "times")
    return 1e3 * jnp.sum((times >= start) & (times <= stop), axis=-1) / (stop - start)


def instantaneous_rate(
    times: Any, at: Any, width: Any, kernel: Literal["gaussian", "exponential"] = "gaussian"
) -> FloatArray:
    """The rate (Hz) over time: each spike smeared out by a kernel of unit area. Differentiable with respect to the spike times and the width.

    **Arguments:**

    - `times`: ms, shape (..., spikes), padded with inf.
    - `at`: the times at which the rate is wanted, ms, shape (n,).
    - `width`: standard deviation of the Gaussian, or time constant of the exponential, ms.
    - `kernel`: `"gaussian"`, or `"exponential"`, which is causal: a spike counts only after it happened.

    **Returns:** shape (..., n). The mean over trials is the smoothed form of `psth`.

    **Raises:** `ValueError` for a width that is not positive or a kernel that is not known.
    """
    if kernel not in ("gaussian", "exponential"):
        raise ValueError(f"kernel = {kernel!r} is not allowed: must be 'gaussian' or 'exponential'")
    width = as_number(width, "width", _WIDTH)
    at = jnp.asarray(at, dtype=float)
    if at.ndim != 1:
        raise ValueError(f"at of shape {at.shape} is not allowed: must be one-dimensional")
    core = _gaussian if kernel == "gaussian" else _exponential
    return core(as_trains(times, "times"), at, width)


def _elapsed(times: FloatArray, at: FloatArray, width: FloatArray) -> tuple[FloatArray, Any]:
    """Widths since each spike, shape (..., n, spikes), and which spikes there are."""
    there = jnp.isfinite(times)[..., None, :]
    times = jnp.where(there, times[..., None, :], 0.0)
    return (at.reshape((1,) * (times.ndim - 2) + (-1, 1)) - times) / width, there


@jax.jit
def _gaussian(times: FloatArray, at: FloatArray, width: FloatArray) -> FloatArray:
    z, there = _elapsed(times, at, width)
    return 1e3 * jnp.sum(jnp.where(there, jnp.exp(-0.5 * z**2), 0.0), axis=-1) / (width * np.sqrt(2 * np.pi))


@jax.jit
def _exponential(times: FloatArray, at: FloatArray, width: FloatArray) -> FloatArray:
    z, there = _elapsed(times, at, width)
    past = there & (z >= 0)
    return 1e3 * jnp.sum(jnp.where(past, jnp.exp(-jnp.where(past, z, 0.0)), 0.0), axis=-1) / width


def psth(times: Any, edges: Any) -> FloatArray:
    """The peristimulus time histogram: the mean rate (Hz) over trials in each bin.

    **Arguments:**

    - `times`: ms, shape (..., trials, spikes), padded with inf.
    - `edges`: of the bins, ms, shape (bins + 1,), ascending. A bin includes its left edge.

    **Returns:** shape (..., bins). A histogram has no derivative by the spike times; `instantaneous_rate` does.

    **Raises:** `ValueError` for edges that do not ascend, or times without an axis of trials.
    """
    times, edges = as_trains(times, "times"), jnp.asarray(edges, dtype=float)
    if times.ndim < 2:
        raise ValueError(
            f"times of shape {times.shape} is not allowed: must have an axis of trials, (..., trials, spikes)"
        )
    if edges.ndim != 1 or edges.size < 2:
        raise ValueError(f"edges of shape {edges.shape} is not allowed: must be one-dimensional with two edges or more")
    if not isinstance(edges, Tracer) and not bool(jnp.all(jnp.diff(edges) > 0)):
        raise ValueError("edges is not allowed: must ascend")
    return _psth(times, edges)


@jax.jit
def _psth(times: FloatArray, edges: FloatArray) -> FloatArray:
    before = jax.vmap(lambda edge: jnp.sum(times < edge, axis=(-2, -1)), out_axes=-1)(edges)
    counts, widths = jnp.diff(before, axis=-1), jnp.diff(edges)
    return 1e3 * counts / (times.shape[-2] * widths.reshape((1,) * (counts.ndim - 1) + (-1,)))
