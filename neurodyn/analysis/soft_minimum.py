"""The soft minimum, on which differentiable alignments rest."""

import jax
import jax.numpy as jnp

from .._types import FloatArray


def soft_minimum(values: FloatArray, gamma: FloatArray) -> FloatArray:
    """`-gamma log sum exp(-x / gamma)` along the first axis."""
    return -gamma * jax.nn.logsumexp(-values / gamma, axis=0)


def soft_cumulative_minimum(values: FloatArray, gamma: FloatArray) -> FloatArray:
    """The soft minimum of each entry and those before it, shape (n,)."""
    return -gamma * jax.lax.cumlogsumexp(-values / gamma)


def large(values: FloatArray) -> FloatArray:
    """A cost that no path takes. Infinity would put NaN into gradients."""
    return jnp.asarray(float(jnp.finfo(values.dtype).max) ** 0.5, values.dtype)
