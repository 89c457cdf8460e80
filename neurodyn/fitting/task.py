"""What a fit minimises, as a function of a point in an unconstrained space."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .._model import AbstractNeuron
from .._parameter import NamedParameter, parameters, replace_leaves, validate
from .._paths import match, named_leaves
from .._types import FloatArray, RealScalar
from .batches import alike, each
from .objectives import AbstractObjective
from .selection import Selection, select
from .space import Space
from .ties import Tie, resolve_ties, tied_values


#: The first segment of the path of a parameter that belongs to an experiment and not to the model: `objectives.3.baseline`.
NUISANCE = "objectives"


class Task(eqx.Module):
    """A model, experiments on it, and what is free. Made by `Task.of`."""

    model: AbstractNeuron
    objectives: tuple[AbstractObjective, ...]
    space: Space
    box_prior: FloatArray | None  # no static number, or each value would be a program of its own
    ties: tuple[Tie, ...] = eqx.field(static=True)
    groups: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        model: AbstractNeuron,
        objectives: AbstractObjective | Sequence[AbstractObjective],
        trainable: Selection,
        *,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        ties: Sequence[Tie] = (),
        nuisance: str | Sequence[str] = (),
        box_prior: float = 0.0,
    ) -> "Task":
        """**Arguments:** as for `fit`.

        **Raises:** `ValueError` for what is not allowed.
        """
        objectives = (objectives,) if isinstance(objectives, AbstractObjective) else tuple(objectives)
        if not (isinstance(box_prior, int | float) and 0 <= box_prior < math.inf):
            raise ValueError(f"box_prior = {box_prior!r} is not allowed: must be a finite number >= 0")
        if not objectives or not all(isinstance(objective, AbstractObjective) for objective in objectives):
            raise ValueError(
                "objectives is not allowed: must be at least one objective such as nd.fitting.VoltageTrace(...)"
            )
        validate(model, "model")
        known = known_parameters(model, objectives)
        paths = select(model, trainable)
        if nuisance:
            own = [path for path in known if path.startswith(f"{NUISANCE}.")]
            patterns = [nuisance] if isinstance(nuisance, str) else nuisance
            paths += match([f"{NUISANCE}.{pattern}" for pattern in patterns], own, "parameter of an objective")
        resolved = resolve_ties(known, paths, ties)
        prior = jnp.asarray(box_prior, float) if box_prior else None
        return cls(model, objectives, Space.of(known, paths, bounds), prior, resolved, alike(objectives))

    def known(self) -> dict[str, NamedParameter]:
        """Every parameter of the model and the experiments by the path it goes by here."""
        return known_parameters(self.model, self.objectives)

    def encode(self) -> dict[str, FloatArray]:
        """The point at which everything is as given."""
        return self.space.encode(self.known())

    def place(self, theta: Mapping[str, FloatArray]) -> tuple[AbstractNeuron, tuple[AbstractObjective, ...]]:
        """Model and experiments at a point."""
        leaves = named_leaves(self.model)
        values = tied_values(self.space.values(theta), leaves, self.ties)
        own = {path.removeprefix(f"{NUISANCE}."): x for path, x in values.items() if path.startswith(f"{NUISANCE}.")}
        model = replace_leaves(self.model, {path: x for path, x in values.items() if path in leaves})
        return model, replace_leaves(self.objectives, own) if own else self.objectives

    def residuals(self, theta: Mapping[str, FloatArray], fraction: RealScalar) -> FloatArray:
        """Those of the objectives when `fraction` of the fit is over, one after the other; shape (n,)."""
        own = self._collect(theta, lambda objective, model: objective.residuals(model, fraction))
        return jnp.concatenate([own, self._pull(theta)])

    def exact_residuals(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """Those of the last phase, shape (n,)."""
        own = self._collect(theta, lambda objective, model: objective.exact_residuals(model))
        return jnp.concatenate([own, self._pull(theta)])

    def misfit(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """The exact residuals in units of the noise, shape (n,)."""
        return self._collect(theta, lambda objective, model: objective.misfit(model))

    def measured(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """What is measured in units of its noise, shape (n,)."""
        return self._collect(theta, lambda objective, model: objective.measured(model))

    def response(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """What the model does in all experiments, shape (n,)."""
        return self._collect(theta, lambda objective, model: objective.response(model).ravel())

    def loss(self, theta: Mapping[str, FloatArray], fraction: RealScalar, chosen: Any = None) -> FloatArray:
        """The sum of the objectives' losses, a scalar; `chosen` is what `batches.draw` returns, for an estimate from a part of them."""
        model, objectives = self.place(theta)
        places, scales = (None, [1.0] * len(self.groups)) if chosen is None else chosen
        parts = each(objectives, self.groups, lambda objective: objective.residuals(model, fraction), places)
        losses = [jnp.sum((part * scale) ** 2) for part, scale in zip(parts, scales, strict=True)]
        return sum(losses, jnp.sum(self._pull(theta) ** 2))

    def exact_loss(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """The loss of the last phase, a scalar."""
        return jnp.sum(self.exact_residuals(theta) ** 2)

    def _pull(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        """The residuals of the prior: how far each parameter is from the middle of its bounds."""
        if self.box_prior is None:
            return jnp.zeros((0,))
        parts = [self.box_prior * b.place_in_box(theta[path]).ravel() for path, b in self.space.bijections.items()]
        return jnp.concatenate(parts)

    def stages(self) -> int:
        """In how many equal parts of the fit the loss differs."""
        return max(objective.stages() for objective in self.objectives)

    def _collect(
        self, theta: Mapping[str, FloatArray], function: Callable[[AbstractObjective, AbstractNeuron], FloatArray]
    ) -> FloatArray:
        model, objectives = self.place(theta)
        parts = each(objectives, self.groups, lambda objective: function(objective, model))
        return jnp.concatenate([part.ravel() for part in parts])


def known_parameters(model: Any, objectives: Sequence[AbstractObjective]) -> dict[str, NamedParameter]:
    """What may be fitted, by the path it goes by: the model's parameters, and below `objectives.` those of the experiments."""
    own = parameters(tuple(objectives))
    return parameters(model) | {f"{NUISANCE}.{path}": item for path, item in own.items()}
