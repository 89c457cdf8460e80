"""The Hindmarsh-Rose neuron."""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._model import AbstractSpikingNeuron, Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State


class HindmarshRose(AbstractSpikingNeuron):
    """`dv/dt = y - a v^3 + b v^2 - z + I`, `dy/dt = c - d v^2 - y`, `dz/dt = r (s (v - rest) - z)`: spikes, bursts and chaos in three variables. The
    source calls v x. Without units: one unit of time is one "ms" of a run.

    Silent, then single spikes, bursts, chaos and regular spikes as the drive grows from 1.3 to 4.

    Source: Hindmarsh and Rose (1984), Proc. R. Soc. Lond. B 221:87, equations 4; r = 0.006 and rest = -1.6.

    **Fields:** `a`, `b`, `c`, `d` (the fast variables v and y), `r`, `s`, `rest` (how slowly, how strongly and about which v the slow current z adapts),
    `detection` (a spike is an upward crossing of it by v) and `initial` (the v a run starts from, with y and z at their steady state there).
    """

    a: Parameter = parameter(1.0, lower=0.0, exclusive=True)
    b: Parameter = parameter(3.0)
    c: Parameter = parameter(1.0)
    d: Parameter = parameter(5.0)
    r: Parameter = parameter(0.006, lower=0.0, exclusive=True)
    s: Parameter = parameter(4.0)
    rest: Parameter = parameter(-1.6)
    detection: Parameter = parameter(0.0, trainable=False)
    initial: Parameter = parameter(-1.6, trainable=False)

    resets: ClassVar[bool] = False

    def init(self) -> State:
        """v at `initial`, y and z at their steady state there."""
        v = self.initial
        return {"v": v, "y": self.c - self.d * v**2, "z": self.s * (v - self.rest)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        v, fast, slow = y["v"], y["y"], y["z"]
        slope = {
            "v": fast - self.a * v**3 + self.b * v**2 - slow + drive,
            "y": self.c - self.d * v**2 - fast,
            "z": self.r * (self.s * (v - self.rest) - slow),
        }
        decay = {"v": v * (3 * self.a * v - 2 * self.b), "y": jnp.ones_like(fast), "z": self.r * jnp.ones_like(slow)}
        return Linearised(slope, decay)

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}

    def groups(self) -> Any:
        return {"v": 1, "y": 0, "z": 0}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["v"] - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: y and z bring v back."""
        del t
        return y, fired
