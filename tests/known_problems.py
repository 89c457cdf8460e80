"""Experiments whose uncertainties are known in closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn.fitting import AbstractObjective, Task, VoltageTrace


class Line(AbstractObjective):
    """A linear experiment on some of the constants of a LIF, with normal noise."""

    design: jax.Array
    data: jax.Array
    noise: jax.Array
    names: tuple[str, ...] = eqx.field(static=True)

    def misfit(self, model):
        return (self.design @ jnp.stack([getattr(model, name) for name in self.names]) - self.data) / self.noise

    def residuals(self, model, fraction):
        return self.exact_residuals(model)

    def measured(self, model):
        return self.misfit(model)

    def share(self):
        return jnp.ones(())

    def stages(self):
        return 1

    def response(self, model):
        return self.misfit(model)


NAMES = ("rest", "tau", "threshold")


def linear_problem():
    """The task at its optimum, and the covariance of the estimate. One bijection of each kind: free, positive, in a box."""
    rng = np.random.default_rng(0)
    design = rng.normal(size=(60, 3)) @ np.array([[1.0, 0.8, 0.0], [0.0, 0.6, 0.3], [0.0, 0.0, 1.0]])
    data = design @ np.array([-63.0, 20.0, -48.0]) + 0.5 * rng.normal(size=60)
    best = np.linalg.lstsq(design, data)[0]
    model = nd.replace(nd.LIF(), dict(zip(NAMES, best, strict=True)))
    objective = Line(jnp.asarray(design), jnp.asarray(data), jnp.asarray(0.5), NAMES)
    task = Task.of(model, objective, list(NAMES), bounds={"threshold": (-55.0, -40.0)})
    return task, best, 0.25 * np.linalg.inv(design.T @ design)


DRIVE = nd.Step(0.5, 5.0, 30.0)
TIMES = 0.1 * np.arange(501)
PASSIVE = ["capacitance", "channels.leak.e", "channels.leak.g"]


def passive_voltage(capacitance, e, g):
    """The charging curve of a membrane that starts at -65 mV, mV at TIMES."""
    v, out = -65.0, np.empty_like(TIMES)
    for start, stop, current in ((0.0, 5.0, 0.0), (5.0, 30.0, 0.5), (30.0, 50.0, 0.0)):
        inside = (TIMES >= start - 1e-9) & (TIMES <= stop + 1e-9)
        end = e + current / g
        out[inside] = end + (v - end) * np.exp(-(TIMES[inside] - start) * g / capacitance)
        v = end + (v - end) * np.exp(-(stop - start) * g / capacitance)
    return out


def passive_covariance(noise):
    at = np.array([1.0, -65.0, 0.1])
    step = 1e-5 * np.eye(3)
    jacobian = np.stack([(passive_voltage(*(at + h)) - passive_voltage(*(at - h))) / 2e-5 for h in step], axis=1)
    return noise**2 * np.linalg.inv(jacobian.T @ jacobian)


def passive_cell():
    return nd.PointCell({"leak": nd.channels.Leak(0.1, -65.0)})


def passive_trace(seed, noise=0.2):
    truth = passive_voltage(1.0, -65.0, 0.1)
    data = truth + noise * np.random.default_rng(seed).normal(size=truth.size)
    return VoltageTrace(DRIVE, data, 0.1, y0=None, noise=noise)
