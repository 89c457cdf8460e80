"""Izhikevich's quadratic integrate-and-fire neuron with recovery."""

from typing import Any, Self

from .._model import Linearised
from .._parameter import parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from .flows import Following, QuadraticUpstroke
from .integrate_and_fire import AbstractIntegrateAndFire, check_below, check_peak, quadratic_chart


class Izhikevich(AbstractIntegrateAndFire):
    """The simple model: `dv/dt = quadratic v^2 + linear v + constant - u + I`, `du/dt = a (b (v - offset) - leak u)`; at `peak` a spike, then `v = c` and
    `u` grows by `d`.

    Source: Izhikevich (2003), IEEE Trans. Neural Networks 14:1569, equations 1-3 and figure 2, whose cell types are class methods. The twenty patterns of
    Izhikevich (2004), IEEE Trans. Neural Networks 15:1063, figure 1, are `nd.points.izhikevich_patterns()`: they are properties of a forward Euler scheme
    with its step (`nd.points.IzhikevichEuler`) and not all of the differential equation.

    The upstroke is solved in closed form: second order in the step through any number of spikes.

    **Fields:** `a` and `b` 1/ms, `c` and `peak` mV, `d` mV/ms, `quadratic` 1/(mV ms), `linear` 1/ms, `constant` mV/ms, `offset` mV, `leak` (a factor; 0 for
    a `u` that does not decay) and `initial` mV. The drive is a current over a capacitance, mV/ms, and so is `u`.
    """

    a: Parameter = parameter(0.02, unit="1/ms", spread=0.02)
    b: Parameter = parameter(0.2, unit="1/ms", spread=0.1)
    c: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    d: Parameter = parameter(8.0, unit="mV/ms", spread=4.0)
    peak: Parameter = parameter(30.0, unit="mV", trainable=False)
    quadratic: Parameter = parameter(0.04, unit="1/(mV ms)", lower=0.0, exclusive=True, trainable=False)
    linear: Parameter = parameter(5.0, unit="1/ms", trainable=False)
    constant: Parameter = parameter(140.0, unit="mV/ms", trainable=False)
    offset: Parameter = parameter(0.0, unit="mV", trainable=False)
    leak: Parameter = parameter(1.0, trainable=False)
    initial: Parameter = parameter(-65.0, unit="mV", trainable=False, potential=True)

    def __check_init__(self):
        check_below(self, "c", "peak", "mV", "the unit fires without end")
        check_peak(type(self).__name__, "peak", self.peak, -self.linear / (2 * self.quadratic), "mV")

    def init(self) -> State:
        """At `initial` with `u = b (v - offset)`, at which it rests if `leak` is 1."""
        return {"v": self.initial, "u": self.b * (self.initial - self.offset)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        v, u = y["v"], y["u"]
        slope = {
            "v": self.quadratic * v**2 + self.linear * v + self.constant - u + drive,
            "u": self.a * (self.b * (v - self.offset) - self.leak * u),
        }
        upstroke = QuadraticUpstroke(2 * self.quadratic * v + self.linear, self.quadratic, -slope["u"])
        return Linearised(
            slope, {"v": upstroke, "u": Following(upstroke, slope["v"], self.a * self.b, self.a * self.leak)}
        )

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        return quadratic_chart(y["v"], self.peak, -self.linear / (2 * self.quadratic))

    def event(self, y: State) -> tuple[State, BoolArray | bool]:
        return {"v": self.c, "u": y["u"] + self.d}, True

    def saddle_node(self) -> FloatArray:
        """The constant drive, mV/ms, at which the resting state of a model with `leak` 1 disappears. It may be unstable before."""
        return (self.linear - self.b) ** 2 / (4 * self.quadratic) - self.constant - self.b * self.offset

    @classmethod
    def regular_spiking(cls) -> Self:
        """RS, the common excitatory cell of the cortex."""
        return cls(0.02, 0.2, -65.0, 8.0)

    @classmethod
    def intrinsically_bursting(cls) -> Self:
        """IB: a burst, then single spikes."""
        return cls(0.02, 0.2, -55.0, 4.0)

    @classmethod
    def chattering(cls) -> Self:
        """CH: bursts of closely spaced spikes."""
        return cls(0.02, 0.2, -50.0, 2.0)

    @classmethod
    def fast_spiking(cls) -> Self:
        """FS, the inhibitory cell without adaptation."""
        return cls(0.1, 0.2, -65.0, 2.0)

    @classmethod
    def thalamo_cortical(cls) -> Self:
        """TC: tonic from rest, a rebound burst after hyperpolarisation."""
        return cls(0.02, 0.25, -65.0, 0.05)

    @classmethod
    def resonator(cls) -> Self:
        """RZ: oscillates below threshold."""
        return cls(0.1, 0.26, -65.0, 2.0)

    @classmethod
    def low_threshold_spiking(cls) -> Self:
        """LTS, the inhibitory cell that adapts."""
        return cls(0.02, 0.25, -65.0, 2.0)
