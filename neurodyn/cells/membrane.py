"""The membrane of a cell: mechanisms on regions, with parameters that vary over them."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from .._model import AbstractElementwise, Linearised
from .._parameter import parameters, replace_leaves
from .._paths import match
from .._tree import permute
from .._types import FloatArray, State
from ..channels import AbstractMechanism, mechanisms
from .domains import Domain, Domains, Regions, domains
from .layout import Layout
from .profiles import AbstractProfile


Profiles = dict[str, AbstractProfile]


class Membrane(AbstractElementwise):
    """What there is in the membrane, domain by domain, ready for the time loop.

    **Fields:** `parts`: for each domain its mechanisms by name, those of their parameters that vary being arrays over its compartments; `temperature`, degC.
    """

    layout: Layout = eqx.field(static=True)
    regions: Regions = eqx.field(static=True)
    parts: tuple[dict[str, AbstractMechanism], ...]
    temperature: FloatArray

    @property
    def domains(self) -> Domains:
        return domains(self.layout, self.regions)

    def total(self, v: FloatArray, y: State) -> tuple[FloatArray, FloatArray]:
        """The outward current, uA/cm2, and conductance, mS/cm2, of each compartment, shape (n,)."""
        found = self._each(lambda parts, v, y: mechanisms.total(parts, v, y, self.temperature), v, y)
        current, conductance = zip(*found, strict=True)
        return self._back(current), self._back(conductance)

    def kinetics(self, v: FloatArray, y: State) -> Linearised:
        """Slope and decay of every state but the voltage."""
        found = self._each(lambda parts, v, y: mechanisms.kinetics(parts, v, y, self.temperature), v, y)
        return Linearised(_together([x.slope for x in found]), _together([x.decay for x in found]))

    def steady(self, v: FloatArray) -> State:
        """The states of all mechanisms when `v` mV has been held for ever."""
        return _together(self._each(lambda parts, v, y: mechanisms.steady(parts, v, self.temperature), v, None))

    def currents(self, v: FloatArray, y: State) -> dict[str, FloatArray]:
        """The outward current of each channel at its compartments, in the order of `Domains.where`, uA/cm2."""
        return _together(self._each(lambda parts, v, y: mechanisms.currents(parts, v, y, self.temperature), v, y))

    def potentials(self, v: FloatArray, y: State) -> dict[str, FloatArray]:
        """The Nernst potential of the ion of each pool at its compartments, in the order of `Domains.where`, mV."""

        def nernst(parts, v, y):
            pools = mechanisms.pools(parts)
            return {name: pool.seen(y[name]["inside"], self.temperature).nernst() for name, pool in pools.items()}

        return _together(self._each(nernst, v, y))

    def widen(self) -> Self:
        def repeated(domain: Domain, parts: Any) -> Any:
            shape = (domain.end - domain.begin,)
            return jtu.tree_map(
                lambda x: jnp.broadcast_to(x, shape) if eqx.is_inexact_array(x) and x.ndim == 0 else x, parts
            )

        parts = tuple(repeated(domain, own) for domain, own in zip(self.domains.parts, self.parts, strict=True))
        return eqx.tree_at(lambda membrane: membrane.parts, self, parts)

    def _each(self, function: Callable[[Any, FloatArray, Any], Any], v: FloatArray, y: State | None) -> list[Any]:
        """What a function of mechanisms, voltage and states gives for each domain."""
        if self.domains.order is not None:
            v = permute(v, self.domains.order)
        results = []
        for domain, parts in zip(self.domains.parts, self.parts, strict=True):
            own = None if y is None else {name: _share(y[name], domain, name) for name in parts if name in y}
            results.append(function(parts, v[domain.begin : domain.end], own))
        return results

    def _back(self, pieces: Any) -> FloatArray:
        """Values domain by domain in the order of the compartments."""
        whole = jnp.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        order = self.domains.order
        return whole if order is None else permute(whole, tuple(np.argsort(order).tolist()))


def _share(states: Any, domain: Domain, name: str) -> Any:
    _, begin, end = next(share for share in domain.shares if share[0] == name)
    return jtu.tree_map(lambda x: x[begin:end], states)


def _together(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Dictionaries by mechanism, joined domain after domain."""
    names = dict.fromkeys(name for piece in pieces for name in piece)
    found = {name: [piece[name] for piece in pieces if name in piece] for name in names}

    def joined(first, *more):
        return jnp.concatenate([first, *more]) if more else first

    return {name: jtu.tree_map(joined, *own) for name, own in found.items()}


def assemble(
    layout: Layout,
    regions: Regions,
    channels: Mapping[str, AbstractMechanism],
    profiles: Mapping[str, Profiles],
    distance: FloatArray,
    temperature: FloatArray,
) -> Membrane:
    """The membrane of a cell whose mechanisms `channels` are on `regions`, with the parameters named in `profiles` multiplied by these."""
    found = domains(layout, regions)
    parts = []
    for domain in found.parts:
        own = {}
        for name, begin, end in domain.shares:
            where = found.where[name]
            varied = {
                path: profile(layout, where, distance[where])[begin:end]
                for path, profile in profiles.get(name, {}).items()
            }
            own[name] = _varied(channels[name], varied)
        parts.append(own)
    prepared = mechanisms.at_temperature(tuple(parts), temperature)
    return Membrane(layout, regions, prepared, temperature)


def _varied(mechanism: AbstractMechanism, factors: dict[str, FloatArray]) -> AbstractMechanism:
    known = parameters(mechanism)
    new = {}
    for pattern, factor in factors.items():
        for path in match(pattern, known):
            new[path] = known[path].value * factor
    return replace_leaves(mechanism, new)
