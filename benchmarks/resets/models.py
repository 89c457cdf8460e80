"""Models that reset, from cheap steps to expensive ones, with a drive for each neuron of a population at which it fires as usual."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

import neurodyn as nd


class ResettingHodgkinHuxley(nd.AbstractSpikingNeuron):
    """Hodgkin and Huxley's membrane, put back to -65 mV when it crosses 0 mV. Its gates stay as they are: no model of anything, but steps that cost what
    those of conductance-based neurons do."""

    membrane: nd.HodgkinHuxley = eqx.field(default_factory=nd.HodgkinHuxley)

    resets: ClassVar[bool] = True

    def init(self):
        return self.membrane.init()

    def dynamics(self, t, y, drive):
        return self.membrane.dynamics(t, y, drive)

    def observe(self, t, y, drive):
        return self.membrane.observe(t, y, drive)

    def groups(self):
        return self.membrane.groups()

    def margin(self, t, y):
        return self.membrane.margin(t, y)

    def jump(self, t, y, fired):
        weight = jnp.asarray(fired, y["v"].dtype)
        return {**y, "v": (1 - weight) * y["v"] + weight * self.membrane.initial}, fired


class Subject(NamedTuple):
    """A model and the range of its drive."""

    model: Callable[[], nd.AbstractSpikingNeuron]
    weakest: float
    strongest: float
    drive: str


SUBJECTS = {
    "LIF": Subject(nd.LIF, 1.4, 3.0, "1.4 to 3.0 nA"),
    "AdEx": Subject(nd.AdEx, 600.0, 1200.0, "600 to 1200 pA"),
    "HH": Subject(ResettingHodgkinHuxley, 3.0, 6.0, "3 to 6 uA/cm2"),
}
RESETS = {"grid": nd.GridReset(), "exact": nd.ExactReset()}
T1 = 200.0  # ms


def work(
    subject: str, reset: str, dt: float, kind: str, neurons: int, t1: float = T1
) -> tuple[Callable, tuple[Any, ...]]:
    """A function and its arguments. `kind`: `"forward"` counts the spikes of each neuron, `"gradient"` is that of the mean voltage by all parameters."""
    known = SUBJECTS[subject]
    method = nd.FixedStep(dt, reset=RESETS[reset])
    drives = jnp.linspace(known.weakest, known.strongest, neurons)

    def forward(model, drives):
        return _reduced(model, drives, method, t1, nd.reducers.SpikeCount())

    def loss(model, drives):
        return jnp.mean(_reduced(model, drives, method, t1, nd.reducers.Mean("v")))

    return {"forward": forward, "gradient": jax.value_and_grad(loss)}[kind], (known.model(), drives)


def _reduced(model, drives, method, t1, reducer):
    def one(model, drive):
        return nd.simulate(model, nd.Step(drive), t1, method=method, reduce={"it": reducer}).reduced["it"]

    return nd.vmap(one, (None, 0))(model, drives)
