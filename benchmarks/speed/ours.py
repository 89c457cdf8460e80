"""The same work by neurodyn: `nd.vmap` over `nd.simulate`."""

import jax
import jax.numpy as jnp

import neurodyn as nd

from .plain_scan import DT, STEPS


#: The nine parameters: three conductances, and shift and factor of each gate's rates.
PATHS = (
    "na.g",
    "k.g",
    "leak.g",
    *(f"{gate}.{what}" for gate in ("na.m", "na.h", "k.n") for what in ("shift", "factor")),
)


def parameters():
    known = nd.HodgkinHuxley()
    values = (known.na.g, known.k.g, known.leak.g, *(jnp.asarray(x) for x in (0.0, 1.0) * 3))
    return dict(zip(PATHS, values, strict=True))


def _simulate(model, amplitude):
    return nd.simulate(model, nd.Step(amplitude), STEPS * DT, dt=DT, max_spikes=0)


def _batch(function, p, drive, out_axes=0):
    model = nd.replace(nd.HodgkinHuxley(), p)
    return nd.vmap(function, (None, 0), out_axes)(model, drive) if drive.ndim else function(model, drive)


def forward(p, drive):
    """The voltage at the end."""
    return _batch(lambda model, amplitude: _simulate(model, amplitude).final["v"], p, drive)


def recorded(p, drive):
    """The voltage at every step, shape (steps + 1, n)."""
    return _batch(lambda model, amplitude: _simulate(model, amplitude).v, p, drive, out_axes=1)


def loss(p, drive):
    """A mean square of the trace."""
    return jnp.mean(_batch(lambda model, amplitude: jnp.mean((_simulate(model, amplitude).v[1:] + 60) ** 2), p, drive))


gradient = jax.value_and_grad(loss)
