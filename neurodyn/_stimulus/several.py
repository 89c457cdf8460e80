"""Several stimuli side by side."""

from typing import Any

import jax.numpy as jnp

from .._types import FloatArray, RealScalar
from .base import AbstractStimulus, Instant


class Stack(AbstractStimulus):
    """Stimuli as the elements of one of shape (k,): for an input at several places of a cell, or for several units."""

    terms: tuple[AbstractStimulus, ...]

    def __init__(self, *terms: AbstractStimulus):
        self.terms = tuple(_checked(f"stimulus {i}", term) for i, term in enumerate(terms))
        if not terms:
            raise ValueError("a Stack of nothing is not allowed: must be of one or more stimuli")

    def at(self, time: Instant) -> FloatArray:
        return jnp.stack([term.at(time) for term in self.terms])

    def over(self, time: Instant, width: RealScalar) -> FloatArray:
        return jnp.stack([term.over(time, width) for term in self.terms])

    def edges(self) -> FloatArray:
        return jnp.concatenate([term.edges() for term in self.terms])


class Drives(AbstractStimulus):
    """A stimulus for each input of a cell by its name: `nd.Drives(soma=nd.Step(0.5), synapse=nd.Alpha(20.0, 1e-3))`. Inputs without one get nothing. Two of them
    add input by input."""

    terms: dict[str, AbstractStimulus]

    def __init__(self, **terms: AbstractStimulus):
        self.terms = {name: _checked(name, term) for name, term in terms.items()}

    def at(self, time: Instant) -> Any:
        return {name: term.at(time) for name, term in self.terms.items()}

    def over(self, time: Instant, width: RealScalar) -> Any:
        return {name: term.over(time, width) for name, term in self.terms.items()}

    def edges(self) -> FloatArray:
        return jnp.concatenate([jnp.zeros((0,), float), *(term.edges() for term in self.terms.values())])


def _checked(name: str, term: Any) -> AbstractStimulus:
    if not isinstance(term, AbstractStimulus) or isinstance(term, Drives):
        raise ValueError(f"{name} = {term!r} is not allowed: must be a stimulus of one input, such as nd.Step(0.5)")
    return term
