"""The gates of an ion channel."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._parameter import ParameterInfo, as_floating, check_value, modules
from ..channels import AbstractChannel
from ..kinetics import Q10, AbstractGate, AbstractIonGate, Instantaneous, TwoSiteBinding
from ..kinetics.parts import named
from .axes import DATA, MODEL, MUTED, OTHER, new_axes, tidy


_COLOURS = (MODEL, OTHER, DATA, "#009E73", "#CC79A7")
_STYLES = ("-", "--", ":")
_VOLTAGES = np.linspace(-120.0, 60.0, 361)  # mV
_HELD = (-80.0, -40.0, 0.0)  # mV
_CONCENTRATIONS = np.logspace(-6.0, 0.0, 361)  # mM
_TEMPERATURE = ParameterInfo("degC", lower=-5.0, upper=60.0)

_Curves = list[tuple[str, np.ndarray, np.ndarray | None]]


def channel(channel: AbstractChannel, temperature: float = 6.3, axes: Sequence[Any] | None = None) -> Any:
    """Draw the steady state of every gate on the left and its time constant on the right, from -120 to 60 mV.

    Gates that an ion opens are drawn against its concentration, at three voltages if these matter; in a row of their own below the others if there
    are both kinds. Gates that follow the voltage at once have no time constant. The temperature stands beside the time constants that depend on it.

    **Arguments:** `channel`; `temperature` in degC; `axes`, two for each row, or None for new ones.

    **Returns:** the axes, an array of shape (rows, 2).

    **Raises:** `ValueError` for a channel without gates, a batch of channels, a temperature that is not between -5 and 60 degC, and another number of axes;
    `TypeError` for what is not a channel.
    """
    if not isinstance(channel, AbstractChannel):
        raise TypeError(f"channel: expected an AbstractChannel, got {named(channel)}")
    celsius = as_floating(temperature, "temperature")
    check_value("temperature", celsius, _TEMPERATURE)
    rows = [(name, curves) for name, curves in _rows(channel, celsius) if curves]
    if not rows:
        raise ValueError(f"{type(channel).__name__} is not allowed: must have a gate")
    drawn = _axes(axes, len(rows))
    warmed = any(isinstance(part, Q10 | TwoSiteBinding) for part in modules(channel).values())
    ylabel = f"time constant (ms)\nat {float(celsius):g} °C" if warmed else "time constant (ms)"
    for (name, curves), (left, right) in zip(rows, drawn, strict=True):
        x = _VOLTAGES if name == "voltage" else _CONCENTRATIONS
        _draw(left, right, x, curves)
        right.set_ylabel(ylabel)
        for ax in (left, right):
            ax.set_xlabel("voltage (mV)" if name == "voltage" else f"[{name.capitalize()}] inside (mM)")
            ax.set_xscale("linear" if name == "voltage" else "log")
            ax.set_xlim(x[0], x[-1])
            tidy(ax)
    return drawn


def _rows(channel: AbstractChannel, temperature: Any) -> Iterator[tuple[str, _Curves]]:
    """The curves of the gates that depend on the voltage, then of those that depend on each ion: name, steady state, time constant."""
    fields = {name: getattr(channel, name) for name in channel.__dataclass_fields__}
    gates = {name: gate for name, gate in fields.items() if isinstance(gate, AbstractGate)}
    v = jnp.asarray(_VOLTAGES, float)
    yield (
        "voltage",
        [_curve(name, *_each(gate, temperature, v), isinstance(gate, Instantaneous)) for name, gate in gates.items()],
    )
    followers = {name: gate for name, gate in fields.items() if isinstance(gate, AbstractIonGate)}
    for ion in dict.fromkeys(gate.ion for gate in followers.values()):
        curves: _Curves = []
        for name, gate in followers.items():
            if gate.ion == ion:
                curves += _at_voltages(name, gate, temperature)
        yield ion, curves


def _at_voltages(name: str, gate: AbstractIonGate, temperature: Any) -> _Curves:
    inside = jnp.asarray(_CONCENTRATIONS, float)
    rates = [np.asarray(_each(gate, temperature, jnp.full_like(inside, v), inside)) for v in _HELD]
    if all(np.allclose(pair, rates[0], rtol=1e-6) for pair in rates):
        return [_curve(name, *rates[0])]
    return [_curve(f"{name} at {v:g} mV", *pair) for v, pair in zip(_HELD, rates, strict=True)]


def _each(gate: Any, temperature: Any, *points: Any) -> tuple[Any, Any]:
    """The rates of one gate at each point."""
    opening, total = jax.vmap(lambda *point: gate.rates(*point, temperature))(*points)
    if opening.ndim != 1:
        raise ValueError(f"a batch of {opening.shape[1:]} channels is not allowed: must be one channel")
    return opening, total


def _curve(name: str, opening: Any, total: Any, at_once: bool = False) -> tuple[str, np.ndarray, np.ndarray | None]:
    opening, total = np.asarray(opening), np.asarray(total)
    return name, opening / total, None if at_once else 1 / total


def _draw(left: Any, right: Any, x: np.ndarray, curves: _Curves) -> None:
    gates = list(dict.fromkeys(label.split()[0] for label, _, _ in curves))
    seen = dict.fromkeys(gates, 0)
    for label, steady, time in curves:
        gate = label.split()[0]
        line = dict(color=_COLOURS[gates.index(gate) % len(_COLOURS)], linestyle=_STYLES[seen[gate] % len(_STYLES)])
        seen[gate] += 1
        left.plot(x, steady, label=label, linewidth=1.6, **line)
        if time is not None:
            right.plot(x, time, label=label, linewidth=1.6, **line)
    left.set_ylim(-0.03, 1.05)
    left.set_ylabel("steady state")
    left.legend(frameon=False, fontsize="small", loc="best")
    times = [time for _, _, time in curves if time is not None]
    if not times:
        right.text(0.5, 0.5, "follows the voltage at once", color=MUTED, ha="center", transform=right.transAxes)
        right.set_yticks([])
        return
    low, high = min(t.min() for t in times), max(t.max() for t in times)
    if high > 20 * low:
        right.set_yscale("log")
    else:
        right.set_ylim(0.0, 1.08 * high)


def _axes(axes: Sequence[Any] | None, rows: int) -> np.ndarray:
    if axes is not None:
        given = np.asarray(axes, object).ravel()
        if given.size != 2 * rows:
            raise ValueError(f"axes: {given.size} are not allowed: must be {2 * rows}, two for each row")
        return given.reshape(rows, 2)
    ax = new_axes(None, (7.0, 2.6 * rows))
    figure = ax.figure
    ax.remove()
    return figure.subplots(rows, 2, squeeze=False)
