"""Pairing spikes of two trains one to one."""

import jax.numpy as jnp

from ..._types import BoolArray, FloatArray


def match_spikes(data: FloatArray, model: FloatArray, reach: float) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Pair spikes that are each other's nearest and less than `reach` ms apart.

    **Arguments:** `data` shape (n,) and `model` shape (m,): spike times, ms, padded with infinity.

    **Returns:** model minus data time of each spike of the data that has a partner (0 for the others), shape (n,); which spikes of the data have one,
    shape (n,); which of the model's have none, shape (m,).
    """
    real = jnp.isfinite(data)[:, None] & jnp.isfinite(model)[None, :]
    # Infinity minus infinity would put NaN into the gradient.
    ours = jnp.where(jnp.isfinite(model), model, 0.0)
    theirs = jnp.where(jnp.isfinite(data), data, 0.0)
    distance = jnp.where(real, jnp.abs(ours[None, :] - theirs[:, None]), jnp.inf)
    nearest, back = jnp.argmin(distance, axis=1), jnp.argmin(distance, axis=0)
    mutual = back[nearest] == jnp.arange(data.size)
    paired = mutual & (jnp.min(distance, axis=1) < reach)
    taken = jnp.zeros(model.shape, bool).at[nearest].max(paired)
    difference = jnp.where(paired, ours[nearest] - theirs, 0.0)
    return difference, paired, jnp.isfinite(model) & ~taken


def count_spikes(times: FloatArray) -> FloatArray:
    """How many of the padded times are spikes, at least 1: what a loss is divided by."""
    return jnp.maximum(jnp.sum(jnp.isfinite(times)), 1).astype(times.dtype)
