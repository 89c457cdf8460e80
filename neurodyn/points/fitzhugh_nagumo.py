"""The FitzHugh-Nagumo neuron."""

from typing import Any, ClassVar

import jax.numpy as jnp

from .._model import AbstractSpikingNeuron, Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State


class FitzHughNagumo(AbstractSpikingNeuron):
    """`dv/dt = v - v^3 / 3 - w + I`, `dw/dt = epsilon (v + a - b w)`: excitability in two variables, for phase planes. Without units: one unit of time
    is one "ms" of a run.

    With `v -> -v, w -> 2 a / b - w` the drive I becomes `2 a / b - I`.

    Source: FitzHugh (1961), Biophys. J. 1:445; Nagumo, Arimoto and Yoshizawa (1962), Proc. IRE 50:2061; in the form and with the constants of FitzHugh
    (1969), in Schwan, Biological Engineering.

    **Fields:** `a`, `b` (where the nullcline of w crosses that of v), `epsilon` (how slow w is), `detection` (a spike is an upward crossing of it
    by v) and `initial` (the v a run starts from, with w on its nullcline).
    """

    a: Parameter = parameter(0.7)
    b: Parameter = parameter(0.8, lower=0.0, exclusive=True)
    epsilon: Parameter = parameter(0.08, lower=0.0, exclusive=True)
    detection: Parameter = parameter(0.0, trainable=False)
    initial: Parameter = parameter(-1.2, trainable=False)

    resets: ClassVar[bool] = False

    def init(self) -> State:
        """v at `initial`, w at its steady state there."""
        return {"v": self.initial, "w": (self.initial + self.a) / self.b}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        v, w = y["v"], y["w"]
        slope = {"v": v - v**3 / 3 - w + drive, "w": self.epsilon * (v + self.a - self.b * w)}
        return Linearised(slope, {"v": v**2 - 1, "w": self.epsilon * self.b * jnp.ones_like(w)})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}

    def groups(self) -> Any:
        return {"v": 1, "w": 0}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return y["v"] - self.detection

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A spike changes nothing: w brings v back."""
        del t
        return y, fired
