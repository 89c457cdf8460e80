"""How a parameter varies over a cell: a factor for every compartment, from a few numbers that can be trained."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._parameter import Parameterised, as_floating, parameter
from .._types import FloatArray, Parameter
from .layout import Layout


class AbstractProfile(Parameterised):
    """A factor that a parameter is multiplied by at each compartment. Those with a distance are 1 at the middle of the soma, so that the parameter itself is its
    value there and nothing is said twice."""

    @abstractmethod
    def __call__(self, layout: Layout, where: np.ndarray, distance: FloatArray) -> FloatArray:
        """The factors at the compartments `where`, shape (m,), whose paths from the soma are `distance`, um, shape (m,)."""


class Linear(AbstractProfile):
    """`1 + slope * distance`, nowhere below zero."""

    slope: Parameter = parameter(unit="1/um", spread=0.01)

    def __call__(self, layout: Layout, where: np.ndarray, distance: FloatArray) -> FloatArray:
        return jnp.maximum(1 + self.slope * distance, 0.0)


class Exponential(AbstractProfile):
    """`1 + amplitude * (exp(distance / length) - 1)`, nowhere below zero: a rise that steepens for a positive `length`, an approach to `1 - amplitude` for a
    negative one. The h conductance of Kole et al. (2006) in the form of Hay et al. (2011), `-0.8696 + 2.087 exp(distance / 323 um)`, is
    1.2174 times `Exponential(1.7143, 323.0)`."""

    amplitude: Parameter = parameter()
    length: Parameter = parameter(unit="um", spread=100.0)

    def __check_init__(self):
        if not isinstance(self.length, Tracer) and not np.all(self.length):
            raise ValueError("Exponential.length = 0 um is not allowed: must be > 0, or < 0 for an approach")

    def __call__(self, layout: Layout, where: np.ndarray, distance: FloatArray) -> FloatArray:
        return jnp.maximum(1 + self.amplitude * jnp.expm1(distance / self.length), 0.0)


class Sigmoid(AbstractProfile):
    """From 1 near the soma to `far`, half of the way at `half` um, over some `width` um:
    `1 + (far - 1) (s(distance) - s(0)) / (1 - s(0))` with `s(d) = 1 / (1 + exp(-(d - half) / width))`."""

    far: Parameter = parameter(lower=0.0)
    half: Parameter = parameter(unit="um", spread=100.0)
    width: Parameter = parameter(unit="um", lower=0.0, exclusive=True)

    def __call__(self, layout: Layout, where: np.ndarray, distance: FloatArray) -> FloatArray:
        # 1 - s by its logarithm: far from `half` both shares are 0 or 1 to all digits, and exponentials overflow.
        rest = [jax.nn.log_sigmoid((self.half - d) / self.width) for d in (distance, jnp.zeros_like(distance))]
        return 1 - (self.far - 1) * jnp.expm1(rest[0] - rest[1])


class PerRegion(AbstractProfile):
    """A factor for each of some regions, nowhere below zero, and 1 elsewhere; where regions overlap the last one counts.

    **Fields:** `factors`: by region, as in `Morphology.region`.
    """

    factors: dict[str, Any] = parameter(lower=0.0)

    def __init__(self, factors: Mapping[str, float] | None = None, **more: float):
        if not isinstance(factors, Mapping | None):
            raise ValueError(f"PerRegion.factors = {factors!r} is not allowed: must be a dictionary by region")
        self.factors = {
            region: as_floating(factor, f"PerRegion.factors.{region}")
            for region, factor in {**(factors or {}), **more}.items()
        }

    def __call__(self, layout: Layout, where: np.ndarray, distance: FloatArray) -> FloatArray:
        result = jnp.ones_like(distance)
        for region, factor in self.factors.items():
            inside = np.isin(where, layout.select(region))
            if not inside.any():
                raise ValueError(f"PerRegion.factors.{region} is not allowed: what it varies is nowhere in that region")
            result = jnp.where(inside, factor, result)
        return result


class PerCompartment(AbstractProfile):
    """A factor of its own for each compartment that has the parameter, in their order, shape (m,)."""

    values: Parameter = parameter(lower=0.0)

    def __call__(self, layout: Layout, where: np.ndarray, distance: FloatArray) -> FloatArray:
        if self.values.shape != distance.shape:
            raise ValueError(
                f"PerCompartment.values of shape {self.values.shape} is not allowed: must be {distance.shape}, one for each compartment that has the parameter"
            )
        return self.values
