"""The adaptive exponential integrate-and-fire neuron."""

from typing import Any, Self

import jax.numpy as jnp
from jax.scipy.special import xlogy

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .flows import ExponentialUpstroke, Following
from .integrate_and_fire import AbstractIntegrateAndFire, check_below, check_upstroke, exponential_chart


class AdEx(AbstractIntegrateAndFire):
    """The adaptive exponential integrate-and-fire neuron:

    `capacitance dv/dt = -g_leak (v - e_leak) + g_leak sharpness exp((v - threshold) / sharpness) - w + I`,
    `tau dw/dt = a (v - e_leak) - w`; at `cut` a spike, then `v = reset` and `w` grows by `b`.

    Source: Brette and Gerstner (2005), J. Neurophysiol. 94:3637, equations 1-3, with the parameters of their figure 2 (the default; their reset potential is
    `e_leak`, their cut 20 mV, which is reached a microsecond later). The eight patterns of Naud et al. (2008), Biol. Cybern. 99:335, figure 4 and table 1,
    are class methods, with the values that Brian 2's example gives to match the figures; `nd.points.adex_patterns()` holds them with their currents.

    The upstroke is solved in closed form: second order in the step through any number of spikes. The error depends on where in its step a spike lies, so the
    derivatives, which are those of the computed times, approach the equation's at first order (by 1 / 500 at the fourteenth spike with a step of 0.1 ms,
    1 / 2500 with 0.025 ms).

    **Fields:** `capacitance` pF, `g_leak` and `a` nS, `e_leak`, `threshold`, `sharpness`, `reset` and `cut` mV, `tau` ms, `b` pA. The drive is a current in pA.
    """

    capacitance: Parameter = parameter(281.0, unit="pF", lower=0.0, exclusive=True)
    g_leak: Parameter = parameter(30.0, unit="nS", lower=0.0, exclusive=True)
    e_leak: Parameter = parameter(-70.6, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.4, unit="mV", spread=5.0)
    sharpness: Parameter = parameter(2.0, unit="mV", lower=0.0, exclusive=True)
    a: Parameter = parameter(4.0, unit="nS", spread=2.0)
    tau: Parameter = parameter(144.0, unit="ms", lower=0.0, exclusive=True)
    b: Parameter = parameter(80.5, unit="pA", spread=40.0)
    reset: Parameter = parameter(-70.6, unit="mV", spread=5.0)
    cut: Parameter = parameter(0.0, unit="mV", trainable=False)

    def __check_init__(self):
        check_below(self, "reset", "cut", "mV", "the unit fires without end")
        check_upstroke(self)

    def init(self) -> State:
        """At `e_leak` and not adapted."""
        return {"v": self.e_leak, "w": jnp.zeros_like(self.e_leak)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        currents = self.observe(t, y, drive)
        slope = {
            "v": (drive - y["w"] - currents["i_leak"] - currents["i_exp"]) / self.capacitance,
            "w": (self.a * (y["v"] - self.e_leak) - y["w"]) / self.tau,
        }
        rate = -currents["i_exp"] / self.capacitance
        upstroke = ExponentialUpstroke(
            rate, self.sharpness, self.g_leak / self.capacitance, -slope["w"] / self.capacitance
        )
        return Linearised(slope, {"v": upstroke, "w": Following(upstroke, slope["v"], self.a / self.tau, 1 / self.tau)})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """The leak `i_leak` and the exponential current `i_exp`, pA, outward like `w`."""
        del t, drive
        v = jnp.minimum(y["v"], self.cut + 3 * self.sharpness)  # beyond the cut a step may get anywhere
        i_exp = -self.g_leak * self.sharpness * jnp.exp((v - self.threshold) / self.sharpness)
        return {"i_leak": self.g_leak * (y["v"] - self.e_leak), "i_exp": i_exp}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return exponential_chart(y["v"], self.cut, self.threshold, self.sharpness, self.g_leak / self.capacitance)

    def event(self, y: State) -> tuple[State, BoolArray | bool]:
        return {"v": self.reset, "w": y["w"] + self.b}, True

    def saddle_node(self) -> FloatArray:
        """The constant current, pA, at which the resting state disappears. It may be unstable before. NaN if `a < -g_leak`: then there always is one."""
        g = self.g_leak + self.a
        return g * (self.threshold - self.e_leak - self.sharpness) + self.sharpness * xlogy(g, g / self.g_leak)

    @classmethod
    def tonic(cls) -> Self:
        """Regular spikes without adaptation at 500 pA."""
        return cls(200.0, 10.0, -70.0, -50.0, 2.0, 2.0, 30.0, 0.0, -58.0)

    @classmethod
    def adaptation(cls) -> Self:
        """Intervals that grow at 500 pA."""
        return cls(200.0, 12.0, -70.0, -50.0, 2.0, 2.0, 300.0, 60.0, -58.0)

    @classmethod
    def initial_burst(cls) -> Self:
        """A burst, then regular spikes, at 400 pA."""
        return cls(130.0, 18.0, -58.0, -50.0, 2.0, 4.0, 150.0, 120.0, -50.0)

    @classmethod
    def regular_bursting(cls) -> Self:
        """Bursts at 210 pA."""
        return cls(200.0, 10.0, -58.0, -50.0, 2.0, 2.0, 120.0, 100.0, -46.0)

    @classmethod
    def delayed_accelerating(cls) -> Self:
        """A late first spike and intervals that shrink at 300 pA."""
        return cls(200.0, 12.0, -70.0, -50.0, 2.0, -10.0, 300.0, 0.0, -58.0)

    @classmethod
    def delayed_regular_bursting(cls) -> Self:
        """A late first spike, then bursts, at 110 pA."""
        return cls(100.0, 10.0, -65.0, -50.0, 2.0, -10.0, 90.0, 30.0, -47.0)

    @classmethod
    def transient(cls) -> Self:
        """One spike at the onset of 180 pA."""
        return cls(100.0, 10.0, -65.0, -50.0, 2.0, 10.0, 90.0, 100.0, -47.0)

    @classmethod
    def irregular(cls) -> Self:
        """Intervals without a period at 160 pA: chaos, from a deterministic model."""
        return cls(100.0, 12.0, -60.0, -50.0, 2.0, -11.0, 130.0, 30.0, -48.0)
