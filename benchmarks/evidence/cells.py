"""Cells with a shape: the Rallpacks, closed forms of cable theory, and conduction.

Rallpacks: Bhalla, Bilitch and Bower (1992), Trends Neurosci. 15:453; the bars are half of the tolerances that simulators hold themselves to in them.
"""

import functools
from math import pi, sinh, sqrt

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

import neurodyn as nd
from neurodyn import cells
from neurodyn.cells import Compartments
from neurodyn.channels import Leak

from .cell_gradients import branched, squid
from .registry import claim


RALL = "closed form: Rall (1969), Biophys. J. 9:1483"
RALLPACKS = "Bhalla et al. (1992)"
REST = -65.0
ENDS = {"v_begin": "cable(0)", "v_end": "cable(1)"}

# The cylinder of Rallpacks 1 and 3: 1 mm, 1 um, 4e4 ohm cm2, 100 ohm cm, 1 uF/cm2; its length constant is 1 mm.
LENGTH, TAU, INFINITE = 1.0, 40.0, 1e-6 * 4 * 100 * 0.1 / (pi * 1e-8)  # Mohm


def cable(count: int, channels: dict | None = None, **more) -> nd.Cell:
    """That cylinder, passive unless there are channels, with an electrode at its beginning."""
    shape = Compartments.per_section(cells.cylinder(1000.0, 1.0, name="cable"), count)
    channels = {"leak": Leak(0.025, REST)} if channels is None else channels
    more = {"inputs": {"here": cells.CurrentClamp("cable(0)")}, "probes": ENDS, **more}
    return nd.Cell(shape, channels, initial=REST, **more)


