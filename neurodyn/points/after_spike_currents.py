"""Currents that a spike leaves behind."""

import jax.numpy as jnp

from .._parameter import Parameterised, parameter
from .._types import Parameter


class AfterSpikeCurrents(Parameterised):
    """Currents that flow after a spike, each with its own decay.

    **Fields**, arrays of shape (n,): `decay` 1/ms, `increment` pA, and `ratio`, what a spike leaves of the current before it.
    """

    decay: Parameter = parameter(unit="1/ms", lower=0.0)
    increment: Parameter = parameter(unit="pA", spread=20.0)
    ratio: Parameter = parameter(trainable=False)

    def __check_init__(self):
        shapes = {name: jnp.shape(getattr(self, name)) for name in ("decay", "increment", "ratio")}
        if len(set(shapes.values())) > 1 or not shapes["decay"]:
            raise ValueError(f"AfterSpikeCurrents of shapes {shapes} are not allowed: must be arrays of one shape (n,)")


def two_currents() -> AfterSpikeCurrents:
    """A slow and a fast one of ordinary size, outward."""
    return AfterSpikeCurrents(jnp.asarray([0.01, 0.1]), jnp.asarray([-5.0, -20.0]), jnp.asarray([1.0, 1.0]))
