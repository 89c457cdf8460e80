"""Units that are not differential equations: threshold units, and the response of a neuron to spikes as a sum of kernels."""

import jax
import jax.numpy as jnp

from .._numerics import phi1
from .._parameter import Parameterised, check_positive, check_whole, parameter
from .._types import FloatArray, IntArray, Parameter


class McCullochPitts(Parameterised):
    """A threshold unit: 1 where `weights . x >= threshold`, else 0.

    Source: McCulloch and Pitts (1943), Bull. Math. Biophys. 5:115. Their inhibition is absolute: a weight below minus the sum of the positive ones. One unit
    makes 14 of the 16 Boolean functions of two inputs; the exclusive or takes two layers.

    **Fields:** `weights` of shape (n,); `threshold`. The output has no gradient: see `Perceptron` for one that has.
    """

    weights: Parameter = parameter()
    threshold: Parameter = parameter(1.0)

    def __call__(self, x: FloatArray) -> FloatArray:
        """The output, 0 or 1, for inputs of shape (n,)."""
        return jnp.where(jnp.dot(self.weights, x) >= self.threshold, 1.0, 0.0).astype(self.weights.dtype)


class Perceptron(Parameterised):
    """A linear classifier with its learning rule: the class is the sign of `weights . x + bias`.

    Source: Rosenblatt (1958), Psychol. Rev. 65:386. If some unit vector separates the patterns by a margin gamma and they lie within R (each extended by a 1
    for the bias), learning from zero weights makes at most (R / gamma)^2 mistakes (Novikoff 1962), in whatever order they come.

    **Fields:** `weights` of shape (n,); `bias`.
    """

    weights: Parameter = parameter()
    bias: Parameter = parameter(0.0)

    def score(self, x: FloatArray) -> FloatArray:
        """`weights . x + bias` for inputs of shape (n,)."""
        return jnp.dot(self.weights, x) + self.bias

    def __call__(self, x: FloatArray) -> FloatArray:
        """The class, 1 or -1, for inputs of shape (n,). It has no gradient."""
        return jnp.where(self.score(x) > 0, 1.0, -1.0).astype(self.weights.dtype)

    def probability(self, x: FloatArray) -> FloatArray:
        """The logistic function of the score, between 0 and 1: the smooth output, for training by gradients."""
        return jax.nn.sigmoid(self.score(x))

    def update(self, x: FloatArray, label: FloatArray, rate: float = 1.0) -> tuple["Perceptron", IntArray]:
        """The unit after it has seen inputs of shape (n,) of the class `label` (1 or -1), and 1 if it was wrong, else 0: then `rate label x` was added to the
        weights."""
        wrong = label * self.score(x) <= 0
        change = jnp.where(wrong, rate * label, 0.0)
        return Perceptron(self.weights + change * x, self.bias + change), wrong.astype(int)

    def learn(
        self, xs: FloatArray, labels: FloatArray, epochs: int = 1, rate: float = 1.0
    ) -> tuple["Perceptron", IntArray]:
        """The unit after it has seen all patterns, of shape (patterns, n), `epochs` times, and how many mistakes it made in each epoch, of shape (epochs,)."""
        check_whole("epochs", epochs)

        def epoch(unit, _):
            unit, wrong = jax.lax.scan(lambda unit, pattern: unit.update(*pattern, rate), unit, (xs, labels))
            return unit, jnp.sum(wrong)

        return jax.lax.scan(epoch, self, length=epochs)


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
        """
        response = jnp.sum(self.weights * jnp.sum(self.epsilon(t - inputs - self.delay), axis=-1))
        return self.rest + response + self.eta(t - last)

    def spikes(self, inputs: FloatArray, t1: float, max_spikes: int, dt: float = 0.1) -> FloatArray:
        """The first `max_spikes` spikes from 0 to `t1` ms, in order and padded with inf; differentiable, twice too.

        Crossings are looked for every `dt` ms, and a voltage that is above threshold for a shorter time may be missed; those found are exact.
        """
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
