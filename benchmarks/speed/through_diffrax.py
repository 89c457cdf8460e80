"""The same work through `diffrax.diffeqsolve`: neurodyn's model and solver, stepped by Diffrax instead of neurodyn's own loop.

Same equations and same numbers, so the difference is the loop. Diffrax synchronises the gates after every step, which costs the solver a second
evaluation of their rates: as many as Heun's method needs, Diffrax's cheapest of second order.
"""

import diffrax as dfx
import jax
import jax.numpy as jnp

import neurodyn as nd

from .ours import parameters as parameters
from .plain_scan import DT, STEPS


def _solve(model, amplitude, saveat):
    return dfx.diffeqsolve(
        nd.term(model),
        nd.Staggered(),
        t0=0.0,
        t1=STEPS * DT,
        dt0=None,
        y0=model.init(),
        args=nd.Problem(model, nd.Step(amplitude)),
        saveat=saveat,
        # Not ConstantStepSize with save times: reverse gradients at save times on step ends are wrong.
        stepsize_controller=dfx.StepTo(DT * jnp.arange(STEPS + 1)),
        adjoint=dfx.RecursiveCheckpointAdjoint(),
        max_steps=STEPS,
    ).ys


def _voltage(t, y, args):
    del t, args
    return y["v"]


def _trace(model, amplitude):
    return _solve(model, amplitude, dfx.SaveAt(steps=True, fn=_voltage))


def _batch(function, p, drive):
    model = nd.replace(nd.HodgkinHuxley(), p)
    return jax.vmap(function, (None, 0))(model, drive) if drive.ndim else function(model, drive)


def forward(p, drive):
    """The voltage at the end."""
    return _batch(lambda model, amplitude: _solve(model, amplitude, dfx.SaveAt(t1=True, fn=_voltage))[-1], p, drive)


def recorded(p, drive):
    """The voltage after every step, shape (n, steps)."""
    return _batch(_trace, p, drive)


def loss(p, drive):
    """A mean square of the trace."""
    return jnp.mean((recorded(p, drive) + 60) ** 2)


gradient = jax.value_and_grad(loss)
