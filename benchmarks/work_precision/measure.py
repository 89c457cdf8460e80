"""Spike-time error and time of one method."""

import time
from typing import NamedTuple

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd


T1, NEURONS = 100.0, 100  # ms
DRIVE = 10.0  # uA/cm2
MAX_SPIKES = 16


class Point(NamedTuple):
    """What one method costs and gives."""

    seconds: float
    error: float  # largest of the spike times, ms; NaN where the run fails or the spikes are not those of the reference
    #: Largest error of the voltage at `TIMES`, mV: free of how spikes are located between steps.
    voltage: float


class Reference(NamedTuple):
    """Spike times, and the voltage at `times`."""

    spikes: np.ndarray
    v: np.ndarray


#: Ends of steps of every method.
TIMES = np.arange(0.0, T1 + 0.1, 0.2)


def reference() -> Reference:
    """Diffrax's eighth-order solver at a tolerance of 1e-11."""
    sol = _run(nd.Adaptive(1e-11, 1e-11, dfx.Dopri8()))(jnp.asarray(DRIVE))
    return Reference(_finite(sol[0]), np.asarray(sol[1]))


def point(method: nd.FixedStep | nd.Adaptive, exact: Reference, neurons: int, budget: float) -> Point:
    """One program of many equal neurons; the best of the runs that `budget` seconds allow, two at least."""
    spikes, v = (np.asarray(x) for x in jax.jit(_run(method))(jnp.asarray(DRIVE)))
    spikes = _finite(spikes)
    same = spikes.shape == exact.spikes.shape and bool(np.isfinite(v).all())
    error = float(np.abs(spikes - exact.spikes).max()) if same else float("nan")
    voltage = float(np.abs(v - exact.v).max())
    population = jax.jit(jax.vmap(lambda amplitude: _spikes(method, amplitude)))
    return Point(_best(population, jnp.full(neurons, DRIVE), budget), error, voltage)


def _spikes(method, amplitude):
    return nd.simulate(
        nd.HodgkinHuxley(), nd.Step(amplitude), T1, method=method, ts=[T1], max_spikes=MAX_SPIKES
    ).spikes.times


def _run(method):
    def run(amplitude):
        stimulus = nd.Step(amplitude)
        sol = nd.simulate(nd.HodgkinHuxley(), stimulus, T1, method=method, ts=TIMES, max_spikes=MAX_SPIKES)
        return sol.spikes.times, sol.v

    return run


def _finite(times) -> np.ndarray:
    times = np.asarray(times)
    return times[np.isfinite(times)]


def _best(function, argument, budget: float) -> float:
    jax.block_until_ready(function(argument))
    best, turns, start = float("inf"), 0, time.perf_counter()
    while turns < 2 or (time.perf_counter() - start < budget and turns < 100):
        turns += 1
        began = time.perf_counter()
        jax.block_until_ready(function(argument))
        best = min(best, time.perf_counter() - began)
    return best
