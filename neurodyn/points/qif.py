"""The quadratic integrate-and-fire neuron."""

from typing import Any

import jax.numpy as jnp

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .flows import QuadraticUpstroke
from .integrate_and_fire import AbstractRefractory, check_below, check_peak, quadratic_chart


class QIF(AbstractRefractory):
    """`tau dv/dt = v^2 + I`; at `threshold` a spike, then `reset` for `refractory` ms. Without unit: the normal form of every neuron that begins to fire by a
    saddle-node on an invariant circle.

    Source: Ermentrout and Kopell (1986), SIAM J. Appl. Math. 46:233; Latham et al. (2000), J. Neurophysiol. 83:808. Period for bounds that are far away:
    `pi tau / sqrt(I)`; for others `tau / sqrt(I) (atan(threshold / sqrt(I)) - atan(reset / sqrt(I)))`. `Theta` has them at infinity.

    Exact under a constant drive.

    **Fields:** `tau` ms, `threshold` > 0 and `reset` without unit, `refractory` ms. The drive has no unit.
    """

    tau: Parameter = parameter(10.0, unit="ms", lower=0.0, exclusive=True)
    threshold: Parameter = parameter(10.0, upper=1e5, spread=5.0)
    reset: Parameter = parameter(-10.0, lower=-1e5, spread=5.0)
    refractory: Parameter = parameter(0.0, unit="ms", lower=0.0)

    def __check_init__(self):
        check_below(self, "reset", "threshold", "", "the unit fires without end")
        check_peak(type(self).__name__, "threshold", self.threshold, jnp.zeros_like(self.threshold), "")

    def init(self) -> State:
        """At 0, where it rests without a drive, and not refractory."""
        return {"v": jnp.zeros_like(self.tau), "refractory": jnp.zeros_like(self.tau)}

    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        del active
        upstroke = QuadraticUpstroke(2 * y["v"] / self.tau, 1 / self.tau)
        return Linearised({"v": (y["v"] ** 2 + drive) / self.tau}, {"v": upstroke})

    def above(self, y: State) -> FloatArray:
        return quadratic_chart(y["v"], self.threshold, jnp.zeros_like(self.threshold))

    def after(self, y: State) -> State:
        del y
        return {"v": self.reset}

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}
