"""The spike response model: a neuron as a sum of kernels."""

import jax
import jax.numpy as jnp

from .._numerics import phi1
from .._parameter import Parameterised, check_positive, check_shape, check_whole, parameter
from .._types import FloatArray, Parameter


class SpikeResponse(Parameterised):
    """The spike response model SRM0: the voltage is a sum of responses to the spikes that arrive and to the last spike sent,

    `v(t) = rest + sum of weights_i epsilon(t - t_i - delay) - depth exp(-(t - last) / tau_refractory)`, with
    `epsilon(s) = (exp(-s / tau) - exp(-s / tau_synapse)) / (1 - tau_synapse / tau)` for s > 0; a spike where v reaches `threshold` from below.

    Source: Gerstner and Kistler (2002), Spiking Neuron Models, section 4.2.3. With `depth = threshold - reset` and `tau_refractory = tau` it is nearly a leaky
    integrate-and-fire neuron with exponential synaptic currents. Only the last spike counts, so a drive that alone exceeds `threshold + depth` stops it
    from firing: there is no crossing from below.

    **Fields:** `weights` mV, of shape (inputs,); `tau`, `tau_synapse`, `tau_refractory` and `delay` ms; `rest` and `threshold` mV; `depth` of the refractory
    kernel, mV.
    """

    weights: Parameter = parameter(unit="mV", spread=5.0)
    tau: Parameter = parameter(20.0, unit="ms", lower=0.0, exclusive=True)
    tau_synapse: Parameter = parameter(5.0, unit="ms", lower=0.0, exclusive=True)
    rest: Parameter = parameter(-65.0, unit="mV", spread=5.0)
    threshold: Parameter = parameter(-50.0, unit="mV", spread=5.0)
    depth: Parameter = parameter(15.0, unit="mV", lower=0.0)
    tau_refractory: Parameter = parameter(20.0, unit="ms", lower=0.0, exclusive=True)
    delay: Parameter = parameter(0.0, unit="ms", lower=0.0)

    def epsilon(self, s: FloatArray) -> FloatArray:
        """The response of the membrane to a spike `s` ms ago, without unit; 0 before it. Also for `tau = tau_synapse`, where it is `s / tau exp(-s / tau)`."""
        s = jnp.where(s > 0, s, 0.0)  # a spike that never comes, at inf, included
        slow = jnp.maximum(self.tau, self.tau_synapse)
        apart = jnp.abs(1 / self.tau_synapse - 1 / self.tau)
        return s / self.tau_synapse * jnp.exp(-s / slow) * phi1(-apart * s)

    def eta(self, s: FloatArray) -> FloatArray:
        """The refractory kernel `s` ms after a spike, mV; 0 before it."""
        after = s >= 0
        return jnp.where(after, -self.depth * jnp.exp(-jnp.where(after, s, 0.0) / self.tau_refractory), 0.0)

    def voltage(self, t: FloatArray, inputs: FloatArray, last: FloatArray | float = jnp.inf) -> FloatArray:
        """The voltage, mV, at one time `t` ms.

        **Arguments:** `inputs`: when spikes arrive at each input, ms, shape (inputs, spikes), padded with inf; `last`: when the unit itself fired last; inf for
        never.

        **Raises:** `ValueError` for inputs of another shape.
        """
        check_shape("inputs", inputs, (self.weights.size, None), "inputs by spikes")
        response = jnp.sum(self.weights * jnp.sum(self.epsilon(t - inputs - self.delay), axis=-1))
        return self.rest + response + self.eta(t - last)

    def spikes(self, inputs: FloatArray, t1: float, max_spikes: int, dt: float = 0.1) -> FloatArray:
        """The first `max_spikes` spikes from 0 to `t1` ms, in order and padded with inf; differentiable, twice too.

        Crossings are looked for every `dt` ms, and a voltage that is above threshold for a shorter time may be missed; those found are exact. If the last entry
        is finite there may be more.

        **Raises:** `ValueError` for inputs of another shape than (inputs, spikes).
        """
        inputs = jnp.asarray(inputs, self.tau.dtype)
        check_positive("t1", t1, "ms")
        check_positive("dt", dt, "ms")
        check_whole("max_spikes", max_spikes)
        grid = jnp.linspace(0.0, t1, max(2, round(t1 / dt) + 1))
        driven = jax.vmap(lambda t: self.voltage(t, inputs))(grid)

        def following(last, _):
            t, found = self._first_crossing(grid, driven, inputs, last)
            return jnp.where(found, t, last), jnp.where(found, t, jnp.inf)

        return jax.lax.scan(following, jnp.full_like(self.tau, jnp.inf), length=max_spikes)[1]

    def _first_crossing(self, grid: FloatArray, driven: FloatArray, inputs: FloatArray, last: FloatArray):
        """The first crossing after `last`, and whether there is one. `driven` is the voltage on the grid without a refractory kernel."""
        stopped, fixed, known = jax.lax.stop_gradient((self, inputs, last))
        driven = jax.lax.stop_gradient(driven)
        fired = jnp.isfinite(known)
        begin = jnp.where(fired, known, grid[0])
        margins = driven + stopped.eta(grid - known) - stopped.threshold
        holds_begin = (grid[:-1] < begin) & (grid[1:] > begin)
        left = jnp.where(holds_begin, stopped.voltage(begin, fixed, known) - stopped.threshold, margins[:-1])
        # At `last` itself the voltage is at threshold to rounding if `depth` is zero: that is no new crossing.
        slack = 1e3 * jnp.finfo(left.dtype).eps * jnp.maximum(jnp.abs(stopped.threshold), 1.0)
        below = jnp.where(holds_begin, left < -slack, left <= 0)
        crosses = (grid[1:] > begin) & below & (margins[1:] > 0)
        interval = jnp.argmax(crosses)

        def halve(_, ends):
            low, high = ends
            middle = (low + high) / 2
            above = stopped.voltage(middle, fixed, known) > stopped.threshold
            return jnp.where(above, low, middle), jnp.where(above, middle, high)

        ends = (jnp.maximum(grid[interval], begin), grid[interval + 1])
        t = jax.lax.fori_loop(0, 50, halve, ends)[1]
        rate = jax.grad(stopped.voltage)(t, fixed, known)
        rate = jnp.where(crosses[interval] & (rate > 0), rate, 1.0)
        # Two steps with this fixed slope carry first and second derivatives, by the implicit function theorem.
        for _ in range(2):
            t = t - jnp.where(crosses[interval], self.voltage(t, inputs, last) - self.threshold, 0.0) / rate
        return t, crosses[interval]
