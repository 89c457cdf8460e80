"""A linear read-out, and its closed form."""

from typing import Self

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import PRNGKeyArray

from .._parameter import Parameterised, as_floating, check_shape, check_whole, parameter
from .._types import FloatArray, Parameter


class Readout(Parameterised):
    """`weights @ features + bias`, with `weights` of shape (outputs, features) and `bias` of shape (outputs,)."""

    weights: Parameter = parameter()
    bias: Parameter = parameter()

    def __check_init__(self):
        if self.weights.ndim != 2:
            raise ValueError(
                f"Readout.weights of shape {self.weights.shape} is not allowed: must be (outputs, features)"
            )
        check_shape("Readout.bias", self.bias, self.weights.shape[:1], "one for each output")

    @classmethod
    def random(cls, features: int, outputs: int, *, key: PRNGKeyArray) -> Self:
        """Normal weights of variance 1 / features, no bias."""
        check_whole("features", features)
        check_whole("outputs", outputs)
        weights = jax.random.normal(key, (outputs, features), dtype=float) / jnp.sqrt(float(features))
        return cls(weights, jnp.zeros((outputs,), dtype=float))

    @classmethod
    def ridge(cls, features: FloatArray, targets: FloatArray, penalty: float = 1e-3) -> Self:
        """The read-out with the smallest mean squared error plus penalty: ridge regression in closed form.

        **Arguments:** `features` of shape (samples, features) and `targets` of shape (samples, outputs); `penalty` times the mean variance of a feature
        is added to each variance, so it has no unit. The bias is free.

        **Raises:** `ValueError` for arrays of other shapes and a penalty that is not positive.
        """
        features, targets = as_floating(features, "features"), as_floating(targets, "targets")
        check_shape("features", features, (None, None), "samples by features")
        check_shape(
            "targets", targets, (features.shape[0], None), "samples by outputs, as many samples as there are features"
        )
        if not isinstance(penalty, Tracer) and not penalty > 0:
            raise ValueError(f"penalty = {penalty!r} is not allowed: must be > 0")
        middle, centre = jnp.mean(features, axis=0), jnp.mean(targets, axis=0)
        x, y = features - middle[None], targets - centre[None]
        covariance = x.T @ x / x.shape[0]
        size = jnp.trace(covariance) / x.shape[1]
        # Features that never vary (units that are silent for all samples) leave a matrix that is singular but for this.
        added = penalty * jnp.where(size > 0, size, 1.0)
        weights = jax.scipy.linalg.solve(
            covariance + added * jnp.eye(x.shape[1], dtype=x.dtype), x.T @ y / x.shape[0], assume_a="pos"
        ).T
        return cls(weights, centre - weights @ middle)

    def __call__(self, features: FloatArray) -> FloatArray:
        """The outputs, shape (..., outputs), for features of shape (..., features)."""
        product = features @ self.weights.T
        return product + self.bias.reshape((1,) * (product.ndim - 1) + self.bias.shape)
