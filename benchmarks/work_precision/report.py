"""The part of the page that a work-precision run writes."""

import numpy as np

from ..results import machine
from .measure import Point
from .methods import Family


_HEAD = """Hodgkin and Huxley's neuron at 10 uA/cm2 from t = 0 and from rest, over 100 ms, in double precision on one core: the largest error of its seven spike
times, against Diffrax's `Dopri8` at a tolerance of 1e-11, and the time of {neurons} such neurons in one vmapped program (best of several, compiled before).
`Staggered` is the default; `Staggered4` is its fourth-order sibling; Heun and Tsit5 are Diffrax's explicit solvers on fixed steps
(`nd.FixedStep(dt, diffrax.Tsit5())`); the adaptive ones are `nd.Adaptive(rtol, rtol, solver)`, where under `vmap` every neuron takes the steps of the
slowest, here the same for all. Made by `python -m benchmarks.work_precision`, which `make bench` runs.

{machine}

![Error of spike times against time](figures/work_precision.png)"""

_VOLTAGE = """The last column is the largest error of the voltage at every 0.2 ms. On fixed steps a spike is located on the cubic through the voltage at four step
ends, and from the fourth order up that is most of a spike time's error: compare the two columns."""


def page(found: dict[str, dict[float, Point]], families: tuple[Family, ...], neurons: int) -> str:
    """The whole part."""
    rows = [table(family, found[family.name]) for family in families if family.name in found]
    head = (
        "| solver | setting | time, ms | error of spike times, ms | error of the voltage, mV |\n|---|---|---|---|---|"
    )
    parts = [_HEAD.format(neurons=neurons, machine=machine()), advantage(found), "\n".join([head, *rows]), _VOLTAGE]
    return "\n\n".join(part for part in parts if part)


def table(family: Family, points: dict[float, Point]) -> str:
    """A row for each setting."""
    unit = family.setting.partition(", ")
    return "\n".join(
        f"| {family.name} | {unit[0]} {setting:g}{' ' * bool(unit[2])}{unit[2]} | {1e3 * p.seconds:.3g} | {_error(p.error)} | {_error(p.voltage)} |"
        for setting, p in points.items()
    )


def advantage(found: dict[str, dict[float, Point]]) -> str:
    """What the fourth-order solver saves for the same error."""
    if not {"Staggered", "Staggered4"} <= set(found):
        return ""
    parts = []
    for error in (1e-2, 1e-3, 1e-4):
        slow, fast = (seconds_for(found[name], error) for name in ("Staggered", "Staggered4"))
        parts.append(
            f"{1e3 * fast:.3g} ms against {1e3 * slow:.3g} ms at an error of {error:g} ms ({slow / fast:.1f} times)"
        )
    return f"`Staggered4` against `Staggered`, on the lines between the points (and beyond them): {'; '.join(parts)}."


def seconds_for(points: dict[float, Point], error: float) -> float:
    """The time at which a family reaches an error, on straight lines in the logarithms, the last of which goes on."""
    known = [point for point in points.values() if np.isfinite(point.error)]
    x, y = np.log([point.seconds for point in known]), np.log([point.error for point in known])
    i = int(np.clip(np.searchsorted(-y, -np.log(error)), 1, len(known) - 1))
    return float(np.exp(x[i - 1] + (np.log(error) - y[i - 1]) * (x[i] - x[i - 1]) / (y[i] - y[i - 1])))


def _error(value: float) -> str:
    return f"{value:.1e}" if np.isfinite(value) else "fails"