def _middles(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def charging(x: float, ts: np.ndarray, length: float = LENGTH, infinite: float = INFINITE) -> np.ndarray:
    """The voltage at X = `x` of a sealed cylinder at rest into whose end 0.1 nA flows from time zero on; for ts > 0."""
    n = np.arange(1, 601)[:, None]
    decay = 1 + (n * pi / length) ** 2
    modes = [
        np.sum(np.cos(n * pi * x / length) * np.exp(-decay * part / TAU) / decay, axis=0)
        for part in np.array_split(ts, 1 + len(ts) // 500)
    ]
    transient = np.exp(-ts / TAU) / length + 2 / length * np.concatenate(modes)
    return REST + 0.1 * infinite * (np.cosh(length - x) / sinh(length) - transient)


def _deviations(cell, dt, probes, **theory):
    """The largest over the probes, which have their places X: root mean square at samples 0.05 ms apart, and largest deviation at these and each step of the first
    millisecond, per cent of the range; 0.1 nA for 250 ms."""
    run = nd.simulate(cell, nd.Step(0.1), 250.0, dt=dt, record=list(probes), max_spikes=0)
    ts, stride = np.asarray(run.ts), round(0.05 / dt)
    even, early = np.arange(stride, len(ts), stride), np.arange(1, round(1.0 / dt))
    worst = np.zeros(2)
    for name, x in probes.items():
        v = np.asarray(run.ys[name])
        whole, start = (np.abs(v[at] - charging(x, ts[at], **theory)) for at in (even, early))
        found = np.asarray([np.sqrt(np.mean(whole**2)), max(whole.max(), start.max())])
        worst = np.maximum(worst, 100 * found / np.ptp(charging(x, ts[even], **theory)))
    return worst


def _within(deviations, bars):
    return "RMS {:.4f} %, max {:.4f} %".format(*deviations), bool(np.all(deviations < bars))


# Cable theory -------------------------------------------------------------------------------------------------------------------


@claim(
    "cells",
    "Rallpack 1: 1000 compartments, dt 0.005 ms, both ends",
    "RMS < 0.05 %, max < 0.25 %",
    f"{RALLPACKS}; {RALL}",
)
def rallpack_1():
    half = LENGTH / 2000
    return _within(_deviations(cable(1000), 0.005, {"v_begin": half, "v_end": LENGTH - half}), (0.05, 0.25))


@claim(
    "cells",
    "Rallpack 2: 1023 compartments, dt 0.05 ms, root and tip",
    "RMS < 0.125 %, max < 0.25 %",
    f"{RALLPACKS}; {RALL}",
)
def rallpack_2():
    names = [s.name for s in cells.branching().sections]
    shape = Compartments.per_section(cells.branching(), 1)
    probes = {"v_root": names[0], "v_tip": names[-1]}
    cell = nd.Cell(shape, {"leak": Leak(0.025, REST)}, inputs={"here": cells.CurrentClamp(names[0])}, probes=probes)
    wide, constant = 16e-4, sqrt(16e-4 * 4e4 / 400)  # cm
    equivalent = {"length": 0.08, "infinite": 1e-6 * 400 * constant / (pi * wide**2)}
    return _within(_deviations(cell, 0.05, {"v_root": 0.004, "v_tip": 0.076}, **equivalent), (0.125, 0.25))


@claim(
    "cells",
    "Rallpack 3: 1000 compartments, dt 0.0125 ms: spikes at both ends, the last ones, interval, peaks of samples 0.05 ms apart",
    "18, 17; 248.5, 236.7 +- 0.2 ms; 14.53 +- 0.01 ms; 41.33, 46.23 +- 0.1 mV",
    f"{RALLPACKS}: its reference trace, and a solution at dt 2.5 us",
)
def rallpack_3():
    cell = cable(1000, squid(REST, 0.025), detectors=list(ENDS.values()))
    run = nd.simulate(cell, nd.Step(0.1), 250.0, dt=0.0125, every=4, record=list(ENDS), max_spikes=24)
    counts, (begin, end) = np.asarray(run.spikes.count), np.asarray(run.spikes.times)
    last = begin[np.isfinite(begin)][-1], end[np.isfinite(end)][-1]
    interval = float(np.diff(begin[np.isfinite(begin)])[-1])
    peaks = [float(run.ys[name].max()) for name in ENDS]
    text = f"{counts[0]}, {counts[1]}; {last[0]:.3f}, {last[1]:.3f} ms; {interval:.3f} ms; {peaks[0]:.2f}, {peaks[1]:.2f} mV"
    near = np.abs(np.subtract([*last, interval, *peaks], (248.5, 236.7, 14.53, 41.33, 46.23))) < (
        0.2,
        0.2,
        0.01,
        0.1,
        0.1,
    )
    return text, counts.tolist() == [18, 17] and bool(near.all())


@functools.cache
def _sealed():
    """Largest errors of the steady voltage, mV, of 10 pA into the end, for 11, 33, 99 and 297 compartments."""
    errors = []
    for count in (11, 33, 99, 297):
        cell = cable(count)
        y = cell.init()
        # The middle of a step without end of Crank and Nicolson's method is the steady state.
        v = (cell.dynamics(0.0, y, jnp.asarray(0.01)).advance(y, 1e12)["v"] - y["v"]) / 2
        exact = 0.01 * INFINITE * np.cosh(LENGTH * (1 - _middles(count))) / sinh(LENGTH)
        errors.append(float(np.abs(v - exact).max()))
    return np.asarray(errors)


@claim(
    "cells",
    "Sealed cable, steady: largest error with 11, 33, 99, 297 compartments",
    "4.89e-3, 5.44e-4, 6.05e-5, 6.7e-6 mV +- 1 %",
    f"{RALL}; NEURON 9 has the same errors",
)
def sealed_errors():
    errors = _sealed()
    text = ", ".join(f"{x:.3g}" for x in errors)
    return f"{text} mV", bool(np.all(np.abs(errors / (4.89e-3, 5.44e-4, 6.05e-5, 6.7e-6) - 1) < 0.01))


@claim("cells", "Sealed cable, steady: observed order in the length of compartments", "2 +- 0.05", RALL)
def space_order():
    orders = np.log(_sealed()[:-1] / _sealed()[1:]) / np.log(3)
    return ", ".join(f"{x:.4f}" for x in orders), bool(np.all(np.abs(orders - 2) < 0.05))


@claim(
    "cells",
    "Passive cable: observed order in time of the decay of a mode",
    "2 +- 0.02",
    "exact, on the same compartments",
)
def passive_time_order():
    count, cell, errors = 40, cable(40), []
    shape = np.cos(2 * pi * _middles(count))
    rate = (1 + 2 * count**2 * (1 - np.cos(2 * pi / count)) / LENGTH**2) / TAU
    for dt in (0.2, 0.1, 0.05):
        y0 = {"v": jnp.asarray(REST + 10 * shape)}
        v = nd.simulate(cell, nd.Step(0.0), 2.0, dt=dt, y0=y0, max_spikes=0).final["v"]
        errors.append(float(np.abs(v - REST - 10 * shape * np.exp(-2.0 * rate)).max()))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    return ", ".join(f"{x:.4f}" for x in orders), bool(np.all(np.abs(orders - 2) < 0.02))


@claim(
    "cells",
    "Cable with Hodgkin and Huxley's channels, not from rest: observed orders in time of n, h, m, v",
    "2 +- 0.1",
    "reference: DOP853 at 1e-12",
)
def active_time_order():
    shape = Compartments.per_section(cells.cylinder(600.0, 2.0, name="cable"), 6)
    cell = nd.Cell(shape, squid(), inputs={"here": cells.CurrentClamp("cable(0)")})
    y0 = {**cell.init(), "v": jnp.asarray(REST + 30 * np.cos(pi * _middles(6)))}
    start, unravel = ravel_pytree(y0)
    slope = jax.jit(lambda t, y: ravel_pytree(cell.dynamics(t, unravel(y), jnp.asarray(0.5)).slope)[0])
    exact = solve_ivp(slope, (0.0, 2.0), np.asarray(start), "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    errors = []
    for dt in (0.05, 0.025, 0.0125):
        y = nd.simulate(cell, nd.Step(0.5), 2.0, dt=dt, y0=y0, max_spikes=0).final
        errors.append(np.abs(np.asarray(ravel_pytree(y)[0]) - exact).reshape(4, 6).max(axis=1))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))[-1]
    return ", ".join(f"{x:.3f}" for x in orders), bool(np.all(np.abs(orders - 2) < 0.1))


@claim(
    "cells",
    "Charge: sum of the currents along a branched cell over the largest; what 1 pC leaves on a membrane without leak after 1 s",
    "< 1e-12; error < 1e-9",
    "exact",
)
def charge():
    cell = branched()
    y = cell.init()
    v = y["v"] + 20 * jnp.sin(jnp.arange(y["v"].size, dtype=float))
    drive = {"electrode": jnp.asarray(0.0)}
    along = cell.dynamics(0.0, {**y, "v": v}, drive).decay["v"].outflow(v)
    total = float(jnp.abs(along.sum()) / jnp.abs(along).max())
    quiet = nd.Cell(cell.compartments, {"leak": Leak(0.0, REST)}, initial=REST)
    run = nd.simulate(quiet, nd.Step(0.1, 1.0, 11.0), 1000.0, dt=0.5, record=[], max_spikes=0)
    left = float(jnp.sum(1e-5 * cell.compartments.area * (run.final["v"] - REST)))  # pC, at 1 uF/cm2
    return f"{total:.1e}; {abs(left - 1):.1e}", total < 1e-12 and abs(left - 1) < 1e-9


# Conduction ---------------------------------------------------------------------------------------------------------------------


@claim(
    "cells",
    "The squid's axon (a 238 um, 35.4 ohm cm, 18.5 degC): conduction velocity, peak, and velocity at half the diameter",
    "18.73 +- 0.1 m/s, 25.58 +- 0.1 mV, ratio 1.414 +- 1 %",
    "Hodgkin and Huxley (1952): 18.8 m/s; reference: the partial differential equation, dx to 25 um",
)
def conduction():
    shape = Compartments.per_section(cells.cylinder(60e3, 476.0, name="axon"), 240)
    cell = nd.Cell(
        shape,
        squid(),
        axial_resistivity=35.4,
        temperature=18.5,
        inputs={"here": cells.CurrentClamp("axon(0)")},
        detectors=["axon(0.4)", "axon(0.7)"],
        probes={"v_middle": "axon(0.5)"},
    )

    @jax.jit
    @jax.vmap
    def run(factor):
        changed, pulse = nd.replace(cell, {"diameter": factor}), nd.Step(5e3 * factor**1.5, 0.0, 0.5)
        sol = nd.simulate(changed, pulse, 5.5, dt=0.005, record="v_middle", max_spikes=2)
        return sol.spikes.times[:, 0], sol.ys["v_middle"].max()

    times, peaks = run(jnp.asarray([1.0, 0.5]))
    distance = 60.0 * np.diff(shape.layout.position[np.asarray(cell.detectors)])[0]  # mm
    speed, slower = distance / np.diff(times)[:, 0]
    holds = abs(speed - 18.73) < 0.1 and abs(peaks[0] - 25.58) < 0.1 and abs(speed / slower / sqrt(2) - 1) < 0.01
    return f"{speed:.3f} m/s, {float(peaks[0]):.2f} mV, {speed / slower:.4f}", bool(holds)
