"""The theta neuron."""

from typing import Any

import jax.numpy as jnp

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .flows import Rotation
from .integrate_and_fire import AbstractIntegrateAndFire


class Theta(AbstractIntegrateAndFire):
    """`tau dtheta/dt = 1 - cos(theta) + (1 + cos(theta)) I`; at `theta = pi` a spike, and the phase goes on from `-pi`.

    Source: Ermentrout and Kopell (1986), SIAM J. Appl. Math. 46:233. With `v = tan(theta / 2)` it is `QIF` with bounds at infinity. Period for a drive above
    0, where firing begins: `pi tau / sqrt(I)`.

    Exact under a constant drive.

    **Fields:** `tau` ms. The drive has no unit.
    """

    tau: Parameter = parameter(10.0, unit="ms", lower=0.0, exclusive=True)

    def init(self) -> State:
        """At 0, where it rests without a drive."""
        return {"theta": jnp.zeros_like(self.tau)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        cos = jnp.cos(y["theta"])
        slope = (1 - cos + (1 + cos) * drive) / self.tau
        return Linearised({"theta": slope}, {"theta": Rotation(drive, self.tau)})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["theta"] - jnp.pi

    def event(self, y: State) -> tuple[State, BoolArray | bool]:
        return {"theta": y["theta"] - 2 * jnp.pi}, True
