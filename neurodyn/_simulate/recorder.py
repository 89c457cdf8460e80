"""What is recorded of a run."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx

from .._model import AbstractNeuron
from .._paths import match, named_leaves
from .._types import RealScalar, State


class Recorder(eqx.Module):
    """Picks the wanted states and observables by path."""

    states: tuple[str, ...] = eqx.field(static=True)
    observables: tuple[str, ...] = eqx.field(static=True)

    @property
    def paths(self) -> tuple[str, ...]:
        return self.states + self.observables

    def __call__(self, model: AbstractNeuron, t: RealScalar, y: State, drive: Callable[[], Any]) -> dict[str, Any]:
        leaves = named_leaves(y)
        record = {path: leaves[path] for path in self.states}
        if self.observables:
            seen = named_leaves(model.observe(t, y, drive()))
            record |= {path: seen[path] for path in self.observables}
        return record


def make_recorder(model: AbstractNeuron, y: State, drive: Any, record: str | Sequence[str] | None) -> Recorder:
    """The recorder of some patterns; None records the voltage (every state of a model without one).

    **Raises:** `ValueError` for a pattern that matches neither a state nor an observable.
    """
    states = list(named_leaves(y))
    observables = list(named_leaves(eqx.filter_eval_shape(lambda m, y, d: m.observe(0.0, y, d), model, y, drive)))
    names = states + [name for name in observables if name not in states]
    if record is None:
        voltages = [name for name in names if name.split(".")[-1] == "v"]
        chosen = voltages or states
    else:
        chosen = match(record, names, "state or observable") if record else []
    return Recorder(
        tuple(name for name in chosen if name in states), tuple(name for name in chosen if name not in states)
    )
