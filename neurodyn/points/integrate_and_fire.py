"""What neurons that fire at a threshold and are reset have in common."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import Tracer

from .._model import AbstractBoundedState, AbstractSpikingNeuron, Linearised
from .._parameter import ParameterInfo
from .._types import BoolArray, FloatArray, RealScalar, State
from .flows import since_divergence


class AbstractIntegrateAndFire(AbstractSpikingNeuron):
    """A neuron that is reset at a spike, all leaves of which move together."""

    resets: ClassVar[bool] = True

    @abstractmethod
    def event(self, y: State) -> tuple[State, BoolArray | bool]:
        """The state after the event that is due in the state `y`, and whether it is a spike."""

    def groups(self) -> Any:
        return jtu.tree_map(lambda _: 0, eqx.filter_eval_shape(type(self).init, self))

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        del t
        after, spike = self.event(y)

        def mix(old, new):
            weight = jnp.asarray(fired, old.dtype)
            return (1 - weight) * old + weight * new

        return jtu.tree_map(mix, y, after), fired * spike


class AbstractRefractory(AbstractIntegrateAndFire, AbstractBoundedState):
    """An integrate-and-fire neuron whose voltage stays where it is for `refractory` ms after a spike.

    The end of that period is an event too, so that it is exact in time and has a gradient: the leaf `refractory` of the state counts down the time that is
    left, and is exactly zero in an active neuron. A period of 0 ms is none: the derivative by it is zero there, and right from the smallest period on.
    """

    refractory: eqx.AbstractVar[FloatArray]

    @abstractmethod
    def flow(self, y: State, drive: Any, active: BoolArray) -> Linearised:
        """How every leaf but `refractory` moves. Nothing that an inactive neuron's slope of `v` holds counts."""

    @abstractmethod
    def above(self, y: State) -> FloatArray:
        """The margin of an active neuron."""

    @abstractmethod
    def after(self, y: State) -> State:
        """Every leaf but `refractory` just after a spike."""

    def state_info(self) -> dict[str, ParameterInfo]:
        return {"refractory": ParameterInfo("ms", lower=0.0)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        active = y["refractory"] == 0
        flow = self.flow(y, drive, active)
        v = jnp.where(active, flow.slope["v"], 0.0)
        left = jnp.where(active, 0.0, -1.0).astype(v.dtype)
        return Linearised({**flow.slope, "v": v, "refractory": left}, {**flow.decay, "refractory": None})

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        del t
        # Rounding leaves a little of the count-down after a whole number of steps: without the slack that is one step more. A step may also take it
        # below zero; it is the event that ends the period.
        slack = 64 * jnp.finfo(y["v"].dtype).eps * self.refractory
        return jnp.where(y["refractory"] == 0, self.above(y), slack - y["refractory"])

    def event(self, y: State) -> tuple[State, BoolArray | bool]:
        """A spike of an active neuron; the end of the refractory period, at which nothing is emitted, of another."""
        active = y["refractory"] == 0
        spiked = {**self.after(y), "refractory": self.refractory}
        recovered = {**y, "refractory": jnp.zeros_like(y["refractory"])}
        return jtu.tree_map(lambda a, b: jnp.where(active, a, b), spiked, recovered), active


def check_below(model: eqx.Module, lower: str, upper: str, unit: str, otherwise: str) -> None:
    """Refuse a model of which a parameter is not smaller than another; traced values pass.

    **Raises:** `ValueError` naming both and what would happen `otherwise`.
    """
    low, high = getattr(model, lower), getattr(model, upper)
    if isinstance(low, Tracer) or isinstance(high, Tracer) or np.all(np.asarray(low) < np.asarray(high)):
        return
    unit = f" {unit}" if unit else ""
    raise ValueError(
        f"{type(model).__name__}.{lower} = {low!s}{unit} is not allowed: must be < {upper} = {high!s}{unit}, or {otherwise}"
    )


def check_upstroke(model: eqx.Module) -> None:
    """Refuse a model whose exponential term overflows below its `cut`; traced values pass.

    **Raises:** `ValueError` naming `sharpness`, `cut`, `threshold` and the smallest sharpness that is allowed.
    """
    cut, threshold, sharpness = (getattr(model, name) for name in ("cut", "threshold", "sharpness"))
    if any(isinstance(x, Tracer) for x in (cut, threshold, sharpness)):
        return
    height = np.asarray(cut) - np.asarray(threshold)
    # Derivatives multiply the term by itself over the sharpness: hence some room.
    limit = float(0.8 * np.log(jnp.finfo(sharpness.dtype).max))
    if not np.all(height <= limit * np.asarray(sharpness)):
        raise ValueError(
            f"{type(model).__name__}.sharpness = {sharpness!s} mV is not allowed: must be >= {np.max(height) / limit:.3g} mV, or the exponential "
            f"term overflows below cut = {cut!s} mV (threshold = {threshold!s} mV); lower cut, or use LIF for an infinitely sharp upstroke"
        )


def exponential_chart(
    v: FloatArray, cut: FloatArray, threshold: FloatArray, sharpness: FloatArray, leak: FloatArray
) -> FloatArray:
    """The margin of a voltage with an exponential upstroke, mV: positive above `cut`, of slope 1 at the rheobase threshold, and, while the exponential term
    dominates, linear in time (which a search for the crossing wants), past the divergence too. `leak` is the membrane's rate, 1/ms."""

    def left(v):
        return jnp.exp(jnp.minimum(-(v - threshold) / sharpness, 80.0))

    return sharpness * (left(cut) - left(v) + leak * since_divergence(v))


def quadratic_chart(v: FloatArray, peak: FloatArray, vertex: FloatArray) -> FloatArray:
    """The same for a quadratic upstroke from `vertex`, of slope 1 at the peak. A voltage that diverges like `1 / (t0 - t)` moves evenly in it and stays
    finite."""
    height = peak - vertex
    width = height / 10

    def moved(x):
        return x / (jnp.abs(x) + width)

    return (height + width) ** 2 / width * (moved(v - vertex) - moved(height))


def check_peak(name: str, peak_name: str, peak: FloatArray, vertex: FloatArray, unit: str) -> None:
    """Refuse a quadratic upstroke that is cut where it has not begun; traced values pass.

    **Raises:** `ValueError` naming the peak and the least that is allowed.
    """
    if isinstance(peak, Tracer) or isinstance(vertex, Tracer) or np.all(np.asarray(peak) > np.asarray(vertex)):
        return
    unit = f" {unit}" if unit else ""
    raise ValueError(
        f"{name}.{peak_name} = {peak!s}{unit} is not allowed: must be > {vertex!s}{unit}, where the slope is least and the upstroke begins"
    )
