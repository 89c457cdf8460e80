"""A transition rate of unknown form, as a small neural network."""

import math
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from .._numerics import LOG2_E, exp2, logistic2
from .._parameter import check_positive, check_whole, parameter
from .._types import FloatArray, Parameter
from .rates import AbstractRate


class NeuralRate(AbstractRate):
    """A rate given by a network with one hidden layer, for a gate whose formula is not known:

    `log rate = log(low) + log(high / low) / (1 + exp(-z))` with `z = level + sum_i heights_i tanh((v - midpoints_i) / widths_i)`.

    So it is positive and between `low` and `high`, with finite derivatives, at any voltage, whatever the weights. The hidden units are written with their
    place on the voltage axis, which makes the weights parameters like all others: they have units, and a search around them makes sense. There are many
    ways to write one curve: fit with `check_rank=False`, and compare curves, not weights.

    **Fields:**

    - `midpoints`, `widths`: of the hidden units, mV, shape (n,).
    - `heights`: the weights of the output, shape (n,).
    - `level`: its bias.
    - `low`, `high`: bounds of the rate, 1/ms, Python numbers. A fast gate, such as a sodium channel's m, needs a larger `high` than the default.
    """

    midpoints: Parameter = parameter(unit="mV", spread=8.0)
    widths: Parameter = parameter(unit="mV", lower=2.0, exclusive=True)
    heights: Parameter = parameter(spread=0.5)
    level: Parameter = parameter(spread=0.5)
    low: float = eqx.field(static=True, default=1e-3)
    high: float = eqx.field(static=True, default=10.0)

    def __check_init__(self):
        check_positive("NeuralRate.low", self.low, "1/ms")
        check_positive("NeuralRate.high", self.high, "1/ms")
        if not self.low < self.high:
            raise ValueError(f"NeuralRate.high = {self.high:g} 1/ms is not allowed: must be > low = {self.low:g} 1/ms")
        shapes = {name: np.shape(getattr(self, name))[-1:] for name in ("midpoints", "widths", "heights")}
        if len(set(shapes.values())) > 1 or () in shapes.values():
            raise ValueError(f"NeuralRate with {shapes} is not allowed: must be one number for each hidden unit")

    @classmethod
    def random(
        cls,
        *,
        key: PRNGKeyArray,
        size: int = 8,
        start: float = 0.1,
        span: tuple[float, float] = (-110.0, 50.0),
        low: float = 1e-3,
        high: float = 10.0,
    ) -> Self:
        """A rate near `start` (1/ms) at all voltages, to be trained.

        **Arguments:** `size` hidden units, spread evenly over `span` (mV) up to a random part of their distance, with small random heights.

        **Raises:** `ValueError` for a size below 1, and for a start that is not between `low` and `high`.
        """
        check_whole("size", size)
        if not low < start < high:
            raise ValueError(
                f"start = {start!r} 1/ms is not allowed: must be between low = {low!r} and high = {high!r}"
            )
        places, weights = jax.random.split(key)
        step = (span[1] - span[0]) / size
        midpoints = span[0] + step * (jnp.arange(size) + jax.random.uniform(places, (size,), dtype=float))
        heights = 0.1 * jax.random.normal(weights, (size,), dtype=float)
        level = math.log(math.log(start / low) / math.log(high / start)) - jnp.sum(
            heights * jnp.tanh(-midpoints / 30.0)
        )
        return cls(midpoints, jnp.full((size,), 30.0), heights, level, low, high)

    def __call__(self, v: FloatArray) -> FloatArray:
        v = jnp.asarray(v)
        row = lambda x: x.reshape((1,) * v.ndim + x.shape)
        hidden = jnp.tanh((v[..., None] - row(self.midpoints)) / row(self.widths))
        z = self.level + jnp.sum(row(self.heights) * hidden, axis=-1)
        return exp2(math.log2(self.low) + math.log2(self.high / self.low) * logistic2(LOG2_E * z))
