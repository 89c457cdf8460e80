"""The generalised integrate-and-fire neuron with adaptation currents and a moving threshold."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .adaptation import Adaptation, as_currents
from .flows import ExponentialUpstroke, Following, MovingUpstroke
from .integrate_and_fire import AbstractRefractory, check_below, check_upstroke, exponential_chart


def _currents() -> dict[str, Adaptation]:
    return {"fast": Adaptation(30.0, 0.0, 30.0), "slow": Adaptation(150.0, 2.0, 10.0)}


class GIF(AbstractRefractory):
    """Integration with an exponential upstroke, any number of adaptation currents `w`, and a threshold that follows spikes, by `theta_s`, and the voltage, by
    `theta_v`:

    `capacitance dv/dt = I - g_leak (v - e_leak) + g_leak sharpness exp((v - theta) / sharpness) - sum(w)`, `theta = threshold + theta_s + theta_v`,
    `tau dw/dt = a (v - e_leak) - w`, `tau_s dtheta_s/dt = -theta_s`, `tau_v dtheta_v/dt = coupling (v - e_leak) - theta_v`.

    At `cut` a spike: then `v = reset` for `refractory` ms while the rest goes on, each `w` grows by its `b` and `theta_s` by `increment`.

    Source: Mensi et al. (2012), J. Neurophysiol. 107:1756 and Pozzorini et al. (2015), PLOS Comput. Biol. 11:e1004275 (spike-triggered currents and threshold);
    Mensi et al. (2016), PLOS Comput. Biol. 12:e1004761 (threshold that follows the voltage, here in proportion to it); Richardson, Brunel and Hakim (2003), J.
    Neurophysiol. 89:2538 (currents that follow the voltage). Theirs fire at random; this one does not, and has the upstroke of `EIF` instead. With one current
    and no movement of the threshold it is `AdEx` with a refractory period.

    The upstroke is solved in closed form: second order in the step.

    **Fields:** `capacitance` pF, `g_leak` nS, `e_leak`, `threshold`, `sharpness`, `reset` and `cut` mV, `refractory` ms; `currents`: `Adaptation` by name; of the
    threshold, `increment` mV and `tau_s` ms, `coupling` (mV per mV) and `tau_v` ms. The drive is a current in pA.
    """

    capacitance: Parameter = parameter(100.0, unit="pF", lower=0.0, exclusive=True)
    g_leak: Parameter = parameter(5.0, unit="nS", lower=0.0, exclusive=True)
    e_leak: Parameter = parameter(-70.0, unit="mV", spread=5.0, potential=True)
    threshold: Parameter = parameter(-45.0, unit="mV", spread=5.0, potential=True)
    sharpness: Parameter = parameter(1.5, unit="mV", lower=0.0, exclusive=True)
    reset: Parameter = parameter(-55.0, unit="mV", spread=5.0, potential=True)
    cut: Parameter = parameter(0.0, unit="mV", trainable=False)
    refractory: Parameter = parameter(3.0, unit="ms", lower=0.0)
    currents: dict[str, Adaptation] = eqx.field(default_factory=_currents, converter=as_currents)
    increment: Parameter = parameter(3.0, unit="mV", spread=2.0)
    tau_s: Parameter = parameter(50.0, unit="ms", lower=0.0, exclusive=True)
    coupling: Parameter = parameter(0.1, spread=0.2)
    tau_v: Parameter = parameter(10.0, unit="ms", lower=0.0, exclusive=True)

    def __check_init__(self):
        check_below(self, "reset", "cut", "mV", "the unit fires without end")
        check_upstroke(self)

    def init(self) -> State:
        """At `e_leak`, neither adapted nor refractory."""
        zero = jnp.zeros_like(self.e_leak)
        return {
            "v": self.e_leak,
            "w": dict.fromkeys(self.currents, zero),
            "theta_s": zero,
            "theta_v": zero,
            "refractory": zero,
        }

    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        height = y["v"] - self.e_leak
        upward = self._upward(y["v"], self._theta(y))
        w = {name: (x.a * height - y["w"][name]) / x.tau for name, x in self.currents.items()}
        outward = self.g_leak * height - upward + sum(y["w"].values(), start=jnp.zeros_like(height))
        slope = {
            "v": (drive - outward) / self.capacitance,
            "w": w,
            "theta_s": -y["theta_s"] / self.tau_s,
            "theta_v": (self.coupling * height - y["theta_v"]) / self.tau_v,
        }
        v, rise, drift = (
            jnp.where(active, x, 0.0)
            for x in (
                slope["v"],
                slope["theta_s"] + slope["theta_v"],
                -sum(w.values(), start=jnp.zeros_like(height)) / self.capacitance,
            )
        )
        leak = self.g_leak / self.capacitance
        flow = MovingUpstroke(ExponentialUpstroke(upward / self.capacitance, self.sharpness, leak, drift), rise)
        decay = {
            "v": flow,
            "w": {name: Following(flow, v, x.a / x.tau, 1 / x.tau) for name, x in self.currents.items()},
            "theta_s": 1 / self.tau_s,
            "theta_v": Following(flow, v, self.coupling / self.tau_v, 1 / self.tau_v),
        }
        return Linearised(slope, decay)

    def above(self, y: State) -> FloatArray:
        return exponential_chart(y["v"], self.cut, self._theta(y), self.sharpness, self.g_leak / self.capacitance)

    def after(self, y: State) -> State:
        return {
            "v": self.reset,
            "w": {name: y["w"][name] + x.b for name, x in self.currents.items()},
            "theta_s": y["theta_s"] + self.increment,
            "theta_v": y["theta_v"],
        }

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """The threshold of the moment `theta`, mV."""
        del t, drive
        return {"theta": self._theta(y)}

    def steady_current(self, v: FloatArray) -> FloatArray:
        """The outward current, pA, when `v` mV has been held for ever: zero at rest, and its slope there is one over the input resistance."""
        height = v - self.e_leak
        conductance = self.g_leak + sum((x.a for x in self.currents.values()), start=jnp.zeros_like(self.g_leak))
        return conductance * height - self._upward(v, self.threshold + self.coupling * height)

    def _theta(self, y: State) -> FloatArray:
        return self.threshold + y["theta_s"] + y["theta_v"]

    def _upward(self, v: FloatArray, theta: FloatArray) -> FloatArray:
        """The exponential current, pA, inward. Beyond the cut a step may get anywhere."""
        seen = jnp.minimum(v, self.cut + 3 * self.sharpness)
        return self.g_leak * self.sharpness * jnp.exp((seen - theta) / self.sharpness)
