"""The yardstick: Hodgkin and Huxley's neuron as a bare `lax.scan` over an exponential Euler step, gates first, with nothing else.

Its nine parameters are three conductances (mS/cm2) and a factor on each of the six rates.
"""

import jax
import jax.numpy as jnp


DT, STEPS = 0.025, 4000  # ms; 100 ms


def parameters():
    return {"g": jnp.asarray([120.0, 36.0, 0.3]), "factor": jnp.ones(6)}


def _linear_exponential(x):
    small = jnp.abs(x) < 1e-4
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1 + x / 2, safe / -jnp.expm1(-safe))


def _rates(v):
    return (
        _linear_exponential((v + 40) / 10),
        4 * jnp.exp(-(v + 65) / 18),
        0.07 * jnp.exp(-(v + 65) / 20),
        1 / (1 + jnp.exp(-(v + 35) / 10)),
        0.1 * _linear_exponential((v + 55) / 10),
        0.125 * jnp.exp(-(v + 65) / 80),
    )


def _relax(x, opening, closing):
    total = opening + closing
    steady = opening / total
    return steady + (x - steady) * jnp.exp(-DT * total)


def _step(p, state, drive):
    v, m, h, n = state
    rates = [rate * p["factor"][i] for i, rate in enumerate(_rates(v))]
    m, h, n = _relax(m, *rates[:2]), _relax(h, *rates[2:4]), _relax(n, *rates[4:])
    g_na, g_k, g_leak = p["g"][0] * m**3 * h, p["g"][1] * n**4, p["g"][2]
    g = g_na + g_k + g_leak
    steady = (g_na * 50 + g_k * -77 + g_leak * -54.387 + drive) / g
    return steady + (v - steady) * jnp.exp(-DT * g), m, h, n


def _run(p, drive, record):
    start = tuple(jnp.full_like(drive, x) for x in (-65.0, 0.0529, 0.596, 0.3177))
    step = jax.checkpoint(lambda state: _step(p, state, drive))

    def body(state, _):
        state = step(state)
        return state, state[0] if record else None

    return jax.lax.scan(body, start, length=STEPS)


def forward(p, drive):
    """The voltage after the last step."""
    return _run(p, drive, False)[0][0]


def recorded(p, drive):
    """The voltage after every step, shape (steps, n)."""
    return _run(p, drive, True)[1]


def loss(p, drive):
    """A mean square of the trace."""
    return jnp.mean((recorded(p, drive) + 60) ** 2)


gradient = jax.value_and_grad(loss)
