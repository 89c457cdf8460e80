"""The distance of van Rossum."""

from typing import Any

import jax
import jax.numpy as jnp

from .._parameter import ParameterInfo
from .._types import FloatArray
from .trains import as_number, as_trains, gaps, over_pairs


_TAU = ParameterInfo("ms", lower=0.0, exclusive=True)


def van_rossum(first: Any, second: Any, tau: Any) -> FloatArray:
    """The squared distance `(1/tau) int (f - g)^2 dt` of two spike trains, each spike replaced by `exp(-t / tau)` from then on.

    Its root is a metric. A train and silence are n/2 apart when the spikes are far from each other, n^2/2 when tau is long. Differentiable, twice
    too, with respect to times and tau; two spikes at the very same time do not pull at each other.

    Source: van Rossum (2001), Neural Comput. 13:751. Computed in one pass over the merged spikes as in Houghton and Kreuz (2012), Network 23:48,
    which cannot overflow: O(N log N).

    **Arguments:**

    - `first`, `second`: spike times, ms, shapes (..., n) and (..., m), padded with inf; leading axes broadcast.
    - `tau`: ms; a very long one compares counts.

    **Returns:** the squared distance, shape (...,).

    **Raises:** `ValueError` for a time constant that is not positive.
    """
    tau = as_number(tau, "tau", _TAU)
    return _van_rossum(as_trains(first, "first"), as_trains(second, "second"), tau)


@over_pairs
def _van_rossum(first: FloatArray, second: FloatArray, tau: FloatArray) -> FloatArray:
    times = jnp.concatenate([first, second])
    sign = jnp.concatenate([jnp.ones_like(first), -jnp.ones_like(second)])
    sign = jnp.where(jnp.isfinite(times), sign, 0.0)
    order = jnp.argsort(times)
    times, sign = times[order], sign[order]
    gap, _ = gaps(times)
    apart = gap > 0  # a kink where spikes coincide: no derivative there, so that a perfect match stays where it is
    decay = jnp.where(apart, jnp.exp(-jnp.where(apart, gap, 1.0) / tau), 1.0)

    def compose(earlier, later):
        return earlier[0] * later[0], earlier[1] * later[0] + later[1]

    # f - g just before each spike, but for the first: x_i = decay_i (x_i-1 + sign_i-1)
    _, before = jax.lax.associative_scan(compose, (decay, decay * sign[:-1]))
    return 0.5 * jnp.sum(sign**2) + jnp.sum(sign[1:] * before)
