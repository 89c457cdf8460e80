"""The generalised leaky integrate-and-fire neuron."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .after_spike_currents import AfterSpikeCurrents, two_currents
from .flows import Following, RelaxationWithInputs
from .integrate_and_fire import AbstractRefractory, check_below


class GLIF(AbstractRefractory):
    """Leaky integration with after-spike currents `i` and a threshold that depends on spikes, by `theta_s`, and on the voltage, by `theta_v`:

    `capacitance dv/dt = I + sum(i) - g_leak (v - e_leak)`, `di/dt = -decay i`, `dtheta_s/dt = -decay_s theta_s`,
    `dtheta_v/dt = a_v (v - e_leak) - decay_v theta_v`; a spike where `v` reaches `threshold + theta_s + theta_v`.

    Then nothing moves for `refractory` ms, and it goes on from `v = e_leak + fraction (v - e_leak) - drop`, from `ratio i exp(-decay refractory) + increment`,
    from `theta_s exp(-decay_s refractory) + increment_s`, and from the same `theta_v`.

    Source: Teeter et al. (2018), Nat. Commun. 9:709, GLIF 5, with its reset rules; after Mihalas and Niebur (2009), Neural Comput. 21:704. The simpler ones are
    parts of it: in GLIF 1 `after_spike.increment`, `increment_s` and `a_v` are 0, GLIF 2 has `theta_s`, GLIF 3 the currents, and GLIF 4 both. The default is
    a GLIF 5 of ordinary size and none of the published fits.

    Under a constant drive exact but for `theta_v`, which is second order in the step.

    **Fields:** `capacitance` pF, `g_leak` nS, `e_leak` and `threshold` mV, `refractory` ms; of the reset, `fraction` and `drop` mV; `after_spike`:
    `AfterSpikeCurrents`, any number of them; of the threshold, `decay_s` 1/ms, `increment_s` mV, `a_v` and `decay_v` 1/ms. The drive is a current in pA.
    """

    capacitance: Parameter = parameter(100.0, unit="pF", lower=0.0, exclusive=True)
    g_leak: Parameter = parameter(5.0, unit="nS", lower=0.0, exclusive=True)
    e_leak: Parameter = parameter(-70.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.0, unit="mV", spread=5.0)
    refractory: Parameter = parameter(2.0, unit="ms", lower=0.0)
    fraction: Parameter = parameter(0.2, spread=0.2)
    drop: Parameter = parameter(1.0, unit="mV", spread=5.0)
    after_spike: AfterSpikeCurrents = eqx.field(default_factory=two_currents)
    decay_s: Parameter = parameter(0.05, unit="1/ms", lower=0.0)
    increment_s: Parameter = parameter(2.0, unit="mV", spread=2.0)
    a_v: Parameter = parameter(0.005, unit="1/ms", spread=0.01)
    decay_v: Parameter = parameter(0.03, unit="1/ms", lower=0.0)

    def __check_init__(self):
        check_below(self, "reset", "threshold", "mV", "the unit fires without end")

    @property
    def reset(self) -> FloatArray:
        """Where a spike leads from `threshold`, mV, by `fraction` and `drop`."""
        return self.e_leak + self.fraction * (self.threshold - self.e_leak) - self.drop

    def init(self) -> State:
        """At rest, not refractory, without after-effects of a spike."""
        zero, none = jnp.zeros_like(self.e_leak), jnp.zeros_like(self.after_spike.increment)
        return {"v": self.e_leak, "i": none, "theta_s": zero, "theta_v": zero, "refractory": zero}

    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        decay, total = self.after_spike.decay, jnp.sum(y["i"])
        height = y["v"] - self.e_leak
        slope = {
            "v": (drive + total - self.g_leak * height) / self.capacitance,
            "i": -decay * y["i"],
            "theta_s": -self.decay_s * y["theta_s"],
            "theta_v": self.a_v * height - self.decay_v * y["theta_v"],
        }
        slope, inputs = jtu.tree_map(lambda x: jnp.where(active, x, 0.0), (slope, y["i"] / self.capacitance))
        relaxation = RelaxationWithInputs(self.g_leak / self.capacitance, inputs, decay)
        following = Following(relaxation, slope["v"], self.a_v, self.decay_v)
        return Linearised(slope, {"v": relaxation, "i": decay, "theta_s": self.decay_s, "theta_v": following})

    def above(self, y: State) -> FloatArray:
        return y["v"] - self.threshold - y["theta_s"] - y["theta_v"]

    def after(self, y: State) -> State:
        currents = self.after_spike
        return {
            "v": self.reset + self.fraction * (y["v"] - self.threshold),
            "i": currents.ratio * y["i"] * jnp.exp(-currents.decay * self.refractory) + currents.increment,
            "theta_s": y["theta_s"] * jnp.exp(-self.decay_s * self.refractory) + self.increment_s,
            "theta_v": y["theta_v"],
        }

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """The threshold of the moment, mV, by the name `theta`."""
        del t, drive
        return {"theta": self.threshold + y["theta_s"] + y["theta_v"]}
