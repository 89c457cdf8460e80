"""Noise stimuli."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from .._model import AbstractPreparable
from .._parameter import check_positive, parameter
from .._types import FloatArray, Parameter, RealScalar
from .base import AbstractStimulus, Instant, grid
from .samples import Samples


class OrnsteinUhlenbeck(AbstractStimulus, AbstractPreparable):
    """Coloured Gaussian noise on a grid: mean `mean`, standard deviation `std` and autocorrelation `exp(-|s|/tau)`, stationary from the start.

    The path is fixed by the key: the same key gives the same noise whatever the batch, the device and the solver's step. Mean, standard
    deviation and tau are differentiable along it.

    **Arguments:**

    - `mean`, `std`: in the model's unit of current.
    - `tau`: correlation time, ms.
    - `duration`: how long it lasts from `start` on, ms; zero afterwards.
    - `dt`: spacing of the grid, ms.
    - `start`: ms.
    - `key`: a JAX random key.
    """

    mean: Parameter = parameter()
    std: Parameter = parameter(lower=0.0)
    tau: Parameter = parameter(unit="ms", lower=0.0, exclusive=True)
    start: Parameter = parameter(unit="ms", trainable=False)
    normal: Parameter = parameter(trainable=False)
    dt: float = eqx.field(static=True)  # pyright: ignore[reportGeneralTypeIssues]

    def __init__(
        self,
        mean: RealScalar,
        std: RealScalar,
        tau: RealScalar,
        duration: float,
        *,
        dt: float = 0.025,
        start: RealScalar = 0.0,
        key: PRNGKeyArray,
    ):
        check_positive("OrnsteinUhlenbeck.duration", duration, "ms")
        check_positive("OrnsteinUhlenbeck.dt", dt, "ms")
        self.mean, self.std, self.tau, self.start, self.dt = mean, std, tau, start, float(dt)
        self.normal = jax.random.normal(key, (math.ceil(duration / dt - 1e-9),), dtype=float)

    @eqx.filter_jit  # operation by operation the scan would take seconds
    def prepare(self) -> Samples:
        """The path as samples."""
        factor = jnp.exp(-self.dt / self.tau)
        kick = jnp.sqrt(-jnp.expm1(-2 * self.dt / self.tau)) * self.normal
        kick = kick.at[0].set(self.normal[0])

        def combine(left, right):
            return left[0] * right[0], right[0] * left[1] + right[1]

        path = jax.lax.associative_scan(combine, (jnp.full_like(kick, 1.0) * factor, kick))[1]
        return Samples(self.mean + self.std * path, self.dt, self.start)

    def at(self, time: Instant) -> FloatArray:
        return self.prepare().at(time)

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return self.prepare().over(time, width)

    def edges(self) -> FloatArray:
        return grid(self.start, self.dt, self.normal.shape[0] + 1)
