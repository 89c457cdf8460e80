"""Hodgkin and Huxley's neuron as one would write it for one purpose: a scan over the staggered exponential Euler step, with nothing configurable.

The yardstick of the speed claims. Gates stand half a step behind the voltage, which gives the voltages of a second-order splitting.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp


DT = 0.025  # ms

#: What the gradient is taken by: conductances in mS/cm2, and per gate a factor of the rates and a shift in mV.
PARAMETERS = {
    "g_na": 120.0,
    "g_k": 36.0,
    "g_leak": 0.3,
    **{f"factor_{gate}": 1.0 for gate in "mhn"},
    **{f"shift_{gate}": 0.0 for gate in "mhn"},
}


def _linear_exponential(x):
    """x / (1 - exp(-x)), finite at zero."""
    small = jnp.abs(x) < 0.1
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1 + x / 2 + x * x / 12, safe / (1 - jnp.exp(-safe)))


def _gates(p, v, m, h, n, dt):
    vm, vh, vn = v - p["shift_m"], v - p["shift_h"], v - p["shift_n"]
    rates = (
        (m, p["factor_m"], _linear_exponential((vm + 40) / 10), 4 * jnp.exp(-(vm + 65) / 18)),
        (h, p["factor_h"], 0.07 * jnp.exp(-(vh + 65) / 20), 1 / (1 + jnp.exp(-(vh + 35) / 10))),
        (n, p["factor_n"], 0.1 * _linear_exponential((vn + 55) / 10), 0.125 * jnp.exp(-(vn + 65) / 80)),
    )
    moved = []
    for x, factor, opening, closing in rates:
        total = opening + closing
        steady = opening / total
        moved.append(steady + (x - steady) * jnp.exp(-dt * factor * total))
    return moved


def _step(p, drive, state):
    v, m, h, n = state
    g_na, g_k, g_leak = p["g_na"] * m**3 * h, p["g_k"] * n**4, p["g_leak"]
    g = g_na + g_k + g_leak
    steady = (g_na * 50 + g_k * -77 + g_leak * -54.387 + drive) / g
    v = steady + (v - steady) * jnp.exp(-DT * g)
    return (v, *_gates(p, v, m, h, n, DT))


def trace(steps: int) -> Callable:
    """The voltage at the end of each step, (steps, ...), as a function of the parameters and of a constant drive (a scalar or a batch)."""

    def run(p, drive):
        v = jnp.full_like(drive, -65.0)
        # The steady state at -65 mV, which the factors leave alone: a step that lasts for ever.
        gates = _gates({**p, **{f"factor_{gate}": 1.0 for gate in "mhn"}}, v, v, v, v, jnp.inf)
        gates = _gates(p, v, *gates, DT / 2)
        step = jax.checkpoint(lambda state: _step(p, drive, state), prevent_cse=False)

        def body(state, _):
            state = step(state)
            return state, state[0]

        return jax.lax.scan(body, (v, *gates), length=steps)[1]

    return run


def loss(steps: int) -> Callable:
    """A mean square of the trace, as a function of the parameters and the drive."""

    def value(p, drive):
        return jnp.mean((trace(steps)(p, drive) + 60) ** 2)

    return value
