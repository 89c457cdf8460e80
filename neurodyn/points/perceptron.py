"""The perceptron and its learning rule."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._parameter import Parameterised, check_shape, check_whole, parameter
from .._types import FloatArray, IntArray, Parameter


class Perceptron(Parameterised):
    """A linear classifier with its learning rule: the class is the sign of `weights . x + bias`.

    Source: Rosenblatt (1958), Psychol. Rev. 65:386. If some unit vector separates the patterns by a margin gamma and they lie within R (each extended by a 1
    for the bias), learning from zero weights makes at most (R / gamma)^2 mistakes (Novikoff 1962), in whatever order they come.

    **Fields:** `weights` of shape (n,); `bias`.
    """

    weights: Parameter = parameter()
    bias: Parameter = parameter(0.0)

    def score(self, x: FloatArray) -> FloatArray:
        """`weights . x + bias` for inputs of shape (n,).

        **Raises:** `ValueError` for inputs of another shape.
        """
        check_shape("x", x, self.weights.shape, "one input for each weight")
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
        """The unit after it has seen all patterns, of shape (patterns, n), with their classes, 1 or -1, `epochs` times, and how many mistakes it made in each
        epoch, of shape (epochs,).

        **Raises:** `ValueError` for arrays of other shapes and for other classes.
        """
        check_whole("epochs", epochs)
        xs, labels = jnp.asarray(xs), jnp.asarray(labels)
        check_shape("xs", xs, (None, *self.weights.shape), "patterns by inputs")
        check_shape("labels", labels, xs.shape[:1], "one for each pattern")
        if not isinstance(labels, Tracer) and not np.isin(labels, (-1, 1)).all():
            raise ValueError(f"labels = {np.unique(labels)!s} is not allowed: must be 1 or -1")

        def epoch(unit, _):
            unit, wrong = jax.lax.scan(lambda unit, pattern: unit.update(*pattern, rate), unit, (xs, labels))
            return unit, jnp.sum(wrong)

        return jax.lax.scan(epoch, self, length=epochs)
