"""A population of neurons with input weights and a linear read-out: a spiking layer that stands for a network."""

from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from .._model import AbstractNeuron, AbstractSpikingNeuron
from .._parameter import Parameterised, check_positive, check_shape, check_whole, parameter, parameters, replace_leaves
from .._paths import match
from .._simulate import FixedStep, Surrogate, simulate, vmap
from .._stimulus import Step
from .._types import FloatArray, Parameter
from .readout import Readout


class Population(Parameterised):
    """Neurons that each get the same inputs through weights of their own as a constant current for `duration` ms, and a linear read-out of their
    spikes.

    The feature of a neuron is the mean over the run of its spikes filtered by `exp(-t / tau) / tau`, times the duration:
    `sum_k 1 - exp(-(duration - t_k) / tau)`. It grows with the number of spikes and the earlier they are, continuously: one that is about to leave at the end
    counts nothing. Spikes of a model that only reports them (Hodgkin-Huxley) count smoothly, each rise of the voltage through `level` by how far it goes; of
    one that resets they are the exact ones, which no gradient can create, or those with a surrogate's derivative under
    `method=nd.FixedStep(dt, reset=nd.Surrogate())`.

    A pytree to be trained as a whole: `eqx.filter_grad` of a loss of `population(x)` over a minibatch of `x`. Which parameters of the neurons are one for
    each neuron is decided by `Population.random`.

    **Fields:**

    - `neurons`: a neuron whose trained parameters have a leading axis, one entry for each member; all others are shared.
    - `weights`: shape (neurons, inputs), in the unit of the neurons' drive; `bias`: shape (neurons,).
    - `readout`: a `Readout` from (neurons,) to the outputs.
    - `duration`, `tau`: ms, Python numbers.
    - `method`: a `FixedStep`.
    - `level`, `softness`: the voltage whose crossing makes a spike and the width of the sigmoid around it, mV.
    - `keep`: the share of a batch's derivatives by a current, and by each parameter that neurons have of their own, that pass as they are; the larger ones
        are cut to the largest of these. Where a first spike appears the derivative of a spike count is so large that one sample would decide the step.
        1 for all, and for forward mode, which a cut refuses.
    """

    neurons: AbstractNeuron
    readout: Readout
    weights: Parameter = parameter()
    bias: Parameter = parameter()
    own: tuple[str, ...] = eqx.field(static=True, default=())
    duration: float = eqx.field(static=True, default=25.0)
    tau: float = eqx.field(static=True, default=10.0)
    method: FixedStep = FixedStep(0.1)
    level: float = eqx.field(static=True, default=-20.0)
    softness: float = eqx.field(static=True, default=10.0)
    keep: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        check_positive("Population.duration", self.duration, "ms")
        check_positive("Population.tau", self.tau, "ms")
        check_positive("Population.softness", self.softness, "mV")
        if not 0 < self.keep <= 1:
            raise ValueError(f"Population.keep = {self.keep!r} is not allowed: must be > 0 and <= 1")
        if self.weights.ndim != 2:
            raise ValueError(
                f"Population.weights of shape {self.weights.shape} is not allowed: must be (neurons, inputs)"
            )
        size = self.weights.shape[:1]
        check_shape("Population.bias", self.bias, size, "one for each neuron")
        known = parameters(self.neurons)
        for path in self.own:
            check_shape(f"Population.neurons.{path}", known[path].value, size, "one for each neuron")
        if self.readout.weights.shape[1:] != size:
            raise ValueError(
                f"Population.readout for {self.readout.weights.shape[1]} features is not allowed: must be for {size[0]} neurons"
            )

    @classmethod
    def random(
        cls,
        neuron: AbstractNeuron,
        size: int,
        inputs: int,
        outputs: int,
        *,
        key: PRNGKeyArray,
        drive: float,
        spread: float,
        own: str | Sequence[str] = (),
        **options: Any,
    ) -> Self:
        """A population with random weights.

        **Arguments:**

        - `neuron`: what all start from.
        - `size`, `inputs`, `outputs`: how many neurons, inputs and outputs.
        - `drive`, `spread`: of the currents, mean and standard deviation for independent inputs of mean square 1, in the neuron's unit.
        - `own`: paths or patterns of scalar parameters that each neuron gets a copy of its own of.
        - `options`: the other fields.

        **Raises:** `ValueError` for numbers and paths that are not allowed.
        """
        for name, value in (("size", size), ("inputs", inputs), ("outputs", outputs)):
            check_whole(name, value)
        first, second = jax.random.split(key)
        weights = spread * jax.random.normal(first, (size, inputs), dtype=float) / jnp.sqrt(float(inputs))
        known = parameters(neuron)
        patterns = [own] if isinstance(own, str) else own
        paths = tuple(dict.fromkeys(path for pattern in patterns for path in match(pattern, known)))
        neurons = replace_leaves(neuron, {path: jnp.full((size,), known[path].value) for path in paths})
        readout = Readout.random(size, outputs, key=second)
        return cls(neurons, readout, weights, jnp.full((size,), float(drive)), paths, **options)

    def currents(self, x: FloatArray) -> FloatArray:
        """The drive of each neuron, shape (samples, neurons), for inputs of shape (samples, inputs)."""
        check_shape("x", x, (None, self.weights.shape[1]), "samples by inputs")
        return x @ self.weights.T + self.bias[None]

    def features(self, x: FloatArray) -> FloatArray:
        """The filtered spikes of each neuron, shape (samples, neurons), for inputs of shape (samples, inputs)."""
        currents = self.currents(x)
        # One member for each sample and neuron, sample by sample. What is a member's own is repeated, what is shared is not.
        names = {path: item.value for path, item in parameters(self.neurons).items() if path in self.own}
        repeated = {path: jnp.tile(value, currents.shape[0]) for path, value in names.items()}
        if self.keep < 1:
            currents, repeated = jax.tree_util.tree_map(lambda x: _limited(x, self.keep), (currents, repeated))

        def member(current, own):
            return self._trace(replace_leaves(self.neurons, own), current)

        return vmap(member)(currents.ravel(), repeated).reshape(currents.shape)

    def __call__(self, x: FloatArray) -> FloatArray:
        """The outputs, shape (samples, outputs), for inputs of shape (samples, inputs)."""
        return self.readout(self.features(x))

    def with_ridge(self, x: FloatArray, targets: FloatArray, penalty: float = 1e-3) -> Self:
        """The same population with the read-out that fits `targets`, shape (samples, outputs), best: see `Readout.ridge`."""
        return eqx.tree_at(lambda p: p.readout, self, Readout.ridge(self.features(x), targets, penalty))

    def _trace(self, neuron: AbstractNeuron, current: FloatArray) -> FloatArray:
        """The filtered spikes of one neuron, a scalar."""
        stimulus = Step(current)
        if isinstance(neuron, AbstractSpikingNeuron) and neuron.resets:
            run = simulate(neuron, stimulus, self.duration, method=self.method, record=[])
            if not isinstance(self.method.reset, Surrogate):
                times = run.spikes.times
                left = self.duration - jnp.where(jnp.isfinite(times), times, self.duration)
                return jnp.sum(jnp.where(jnp.isfinite(times), -jnp.expm1(-left / self.tau), 0.0))
            spikes, lag = run.emitted, 0.0  # emitted at the end of a step
        else:
            v = simulate(neuron, stimulus, self.duration, method=self.method, max_spikes=0).v
            spikes, lag = jax.nn.relu(jnp.diff(jax.nn.sigmoid((v - self.level) / self.softness))), 0.5
        steps = spikes.shape[0]
        left = self.duration / steps * (steps - 1 + lag - jnp.arange(steps, dtype=spikes.dtype))
        return spikes @ -jnp.expm1(-left / self.tau)


def _same(x: FloatArray, keep: float) -> FloatArray:
    """`x`, of whose cotangents those beyond the quantile `keep` of their sizes are cut to it."""
    del keep
    return x


def _forward(x, keep):
    del keep
    return x, None


def _backward(keep, _, cotangent):
    bound = jnp.quantile(jnp.abs(cotangent), keep)
    return (jnp.clip(cotangent, -bound, bound),)


_limited: Any = jax.custom_vjp(_same, nondiff_argnums=(1,))
_limited.defvjp(_forward, _backward)
