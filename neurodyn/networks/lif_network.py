"""Integrate-and-fire neurons with exponential synapses between them."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from .._model import AbstractConnected, AbstractSpikingNeuron, Linearised
from .._parameter import Parameterised, as_floating, check_whole, parameter
from .._types import BoolArray, FloatArray, Parameter, RealScalar, State
from ..points.flows import RelaxationWithInputs
from ..points.integrate_and_fire import check_below


_FREE = 1e9  # ms; what the place for a spike under way holds when there is none


class Axon(Parameterised):
    """What lies between a spike and its being heard.

    A surrogate gradient does not go through it, because a spike that is not there yet is not under way: `Surrogate` is refused.

    **Fields:**

    - `delay`: ms, a number or an array of shape (N,), one for each neuron.
    - `pending`: how many spikes may be under way in one axon. A neuron that fires more often than that within a delay makes the run fail
        (`Status.non_finite`).
    """

    delay: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    pending: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        check_whole("Axon.pending", self.pending)


class LIFNetwork(AbstractSpikingNeuron, AbstractConnected):
    """N leaky integrate-and-fire neurons whose spikes make currents in one another:

    `tau dv/dt = rest - v + resistance (i + I)`, `tau_synapse di/dt = -i`; at `threshold` a spike, then `v = reset`, and, after the `axon`'s delay, `i` of
    neuron j grows by `weights[j, k]` for a spike of neuron k.

    A network with one state, so exact resets and the adaptive path see all its spikes in order: each is delivered at its own instant, inside a step, with the
    rest of the step taken from there. The equations are linear between spikes and solved exactly by the default solver: at a constant drive the spikes are exact
    at any step. Gradients by weights, delays and everything else go through the spikes, as in EventProp.

    Source: Wunderlich and Pehle (2021), Sci. Rep. 11:12829, table 1 (there in units of the threshold).

    **Fields:**

    - `weights`: nA, shape (N, N), target first.
    - `tau`, `tau_synapse` ms, `resistance` Mohm, `rest`, `threshold` and `reset` mV: numbers, or arrays of shape (N,).
    - `axon`: the delay of spikes; None if they are heard at once.

    The drive is a current in nA, one number or an array of shape (N,).
    """

    weights: FloatArray = eqx.field(converter=lambda x: as_floating(x, "LIFNetwork.weights"))
    tau: Parameter = parameter(20.0, unit="ms", lower=0.0, exclusive=True)
    tau_synapse: Parameter = parameter(5.0, unit="ms", lower=0.0, exclusive=True)
    resistance: Parameter = parameter(10.0, unit="Mohm", lower=0.0, exclusive=True)
    rest: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.0, unit="mV", spread=5.0)
    reset: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    axon: Axon | None = None

    resets: ClassVar[bool] = True

    def __check_init__(self):
        shape = self.weights.shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"LIFNetwork.weights of shape {shape} is not allowed: must be (N, N), target first")
        check_below(self, "reset", "threshold", "mV", "the unit fires without end")

    def init(self) -> State:
        """At rest, with no current and no spike under way."""
        zero = jnp.zeros(self.weights.shape[0], self.weights.dtype)
        state = {"v": self.rest + zero, "i": zero}
        if self.axon is None:
            return state
        return {**state, "arrival": jnp.full((zero.size, self.axon.pending), _FREE, zero.dtype)}

    def dynamics(self, t: RealScalar, y: State, drive: Any) -> Linearised:
        del t
        slope = {
            "v": (self.rest - y["v"] + self.resistance * (y["i"] + drive)) / self.tau,
            "i": -y["i"] / self.tau_synapse,
        }
        leak, decay = (jnp.broadcast_to(1 / tau, y["v"].shape) for tau in (self.tau, self.tau_synapse))
        relaxation = RelaxationWithInputs(leak, (self.resistance * y["i"] * leak)[:, None], decay[:, None])
        flow = {"v": relaxation, "i": decay}
        if self.axon is None:
            return Linearised(slope, flow)
        under_way = jnp.where(y["arrival"] < _FREE, -1.0, 0.0).astype(y["arrival"].dtype)
        return Linearised({**slope, "arrival": under_way}, {**flow, "arrival": None})

    def observe(self, t: RealScalar, y: State, drive: Any) -> dict[str, FloatArray]:
        """Nothing besides the state."""
        del t, y, drive
        return {}

    def margin(self, t: RealScalar, y: State) -> FloatArray:
        """Of a neuron that fires, or of the next of its spikes that arrives (by the time left, as if 1 ms were 1 mV)."""
        del t
        above = y["v"] - self.threshold
        if self.axon is None:
            return above
        return jnp.maximum(above, jnp.max(_overdue(y["arrival"], self.axon.delay), axis=1))

    def groups(self) -> Any:
        return dict.fromkeys(self.init(), 0)

    def jump(self, t: RealScalar, y: State, fired: BoolArray | FloatArray) -> tuple[State, BoolArray | FloatArray]:
        """A neuron that fired is reset, and its spike put under way if there is an axon; one of which a spike arrives is heard.

        **Raises:** `ValueError` for a surrogate's `fired`, which is no flag, if there is an axon.
        """
        del t
        if self.axon is None:
            weight = jnp.asarray(fired, y["v"].dtype)
            return {**y, "v": (1 - weight) * y["v"] + weight * self.reset}, fired
        fired = jnp.asarray(fired)
        if fired.dtype != bool:
            raise ValueError(
                "reset = Surrogate is not allowed for a LIFNetwork with an axon: use ExactReset, or axon = None"
            )
        overdue = _overdue(y["arrival"], self.axon.delay)
        arrives = jnp.max(overdue, axis=1) > y["v"] - self.threshold
        heard, spike = fired & arrives, fired & ~arrives
        places = jnp.arange(self.axon.pending)[None, :]
        first = places == jnp.argmax(overdue, axis=1)[:, None]
        arrival = jnp.where(first & heard[:, None], _FREE, y["arrival"])
        free = arrival == _FREE
        taken = places == jnp.argmax(free, axis=1)[:, None]
        delay = jnp.where(jnp.any(free, axis=1), self.axon.delay, jnp.nan)[:, None]
        arrival = jnp.where(taken & spike[:, None], delay, arrival)
        v, i = jnp.where(spike, self.reset, y["v"]), y["i"] + self.weights @ heard.astype(y["i"].dtype)
        return {"v": v, "i": i, "arrival": arrival}, spike

    def hear(self, y: State, emitted: BoolArray | FloatArray) -> State:
        """Every spike by all neurons, unless it has an axon to go through."""
        if self.axon is not None:
            return y
        return {**y, "i": y["i"] + self.weights @ jnp.asarray(emitted, y["i"].dtype)}


def _overdue(arrival: FloatArray, delay: FloatArray) -> FloatArray:
    """How long ago, ms, each spike under way should have arrived. A spike arrives a little early, by less than rounding: or the count-down of a whole number
    of steps would take one step more."""
    return 64 * jnp.finfo(arrival.dtype).eps * jnp.reshape(delay, (-1, 1)) - arrival
