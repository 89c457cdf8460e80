"""What was known of a parameter before, as part of what a fit minimises."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._model import AbstractNeuron
from ..._parameter import as_floating
from ..._paths import match, named_leaves
from ..._types import FloatArray, RealScalar
from .base import AbstractObjective


class Prior(AbstractObjective):
    """A normal prior of some parameters: `(parameter - mean) / sd` for each, or `log(parameter / mean) / sd`.

    Minus half the sum of squares of all misfits is the log posterior, up to a constant, but the loss of an objective is that sum times its `share()`,
    which is one over the number of samples for a trace. So it counts what it should beside objectives of the same share when its own is that too:
    `Prior("na.g", 120.0, 20.0, beside=trace)`. With several traces of n samples each and weight 1, whose losses add, that is still right, since
    all shares are 1/n; with traces of unlike length give each the weight n / max(n), and the prior the longest.

    **Arguments:**

    - `path`: of a parameter, or a pattern: every match has this prior.
    - `mean`, `sd`: in the unit of the parameter; with `logarithmic` the median, and the standard deviation of the natural logarithm (0.2: some 20 %). A
        number, or an array of the parameter's shape.
    - `beside`: the objective that it is the prior for; without one a misfit of one counts `weight`.
    - `weight`: how often the prior counts; 1 for a proper one.

    **Raises:** `ValueError` for an sd that is not positive, or a mean that is not while `logarithmic`; for a path that the model does not have, when fitted.
    """

    mean: FloatArray
    sd: FloatArray
    unit_share: FloatArray
    path: str = eqx.field(static=True)
    logarithmic: bool = eqx.field(static=True)
    weight: float = eqx.field(static=True)

    def __init__(
        self,
        path: str,
        mean: Any,
        sd: Any,
        *,
        logarithmic: bool = False,
        beside: AbstractObjective | None = None,
        weight: float = 1.0,
    ):
        for name, value, positive in (("mean", mean, logarithmic), ("sd", sd, True), ("weight", weight, True)):
            array = np.asarray(value, dtype=float)
            if not np.isfinite(array).all() or (positive and (array <= 0).any()):
                raise ValueError(f"{name} = {value} is not allowed: must be finite{' and > 0' if positive else ''}")
        self.path, self.logarithmic, self.weight = path, logarithmic, float(weight)
        self.mean, self.sd = as_floating(mean, "mean"), as_floating(sd, "sd")
        self.unit_share = jnp.ones_like(jnp.asarray(1.0)) if beside is None else beside.share()

    def _leaves(self, model: AbstractNeuron) -> list[FloatArray]:
        known = named_leaves(model)
        return [known[path] for path in match(self.path, known)]

    def stages(self) -> int:
        return 1

    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        del fraction
        return self.exact_residuals(model)

    def _misfit(self, leaf: FloatArray) -> FloatArray:
        if not self.logarithmic:
            return jnp.ravel((leaf - self.mean) / self.sd)
        tiny = float(jnp.finfo(leaf.dtype).tiny)
        return jnp.ravel(jnp.log(jnp.maximum(leaf, tiny) / self.mean) / self.sd)

    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """In standard deviations."""
        return jnp.concatenate([self._misfit(leaf) for leaf in self._leaves(model)])

    def share(self) -> FloatArray:
        return self.weight * self.unit_share

    def measured(self, model: AbstractNeuron) -> FloatArray:
        """The parameters in standard deviations: the prior's precision is information too."""
        return self.misfit(model)

    def response(self, model: AbstractNeuron) -> FloatArray:
        return jnp.concatenate([jnp.ravel(leaf) for leaf in self._leaves(model)])
