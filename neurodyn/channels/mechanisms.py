"""The equations of a membrane put together from mechanisms by name, for points and for the compartments of a cell.

`parts` is a mapping of mechanisms by name and `y` a state: a dictionary, by the same names, of the states of each mechanism that has any. Everything is elementwise
in the voltage `v`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from .._model import Linearised
from .._parameter import ParameterInfo
from .._types import FloatArray, State
from ..kinetics import AbstractIonGate
from .base import AbstractChannel
from .ion import Ion
from .mechanism import AbstractMechanism
from .pool import AbstractPool
from .probe import probe


Parts = Mapping[str, AbstractMechanism]

_ROUNDS = 20  # of Newton's method for steady concentrations: six are enough for those of the library


def check(parts: Parts, temperature: FloatArray, units: str = "density") -> None:
    """Refuse mechanisms that do not go together, and those that are not finite functions of voltage and concentration.

    **Raises:** `ValueError` saying which and what to do.
    """
    for name, part in parts.items():
        if not isinstance(part, AbstractChannel | AbstractPool):
            raise ValueError(
                f"channel {name!r} ({type(part).__name__}) is not allowed: must be an AbstractChannel or an AbstractPool"
            )
    owner: dict[str, str] = {}
    for name, pool in pools(parts).items():
        what = f"pool {name!r} ({type(pool).__name__})"
        if pool.ion in owner:
            raise ValueError(
                f"{what} is not allowed: must be the only pool of {pool.ion!r}, which is {owner[pool.ion]!r}"
            )
        if pool.per_area and units == "absolute":
            raise ValueError(
                f"{what} is not allowed in absolute units, where no area is known: must be in a membrane with units='density'"
            )
        owner[pool.ion] = name
    for name, part in parts.items():
        for ion in sorted(part.reads() - set(owner)):
            example = '"ca": CalciumPool()' if ion == "ca" else f"one with ion={ion!r}"
            raise ValueError(
                f"channel {name!r} ({type(part).__name__}) is not allowed without a pool of {ion!r}, whose concentration it reads: "
                f"add a pool beside it, such as {example}"
            )
    for name, part in parts.items():
        probe(name, part, temperature)


def pools(parts: Parts) -> dict[str, AbstractPool]:
    """Those of the mechanisms that are concentrations."""
    return {name: part for name, part in parts.items() if isinstance(part, AbstractPool)}


def _channels(parts: Parts) -> dict[str, AbstractChannel]:
    return {name: part for name, part in parts.items() if isinstance(part, AbstractChannel)}


def _gated(parts: Parts) -> dict[str, AbstractChannel]:
    return {name: channel for name, channel in _channels(parts).items() if channel.gates()}


def ions(parts: Parts, y: State, temperature: FloatArray) -> dict[str, Ion]:
    """The ions that have a pool, by their own names."""
    return {pool.ion: pool.seen(y[name]["inside"], temperature) for name, pool in pools(parts).items()}


def currents(parts: Parts, v: FloatArray, y: State, temperature: FloatArray) -> dict[str, FloatArray]:
    """The outward current of each channel."""
    seen = ions(parts, y, temperature)
    return {name: c.outward(v, y.get(name, {}), temperature, seen) for name, c in _channels(parts).items()}


def total(parts: Parts, v: FloatArray, y: State, temperature: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The sum of the outward currents and its derivative by the voltage, the conductance."""

    def outward(v):
        return sum(currents(parts, v, y, temperature).values(), start=jnp.zeros_like(v))

    return jax.jvp(outward, (v,), (jnp.ones_like(v),))


def kinetics(parts: Parts, v: FloatArray, y: State, temperature: FloatArray) -> Linearised:
    """Slope and decay of every state but the voltage."""
    seen = ions(parts, y, temperature)
    moved = {name: channel.kinetics(v, y[name], temperature, seen) for name, channel in _gated(parts).items()}
    for name in pools(parts):
        inside = y[name]["inside"]
        slope, derivative = jax.jvp(_filling(parts, name, v, y, temperature), (inside,), (jnp.ones_like(inside),))
        moved[name] = Linearised({"inside": slope}, {"inside": -derivative})
    return Linearised({name: k.slope for name, k in moved.items()}, {name: k.decay for name, k in moved.items()})


