"""What a fit minimises: sums of squares, possibly in stages from easy to exact."""

from abc import abstractmethod
from typing import ClassVar

import jax.numpy as jnp

from ..._model import AbstractNeuron
from ..._parameter import Parameterised
from ..._types import FloatArray, RealScalar


class AbstractObjective(Parameterised):
    """One experiment and what came out of it, as a sum of squares to minimise.

    Several objectives of the same kind and shape are evaluated as one batch. Fields declared by `parameter` are the experiment's own unknowns (a
    baseline current, an electrode's resistance) and may be fitted too: see `nuisance` of `fit`.

    `noise_model` says in words what `misfit` assumes of the noise; None for terms that were chosen and are no likelihood, from which no uncertainty follows.
    """

    noise_model: ClassVar[str | None] = "independent normal errors"

    @abstractmethod
    def residuals(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        """The residuals, shape (n,), when `fraction` (0 to 1) of the fit is over. Their squares add up to the loss."""

    @abstractmethod
    def misfit(self, model: AbstractNeuron) -> FloatArray:
        """What is wanted in the end, shape (n,), in units of the noise: minus half the sum of squares is the log likelihood, up to a constant."""

    @abstractmethod
    def share(self) -> FloatArray:
        """The part of the loss that a misfit of one has in the last phase of a fit, a scalar."""

    @abstractmethod
    def measured(self, model: AbstractNeuron) -> FloatArray:
        """What is measured, shape (n,), in units of its noise: with its Jacobian J, `J^T J` is the Fisher information."""

    @abstractmethod
    def response(self, model: AbstractNeuron) -> FloatArray:
        """What the model does in this experiment, a vector: shows which parameters can make a difference."""

    @abstractmethod
    def stages(self) -> int:
        """In how many equal parts of the fit the loss differs; it is comparable within one."""

    def exact_residuals(self, model: AbstractNeuron) -> FloatArray:
        """The residuals of the last phase of a fit, shape (n,)."""
        return jnp.sqrt(self.share()) * self.misfit(model)

    def loss(self, model: AbstractNeuron, fraction: RealScalar) -> FloatArray:
        """The loss, a scalar."""
        return jnp.sum(self.residuals(model, fraction) ** 2)
