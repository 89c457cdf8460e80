"""Speed against a hand-written loop: one process, compiled beforehand, the two taking turns, the best of several runs, results waited for."""

import functools
import time

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd

from .. import hand_written
from .registry import claim


SIZES = (1, 100, 256, 1000)
REPEATS, BUDGET = 7, 3.0  # at least so many turns, and more of them within so many seconds
DT, T1 = hand_written.DT, 100.0  # ms
STEPS = round(T1 / DT)

#: The nine parameters and the names that they have in the hand-written loop.
PATHS = {
    "na.g": "g_na",
    "k.g": "g_k",
    "leak.g": "g_leak",
    **{f"{gate}.{what}": f"{what}_{gate[-1]}" for what in ("factor", "shift") for gate in ("na.m", "na.h", "k.n")},
}


def _drives(n):
    return jnp.linspace(5.0, 20.0, n) if n > 1 else jnp.asarray(10.0)


def _neurodyn_loss(model, values, drives):
    changed = nd.replace(model, {path: values[name] for path, name in PATHS.items()})

    def trace(amplitude):
        return nd.simulate(changed, nd.Step(amplitude), T1, dt=DT, max_spikes=0).v[1:]

    v = trace(drives) if drives.ndim == 0 else jax.vmap(trace)(drives)
    return jnp.mean((v + 60) ** 2)


def _best(functions, arguments):
    """Best times in seconds, the functions taking turns; the first call of each, which compiles, is not counted."""
    for function in functions:
        jax.block_until_ready(function(*arguments))
    best = [np.inf] * len(functions)
    start, turns = time.perf_counter(), 0
    while turns < REPEATS or (time.perf_counter() - start < BUDGET and turns < 10 * REPEATS):
        turns += 1
        for i, function in enumerate(functions):
            began = time.perf_counter()
            jax.block_until_ready(function(*arguments))
            best[i] = min(best[i], time.perf_counter() - began)
    return best


def _compare(kind, n):
    losses = [functools.partial(_neurodyn_loss, nd.HodgkinHuxley()), hand_written.loss(STEPS)]
    functions = [jax.jit(loss if kind == "forward" else jax.value_and_grad(loss)) for loss in losses]
    ours, theirs = _best(functions, (hand_written.PARAMETERS, _drives(n)))
    million = n * STEPS / ours / 1e6
    return (
        f"{ours / theirs:.2f} ({1e3 * ours:.1f} ms against {1e3 * theirs:.1f} ms; {million:.3g} million neuron-steps/s)",
        None,
    )


def _register(kind, n):
    what = "trace loss" if kind == "forward" else "trace loss and its gradient by 9 parameters"

    @claim("speed", f"{what}, N = {n}: time over that of a hand-written scan", "reported", "benchmarks/hand_written.py")
    def ratio():
        return _compare(kind, n)


for _kind in ("forward", "gradient"):
    for _n in SIZES:
        _register(_kind, _n)


@claim(
    "speed",
    "The hand-written scan computes the same: largest difference in v over 100 ms, of two spike trains at 10 uA/cm2",
    "reported",
    "benchmarks/hand_written.py",
)
def same():
    v = nd.simulate(nd.HodgkinHuxley(), nd.Step(10.0), T1, dt=DT, max_spikes=0).v[1:]
    other = jax.jit(hand_written.trace(STEPS))(hand_written.PARAMETERS, jnp.asarray(10.0))
    return f"{float(jnp.abs(v - other).max()):.1e} mV", None
