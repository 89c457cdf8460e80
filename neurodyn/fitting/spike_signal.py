"""Spikes filtered by a causal exponential kernel."""

import jax
import jax.numpy as jnp

from .._types import FloatArray


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


def filtered_impulses(times: FloatArray, ts: FloatArray, tau: FloatArray) -> FloatArray:
    """Spike times filtered in the same way, at the times `ts`; shapes (spikes,) and (n,) -> (n,)."""
    elapsed = ts[:, None] - times[None, :]
    return jnp.sum(jnp.where(elapsed >= 0, jnp.exp(-jnp.maximum(elapsed, 0.0) / tau), 0.0), axis=1)
