"""Accuracy and observed order of the time-stepping paths."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import neurodyn as nd

from .registry import claim, precision


# Upward 0 mV crossings for E_L = -54.3 mV and 10 uA/cm2 from 5 ms on, from -65 mV with steady gates.
GOLDEN = (6.896665, 21.803870, 36.439014, 51.062078, 65.684247, 80.306349, 94.928446)
GOLDEN_SOURCE = "reference: DOP853 at 1e-12; NEURON 9 with CVODE at 1e-10, rate tables off, agrees to 1e-5 ms"


def _golden(method):
    sol = nd.simulate(nd.replace(nd.HodgkinHuxley(), {"leak.e": -54.3}), nd.Step(10.0, 5.0), 100.0, method=method)
    if int(sol.spikes.count) != len(GOLDEN):
        raise ValueError(f"{int(sol.spikes.count)} spikes")
    return float(np.abs(np.asarray(sol.spikes.times)[:7] - GOLDEN).max())


@claim("solvers", "Default settings (dt 0.025 ms): seven HH spike times over 100 ms", "error < 0.05 ms", GOLDEN_SOURCE)
def golden_fixed():
    error = _golden(None)
    return f"{error:.4f} ms", error < 0.05


@claim("solvers", "Adaptive at rtol 1e-9: the same spike times", "error < 1e-4 ms", GOLDEN_SOURCE)
def golden_adaptive():
    error = _golden(nd.Adaptive(rtol=1e-9, atol=1e-9))
    return f"{error:.1e} ms", error < 1e-4


# Order --------------------------------------------------------------------------------------------------------------------------


# A third of the way into a step: two thirds when the step is halved, then one third again. The error that an edge leaves goes with f (1 - f),
# f the fraction, so it is the same share of dt^2 each time.
START, STOP = 0.05 * (10 + 1 / 3), 0.05 * (42 + 1 / 3)
Y0 = (-30.0, 0.3, 0.4, 0.4)


def _slope(t, y, current):
    v, m, h, n = y
    rates = (
        (0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10)), 4 * np.exp(-(v + 65) / 18)),
        (0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))),
        (0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)),
    )
    ionic = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
    return [current - ionic, *(a * (1 - x) - b * x for x, (a, b) in zip((m, h, n), rates, strict=True))]


@functools.cache
def orders():
    """Two observed orders each for v, m, h, n, from steps of 0.05, 0.025 and 0.0125 ms."""
    exact = Y0
    for begin, end, current in ((0.0, START, 0.0), (START, STOP, 10.0), (STOP, 3.0, 0.0)):
        exact = solve_ivp(_slope, (begin, end), exact, "DOP853", rtol=1e-12, atol=1e-12, args=(current,)).y[:, -1]
    v, m, h, n = (jnp.asarray(x) for x in Y0)
    errors = []
    for dt in (0.05, 0.025, 0.0125):
        y0 = {"v": v, "na": {"m": m, "h": h}, "k": {"n": n}}
        y = nd.simulate(nd.HodgkinHuxley(), nd.Step(10.0, START, STOP), 3.0, dt=dt, y0=y0, max_spikes=0).final
        errors.append(np.abs(np.asarray([y["v"], y["na"]["m"], y["na"]["h"], y["k"]["n"]]) - exact))
    return np.log2(np.divide(errors[:-1], errors[1:]))


def _register_order(index, name):
    @claim(
        "solvers",
        f"Staggered: observed order of {name}, not from rest, edges inside steps",
        "2 +- 0.1",
        "reference: DOP853 at 1e-12",
    )
    def order():
        found = orders()[:, index]
        return ", ".join(f"{x:.3f}" for x in found), bool(np.all(np.abs(found - 2) < 0.1))


for _index, _name in enumerate(("v", "m", "h", "n")):
    _register_order(_index, _name)


@claim(
    "solvers",
    "float32: a run that starts at 10 s against one at 0, voltage over 20 ms with a spike",
    "difference < 1e-4 mV",
    "exact",
)
def late_start():
    # Edges at times that a float32 clock can hold at 10 s, where it resolves 1e-3 ms.
    with precision("float32"):

        def run(shift):
            stimulus = nd.Step(10.0, shift + 1.0, shift + 15.5) + nd.Samples(jnp.asarray([1.0, 3.0]), 2.5, shift + 5.0)
            return nd.simulate(nd.HodgkinHuxley(), stimulus, shift + 20.0, t0=shift, max_spikes=4)

        early, late = jax.device_get((run(0.0), run(1e4)))
    difference = float(np.abs(early.v - late.v).max())
    return f"{difference:.1e} mV", bool(early.spikes.count == late.spikes.count > 0 and difference < 1e-4)
