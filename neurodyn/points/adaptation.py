"""A current by which a neuron adapts, to its voltage and to its spikes."""

from collections.abc import Mapping

from .._parameter import Parameterised, parameter
from .._types import Parameter


class Adaptation(Parameterised):
    """`tau dw/dt = a (v - e_leak) - w`, and `w` grows by `b` at a spike; an outward current.

    A positive `a` resists the voltage with a delay, as an h or M current does: it is seen as a sag. A negative one enhances it, as a persistent sodium current
    does.

    **Fields:** `tau` ms, `a` nS, `b` pA.
    """

    tau: Parameter = parameter(100.0, unit="ms", lower=0.0, exclusive=True)
    a: Parameter = parameter(0.0, unit="nS", spread=2.0)
    b: Parameter = parameter(0.0, unit="pA", spread=20.0)


def as_currents(currents: Mapping[str, Adaptation]) -> dict[str, Adaptation]:
    """A copy of a dictionary of adaptation currents.

    **Raises:** `ValueError` for none, for a name that is no identifier, and for what is no `Adaptation`.
    """
    if not currents:
        raise ValueError("currents is not allowed to be empty: must hold an Adaptation, of a = b = 0 for none")
    for name, current in currents.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"current name {name!r} is not allowed: must be an identifier")
        if not isinstance(current, Adaptation):
            raise ValueError(f"current {name!r} is not allowed: must be an Adaptation, got {type(current).__name__}")
    return dict(currents)