def _filling(
    parts: Parts, name: str, v: FloatArray, y: State, temperature: FloatArray
) -> Callable[[FloatArray], FloatArray]:
    """The slope of a pool as a function of its own concentration, which drives its currents too."""
    pool = pools(parts)[name]

    def slope(inside):
        seen = ions(parts, {**y, name: {"inside": inside}}, temperature)
        carriers = {n: channel for n, channel in _channels(parts).items() if channel.ion == pool.ion}
        carried = (channel.outward(v, y.get(n, {}), temperature, seen) for n, channel in carriers.items())
        return pool.slope(inside, sum(carried, start=jnp.zeros_like(v)), temperature)

    return slope


def steady(parts: Parts, v: FloatArray, temperature: FloatArray) -> State:
    """The state in which everything but the voltage rests while that is held at `v` mV.

    Gates in closed form, concentrations by Newton's method; differentiable twice (with several pools whose currents depend on one another's concentration,
    the derivatives leave that dependence out).
    """
    inside = {name: pool.rest + jnp.zeros_like(v) for name, pool in pools(parts).items()}
    if inside:
        detached = lambda tree: jtu.tree_map(lambda x: jax.lax.stop_gradient(x) if eqx.is_array(x) else x, tree)
        fixed, held, warm = detached((dict(parts), v, temperature))
        approach = lambda _, x: _improved(fixed, held, warm, x, _approached)
        inside = jax.lax.fori_loop(0, _ROUNDS, approach, detached(inside))
        for _ in range(2):  # each carries one order of derivatives more
            inside = _improved(parts, v, temperature, inside, _polished)
    return _settled(parts, v, temperature, inside)


def _settled(parts: Parts, v: FloatArray, temperature: FloatArray, inside: dict[str, FloatArray]) -> State:
    """The state with these concentrations and all gates at their steady state."""
    filled = {name: {"inside": value} for name, value in inside.items()}
    seen = ions(parts, filled, temperature)
    return {**{name: c.steady(v, temperature, seen) for name, c in _gated(parts).items()}, **filled}


def _improved(
    parts: Parts, v: FloatArray, temperature: FloatArray, inside: dict[str, FloatArray], move: Callable[..., FloatArray]
) -> dict[str, FloatArray]:
    """Concentrations closer to where they rest, pool by pool."""
    for name in inside:

        def slope(value, name=name, inside=inside):
            y = _settled(parts, v, temperature, {**inside, name: value})
            return _filling(parts, name, v, y, temperature)(value)

        value = inside[name]
        inside = {**inside, name: move(value, *jax.jvp(slope, (value,), (jnp.ones_like(value),)))}
    return inside


def _approached(inside: FloatArray, slope: FloatArray, derivative: FloatArray) -> FloatArray:
    """One step towards the zero of a slope that falls with the concentration: Newton's of the concentration upwards, of its logarithm downwards. A
    reversal potential goes with the logarithm, so neither jumps over the zero, and no step ends below zero."""
    step = -slope / derivative
    return jnp.where(slope > 0, inside + step, inside * jnp.exp(jnp.clip(step / inside, -5.0, 0.0)))


def _polished(inside: FloatArray, slope: FloatArray, derivative: FloatArray) -> FloatArray:
    """Newton's step, in one form whatever the sign of a slope that is zero but for rounding: the compiler may round it one way for a value and another for
    its derivative."""
    return inside - slope / derivative


def state_info(parts: Parts) -> dict[str, ParameterInfo]:
    """Unit and range of every state but the voltage, by path."""
    return {f"{name}.{state}": info for name, part in parts.items() for state, info in part.states().items()}


def groups(parts: Parts) -> dict[str, Any]:
    """The place of every state in a split solver's sweep, the voltage's included, which is the innermost: gates that follow the voltage, each pool, gates that
    follow an ion, the voltage."""
    places = {name: {"inside": 1 + i} for i, name in enumerate(pools(parts))}
    after = 1 + len(places)
    gates = {
        name: {gate: after if isinstance(kind, AbstractIonGate) else 0 for gate, kind in channel.gates().items()}
        for name, channel in _gated(parts).items()
    }
    last = after + any(place == after for channel in gates.values() for place in channel.values())
    return {"v": last, **gates, **places}


def at_temperature(parts: Any, temperature: FloatArray) -> Any:
    """Any pytree with every mechanism in it prepared for a run at that temperature."""

    def is_mechanism(part):
        return isinstance(part, AbstractMechanism)

    return jtu.tree_map(lambda x: x.at_temperature(temperature) if is_mechanism(x) else x, parts, is_leaf=is_mechanism)
