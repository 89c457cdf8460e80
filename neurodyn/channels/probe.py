"""The probe that a new mechanism has to pass."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._parameter import UNDECLARED, parameters
from .._types import FloatArray
from .ion import Ion
from .mechanism import AbstractMechanism
from .pool import AbstractPool


_VOLTAGES = np.linspace(-120.0, 60.0, 181)  # mV; hits -40 and -55 mV, where HH's rates have removable singularities
_CURRENTS = np.linspace(-1e3, 1e3, 21)  # uA/cm2
_CONCENTRATIONS = np.logspace(-6.0, 2.0, 9)  # mM
_OUTSIDE = 2.0  # mM

_Table = dict[str, Any]


def probe(name: str, part: Any, temperature: FloatArray) -> None:
    """Refuse a channel whose current or kinetics is not a finite, differentiable scalar function of a voltage from -120 to 60 mV and, where it reads
    one, of a concentration from 1e-6 to 100 mM; and a pool whose slope is not one of the concentration, falling with it, for currents up to 1000 uA/cm2.

    Mechanisms with a batch axis or traced parameters are not probed.

    **Raises:** `ValueError` naming the mechanism, the quantity, the voltage and the concentration.
    """
    kind = "pool" if isinstance(part, AbstractPool) else "channel"
    what = f"{kind} {name!r} ({type(part).__name__})"
    if not isinstance(part, AbstractMechanism):
        raise ValueError(f"{what} is not allowed: must be an AbstractChannel or an AbstractPool")
    arrays = [item for item in parameters((part, temperature)).values() if item.value.ndim]
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree_util.tree_leaves((part, temperature)))
    if traced or any(item.info is not UNDECLARED for item in arrays):
        return
    grid = _grid(part)
    point = [jax.ShapeDtypeStruct((), temperature.dtype) for _ in grid]
    try:
        shapes = eqx.filter_eval_shape(_evaluate, part, temperature, *point)
        wrong = {key: out.shape for key, out in shapes.items() if out.shape != ()}
        with jax.ensure_compile_time_eval():  # a model may be built inside a transformation
            columns = [jnp.asarray(column, temperature.dtype) for column in grid.values()]
            table = {} if wrong else jax.device_get(_tabulate(part, temperature, *columns))  # pyright: ignore[reportCallIssue]
    except Exception as error:
        if arrays:  # weights of a neural network, which may have a batch axis
            return
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{what} cannot be evaluated by JAX {_range(grid)} ({reason})") from error
    for key, shape in wrong.items():
        raise ValueError(f"{what}: its {key} has shape {shape} for a scalar {next(iter(grid)).split()[0]}, must be ()")
    _check(what, table, grid)


def _grid(part: AbstractMechanism) -> dict[str, np.ndarray]:
    """What a mechanism is evaluated at: quantities with their units, and their values point by point."""
    if isinstance(part, AbstractPool):
        axes = {"current (uA/cm2)": _CURRENTS, "concentration (mM)": _CONCENTRATIONS}
    elif part.reads():
        axes = {"voltage (mV)": _VOLTAGES, "concentration (mM)": _CONCENTRATIONS}
    else:
        return {"voltage (mV)": _VOLTAGES}
    return dict(zip(axes, (column.ravel() for column in np.meshgrid(*axes.values())), strict=True))


def _evaluate(part: Any, temperature: FloatArray, x: FloatArray, *inside: FloatArray) -> _Table:
    """The quantities that are looked at, gates before the current that they would spoil."""
    if isinstance(part, AbstractPool):
        return {"slope": part.slope(inside[0], x, temperature)}
    ions = {}
    for concentration in inside:
        ion = Ion(concentration, jnp.full_like(concentration, _OUTSIDE), temperature, 2)
        ions = dict.fromkeys(part.reads(), ion)
    steady = part.steady(x, temperature, ions)
    kinetics = part.kinetics(x, steady, temperature, ions)
    slope = {f"slope of gate {gate!r}": value for gate, value in kinetics.slope.items()}
    decay = {f"total rate of gate {gate!r}": total for gate, total in kinetics.decay.items()}
    return {**slope, **decay, "current": part.outward(x, steady, temperature, ions)}


#: Compiled once per kind of mechanism and run for a moment: what counts is the time of compilation.
_OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


@functools.partial(eqx.filter_jit, compiler_options=_OPTIONS)  # pyright: ignore[reportCallIssue]
def _tabulate(part: Any, temperature: FloatArray, *columns: FloatArray) -> _Table:
    def one(*point):
        table: _Table = {}
        for i, by in enumerate(("derivative of", "derivative by the concentration of")[: len(point)]):
            along = lambda x, i=i: _evaluate(part, temperature, *point[:i], x, *point[i + 1 :])
            values, slopes = jax.jvp(along, (point[i],), (jnp.ones_like(point[i]),))
            table |= values | {f"{by} {key}": value for key, value in slopes.items()}
        return table

    return jax.vmap(one)(*columns)


def _check(what: str, table: _Table, grid: dict[str, np.ndarray]) -> None:
    for key, values in _ordered(table).items():
        _refuse(what, key, values, ~np.isfinite(values), "finite", grid)
        if key.startswith("total"):
            _refuse(what, key, values, values <= 0, "> 0 1/ms", grid, " 1/ms")
        if what.startswith("pool") and "concentration" in key:
            _refuse(what, key, values, values >= 0, "< 0 1/ms, so that the concentration settles,", grid, " 1/ms")


def _ordered(table: _Table) -> _Table:
    """Values before derivatives, whatever order a compiled program returns a dictionary in, and the current last among each."""
    rank = lambda key: (key.startswith("derivative"), "by the" in key, key.endswith("current"), "slope" in key)
    return {key: table[key] for key in sorted(table, key=rank)}


def _refuse(
    what: str, key: str, values: np.ndarray, bad: np.ndarray, must: str, grid: dict[str, np.ndarray], unit: str = ""
) -> None:
    if not bad.any():
        return
    at = " and ".join(f"{column[bad][0]:g} {_unit(name)}" for name, column in grid.items())
    found = f"{values[bad][0]:g}{unit}" if unit else f"{values[bad][0]}"
    raise ValueError(f"{what}: the {key} is {found} at {at}, must be {must} {_range(grid)}")


def _unit(name: str) -> str:
    return name.split("(")[1][:-1]


def _range(grid: dict[str, np.ndarray]) -> str:
    return " and ".join(f"from {column.min():g} to {column.max():g} {_unit(name)}" for name, column in grid.items())
