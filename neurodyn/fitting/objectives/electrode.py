"""What an electrode adds to a membrane's voltage."""

import jax
import jax.numpy as jnp

from ..._parameter import Parameterised, parameter
from ..._types import FloatArray, Parameter


class Electrode(Parameterised):
    """A patch electrode between the membrane and the amplifier: `recorded = v + resistance * current + junction`, low-pass filtered.

    **Fields:**

    - `resistance`: series resistance that was not compensated, Mohm; the current is in pA.
    - `junction`: the liquid junction potential that is still in the recording, mV.
    - `filter`: time constant of the recording's low-pass filter, ms; 0 for none.
    """

    resistance: Parameter = parameter(0.0, unit="Mohm", lower=0.0, trainable=False, spread=5.0)
    junction: Parameter = parameter(0.0, unit="mV", trainable=False, spread=5.0)
    filter: Parameter = parameter(0.0, unit="ms", lower=0.0, trainable=False, spread=0.1)

    def record(self, v: FloatArray, current: FloatArray, dt: float) -> FloatArray:
        """What the amplifier shows, mV, for a membrane at `v` mV into which `current` pA is injected, both of shape (n,), `dt` ms apart."""
        drop = 1e-3 * self.resistance * current  # Mohm pA = uV
        return low_pass(v + drop + self.junction, self.filter, dt)


def low_pass(signal: FloatArray, tau: FloatArray, dt: float) -> FloatArray:
    """A first-order low-pass filter with time constant `tau` ms, exact for a signal that is linear between its samples `dt` ms apart."""
    some = tau > 0
    x = dt / jnp.where(some, tau, 1.0)
    decay = jnp.where(some, jnp.exp(-x), 0.0)
    ramp = jnp.where(some, 1 - (1 - decay) / x, 1.0)  # weight of the new sample; the old one has the rest of 1 - decay

    def step(state, pair):
        before, now = pair
        state = decay * state + (1 - decay - ramp) * before + ramp * now
        return state, state

    _, filtered = jax.lax.scan(step, signal[0], (signal[:-1], signal[1:]))
    return jnp.concatenate([signal[:1], filtered])
