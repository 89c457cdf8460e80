"""What the workers of the layer have in common: spike times and their derivatives, timed on demand and handed out. In single precision, Eventax's default."""

from collections.abc import Callable
from typing import Any

from ..speed import worker
from .layer import currents


def serve(spikes: Callable[[Any], Any]) -> None:
    """Answer requests. `spikes` gives the times of all spikes of each neuron, padded with inf, from the current of each neuron."""
    import jax
    import jax.numpy as jnp

    ready: dict[str, worker.Work] = {}

    def loss(x):
        times = spikes(x)
        return jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0))

    functions = {"forward": spikes, "gradient": jax.grad(loss)}

    def prepare(kind, n):
        ready[kind] = worker.compiled(functions[kind], jnp.asarray(currents(n), jnp.float32))
        return ready[kind]

    def trace():
        """Times and derivatives of the last work."""
        return jnp.concatenate([ready[kind].run().ravel() for kind in functions])

    worker.serve(prepare, trace)
