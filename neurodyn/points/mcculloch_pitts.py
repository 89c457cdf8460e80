"""The threshold unit of McCulloch and Pitts."""

import jax.numpy as jnp

from .._parameter import Parameterised, check_shape, parameter
from .._types import FloatArray, Parameter


class McCullochPitts(Parameterised):
    """A threshold unit: 1 where `weights . x >= threshold`, else 0.

    Source: McCulloch and Pitts (1943), Bull. Math. Biophys. 5:115. Their inhibition is absolute: a weight below minus the sum of the positive ones. One unit
    makes 14 of the 16 Boolean functions of two inputs; the exclusive or takes two layers.

    **Fields:** `weights` of shape (n,); `threshold`. The output has no gradient: see `Perceptron` for one that has.
    """

    weights: Parameter = parameter()
    threshold: Parameter = parameter(1.0)

    def __call__(self, x: FloatArray) -> FloatArray:
        """The output, 0 or 1, for inputs of shape (n,).

        **Raises:** `ValueError` for inputs of another shape.
        """
        check_shape("x", x, self.weights.shape, "one input for each weight")
        return jnp.where(jnp.dot(self.weights, x) >= self.threshold, 1.0, 0.0).astype(self.weights.dtype)
