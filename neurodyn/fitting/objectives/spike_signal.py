"""Spikes filtered by a causal exponential kernel."""

import jax
import jax.numpy as jnp

from ..._types import FloatArray


_BIN = 0.5  # ms; the filtered signals are compared this often, and are exact there


def filtered_spikes(spikes: FloatArray, dt: float, tau: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Filter a spike density: `sum_k spikes_k exp(-(t - t_k) / tau)` with t_k in the middle of step k.

    **Arguments:** `spikes` shape (steps,), the spikes in each step of `dt` ms; `tau` ms.

    **Returns:** times (ms), the filtered signal at them, and their spacing.
    """
    per_bin = max(1, round(_BIN / dt))
    bins = -(-spikes.shape[0] // per_bin)
    padded = jnp.pad(spikes, (0, bins * per_bin - spikes.shape[0])).reshape(bins, per_bin)
    to_end = dt * (per_bin - 0.5 - jnp.arange(per_bin, dtype=spikes.dtype))
    width = per_bin * dt
    decay = jnp.exp(-width / tau)

    def step(signal, added):
        signal = decay * signal + added
        return signal, signal

    _, signal = jax.lax.scan(step, jnp.zeros((), spikes.dtype), padded @ jnp.exp(-to_end / tau))
    return width * jnp.arange(1, bins + 1, dtype=spikes.dtype), signal, width


def bin_ends(duration: float) -> tuple[FloatArray, float]:
    """Times at which filtered signals of a run of `duration` ms are compared, and their spacing."""
    bins = max(1, round(duration / _BIN))
    return duration / bins * jnp.arange(1, bins + 1, dtype=float), duration / bins


def filtered_impulses(times: FloatArray, ts: FloatArray, tau: FloatArray) -> FloatArray:
    """Spike times filtered in the same way, at the times `ts`; shapes (spikes,) and (n,) -> (n,); infinite times are padding."""
    elapsed = ts[:, None] - jnp.where(jnp.isfinite(times), times, 0.0)[None, :]
    past = (elapsed >= 0) & jnp.isfinite(times)[None, :]
    return jnp.sum(jnp.where(past, jnp.exp(-jnp.maximum(elapsed, 0.0) / tau), 0.0), axis=1)


def averaged_impulses(times: FloatArray, ends: FloatArray, width: float, tau: FloatArray) -> FloatArray:
    """Filtered spike times averaged over bins of `width` ms that end at `ends`, shape (n,): unlike the signal at single times these have the right
    derivative with respect to a spike time."""
    elapsed = ends[:, None] - jnp.where(jnp.isfinite(times), times, 0.0)[None, :]
    since = jnp.maximum(elapsed, 0.0)  # from the spike to the end of the bin
    first = jnp.maximum(elapsed - width, 0.0)  # from the spike to the part of the bin after it
    area = tau * (jnp.exp(-first / tau) - jnp.exp(-since / tau))
    return jnp.sum(jnp.where(jnp.isfinite(times)[None, :], area, 0.0), axis=1) / width
