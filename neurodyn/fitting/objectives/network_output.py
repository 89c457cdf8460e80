"""The output of an artificial network as the target."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron, AbstractSpikingNeuron
from ..._parameter import as_floating, check_shape, check_whole, parameter
from ..._simulate import FixedStep, Surrogate, simulate
from ..._stimulus import Samples
from ..._types import FloatArray, Parameter, RealScalar
from .base import AbstractObjective
from .checks import as_schedule, check_positive_numbers, stage
from .electrode import low_pass
from .spike_signal import averaged_impulses


Read = Literal["v", "rate", "spike"]


class NetworkOutput(AbstractObjective):
    """Mean squared difference between what is read from one neuron and the output of a network for the same inputs, in units of `noise` squared.

    The neuron's drive in each of the network's time steps is `bias + inputs . weights`. Of its response one number per time step is read, `gain * response + offset`:

    - `"v"`: the voltage at the end of the step, mV;
    - `"rate"`: the firing rate, Hz, smoothed by `exp(-t / tau) / tau`, at the end of the step (for exact spikes of a model that resets, averaged over the step);
    - `"spike"`: the probability of a spike in the step, `1 - exp(-n)` for n spikes.

    Spikes of a model that only reports them (Hodgkin-Huxley) are counted smoothly: each rise of the voltage through `level` counts by how far it goes, so that there is a gradient
    where there is no spike yet. One that resets has its exact spike times for a rate, or what it emitted under `method=nd.FixedStep(dt, reset=nd.Surrogate())`.

    `weights`, `bias`, `gain` and `offset` belong to the objective: `fit(..., nuisance=["*.weights", "*.bias"])` trains them too. `gain` multiplies the neuron's response and not the target, so
    that it cannot make the difference vanish by itself.

    **Arguments:**

    - `network`: a function of the inputs of one run, shape (time, channels), that returns its output, shape (time,) or (time, 1), evaluated once for each run; or an array of outputs. A
        module is used as it is: give an Equinox module that is applied to one step as `jax.vmap(module)`.
    - `inputs`: shape (time, channels), or (runs, time, channels) for several runs with the same weights, each from the same initial state.
    - `dt`: of a step of the network, ms. Inputs are held for so long.
    - `weights`: of the inputs, in the unit of the neuron's drive, shape (channels,).
    - `bias`: a constant drive.
    - `read`, `gain`, `offset`: see above.
    - `substeps`: steps of the neuron per step of the network; by default as many as make them 0.025 ms or a little less. Or `method`, a `FixedStep` whose step divides `dt`.
    - `tau`: of the rate's smoothing, ms; by default `dt`.
    - `smoothing`: the difference is low-pass filtered with this time constant, ms, one per stage of the fit: long ones forgive spikes that are out of place. Ends in 0 for no filter.
    - `skip`: how many of the first steps do not count.
    - `noise`: a difference that is as good as none; sets the scale of uncertainties.
    - `level`, `softness`: the voltage whose crossing makes a spike, and the width of the sigmoid around it, mV.
    - `y0`: None for the model's own initial state, or `"rest"`.

    **Raises:** `ValueError` for arrays of other shapes, or not finite; and, when it is evaluated, for `read = "spike"` of a model that resets without a surrogate.
    """

    inputs: FloatArray
    target: FloatArray  # (runs, time)
    scale: FloatArray  # of the residuals, (time,): zero for steps that are skipped
    read: Read = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    method: FixedStep
    substeps: int = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    smoothing: tuple[float, ...] = eqx.field(static=True)
    noise: float = eqx.field(static=True)
    level: float = eqx.field(static=True)
    softness: float = eqx.field(static=True)
    y0: Literal["rest"] | None = eqx.field(static=True)
    weight: float = eqx.field(static=True)
    weights: Parameter = parameter(trainable=False)
    bias: Parameter = parameter(trainable=False)
    gain: Parameter = parameter(trainable=False)
    offset: Parameter = parameter(trainable=False)

    def __init__(
        self,
        network: Callable[[FloatArray], FloatArray] | Any,
        inputs: Any,
        dt: float,
        weights: Any,
        *,
        read: Read = "rate",
        bias: float = 0.0,
        gain: float = 1.0,
        offset: float = 0.0,
        substeps: int | None = None,
        method: FixedStep | None = None,
        tau: float | None = None,
        smoothing: float | Sequence[float] = 0.0,
        skip: int = 0,
        noise: float = 1.0,
        level: float = -10.0,
        softness: float = 5.0,
        y0: Literal["rest"] | None = None,
        weight: float = 1.0,
    ):
        check_positive_numbers(dt=dt, noise=noise, softness=softness, weight=weight, tau=dt if tau is None else tau)
        if read not in get_args(Read):
            raise ValueError(f"read = {read!r} is not allowed: must be one of {', '.join(get_args(Read))}")
        given = _finite("inputs", inputs)
        check_whole("skip", skip, 0)
        if given.ndim not in (2, 3) or not given.size or given.shape[-2] <= skip:
            raise ValueError(
                f"inputs of shape {given.shape} are not allowed: must be (time, channels) or (runs, time, channels), with more than the {skip} "
                "steps that are skipped"
            )
        self.inputs = given if given.ndim == 3 else given[None]
        self.target = _outputs(network, self.inputs)
        self.scale = (jnp.arange(given.shape[-2]) >= skip).astype(self.target.dtype)
        self.read, self.dt, self.y0 = read, float(dt), y0
        self.substeps, self.method = _steps(self.dt, substeps, method)
        self.tau = float(dt if tau is None else tau)
        self.smoothing = as_schedule("smoothing", smoothing, 0.0, False)
        self.noise, self.weight, self.level, self.softness = float(noise), float(weight), float(level), float(softness)
        self.weights = jnp.asarray(_finite("weights", weights))
        check_shape("weights", self.weights, (given.shape[-1],), "one for each channel of the inputs")
        self.bias, self.gain = as_floating(bias, "bias"), as_floating(gain, "gain")
        self.offset = as_floating(offset, "offset")

    def stages(self) -> int:
        return len(self.smoothing)

    def simulate(self, model: AbstractNeuron) -> FloatArray:
        """What is read from the model at every step of the network, shape (runs, time)."""
        current = self.bias + self.inputs @ self.weights
        return self.offset + self.gain * jax.vmap(lambda values: self._respond(model, values))(current)

    def _respond(self, model: AbstractNeuron, current: FloatArray) -> FloatArray:
        """The response of one run, shape (time,)."""
        count = current.shape[0]
        end, stimulus = count * self.dt, Samples(current, self.dt)
        if self.read == "v":
            return simulate(model, stimulus, end, method=self.method, y0=self.y0, every=self.substeps, max_spikes=0).v[
                1:
            ]
        surrogate, exact = isinstance(self.method.reset, Surrogate), False
        if isinstance(model, AbstractSpikingNeuron) and model.resets:
            if self.read == "spike" and not surrogate:
                raise ValueError(
                    f"read = 'spike' is not allowed for {type(model).__name__}, which resets, without method = nd.FixedStep(dt, reset=nd.Surrogate())"
                )
            exact = not surrogate
            run = simulate(model, stimulus, end, method=self.method, y0=self.y0, record=[])
            if exact:
                ends = self.dt * jnp.arange(1, count + 1, dtype=current.dtype)
                return 1e3 / self.tau * averaged_impulses(run.spikes.times, ends, self.dt, jnp.asarray(self.tau))
            spikes = run.emitted
        else:
            v = simulate(model, stimulus, end, method=self.method, y0=self.y0, max_spikes=0).v
            spikes = jax.nn.relu(jnp.diff(jax.nn.sigmoid((v - self.level) / self.softness)))
        spikes = spikes.reshape(count, self.substeps)
        if self.read == "spike":
            return -jnp.expm1(-jnp.sum(spikes, axis=1))
        return 1e3 / self.tau * _filtered(spikes, self.dt, self.tau)

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        difference = self.simulate(model) - self.target
        if self.smoothing != (0.0,):
            width = stage(self.smoothing, fraction)
            difference = jax.vmap(lambda x: low_pass(x, width, self.dt))(difference)
        return (jnp.sqrt(self.share()) / self.noise * self.scale[None] * difference).ravel()

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """With the last `smoothing`."""
        return self.residuals(model, 1.0) / jnp.sqrt(self.share())

    def share(self) -> FloatArray:
        return self.weight / (self.inputs.shape[0] * jnp.sum(self.scale))

    def measured(self, model: AbstractNeuron) -> FloatArray:
        return self.misfit(model)

    def response(self, model: AbstractNeuron) -> FloatArray:
        return (self.simulate(model) * self.scale[None]).ravel()


def _filtered(spikes: FloatArray, dt: float, tau: float) -> FloatArray:
    """Spikes in each part of a step, shape (time, parts), through `exp(-t / tau)`, at the ends of the steps."""
    parts = spikes.shape[1]
    to_end = dt / parts * (parts - 0.5 - jnp.arange(parts, dtype=spikes.dtype))
    decay = jnp.exp(jnp.asarray(-dt / tau, spikes.dtype))

    def step(signal, added):
        signal = decay * signal + added
        return signal, signal

    return jax.lax.scan(step, jnp.zeros((), spikes.dtype), spikes @ jnp.exp(-to_end / tau))[1]


def _steps(dt: float, substeps: int | None, method: FixedStep | None) -> tuple[int, FixedStep]:
    if method is not None and substeps is not None:
        raise ValueError("substeps and method are not allowed together: either sets the step")
    if method is None:
        if substeps is None:
            substeps = int(np.ceil(dt / 0.025 - 1e-6))
        check_whole("substeps", substeps)
        return substeps, FixedStep(dt / substeps)
    substeps = max(1, round(dt / method.dt))
    if abs(substeps * method.dt / dt - 1) > 1e-6:
        raise ValueError(f"method.dt = {method.dt:g} ms is not allowed: must divide dt = {dt:g} ms")
    return substeps, method


def _finite(name: str, values: Any) -> FloatArray:
    array = np.asarray(values, dtype=float)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}{list(index)} = {array[index]} is not allowed: must be finite")
    return jnp.asarray(array, dtype=float)


def _outputs(network: Any, inputs: FloatArray) -> FloatArray:
    """The network's output for each run, shape (runs, time)."""
    wanted = inputs.shape[:2]
    outputs = np.stack([np.asarray(network(run)) for run in inputs]) if callable(network) else np.asarray(network)
    if outputs.shape not in (wanted, (*wanted, 1)) and not (
        wanted[0] == 1 and outputs.shape in (wanted[1:], (wanted[1], 1))
    ):
        raise ValueError(
            f"network of outputs of shape {outputs.shape} is not allowed: must be {wanted}, runs by steps of time, as many as the inputs have"
        )
    return _finite("network's output", outputs.reshape(wanted))
