"""Jaxley as a worker, in an environment of its own: `python jaxley_worker.py plain|flags float32|float64`.

One compartment with Jaxley's HH; the gradient is by its nine parameters (three conductances, three reversals, capacitance, radius, length).
"""

import os
import sys


if sys.argv[1] == "flags":
    os.environ["XLA_FLAGS"] = (
        "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000000 --xla_cpu_prefer_vector_width=512"
    )

import jax  # noqa: E402


jax.config.update("jax_enable_x64", sys.argv[2] == "float64")

import jax.numpy as jnp  # noqa: E402
import jaxley as jx  # noqa: E402
from jaxley.channels import HH  # noqa: E402
from worker import compiled, serve  # noqa: E402


DT, STEPS = 0.025, 4000
RADIUS, LENGTH = 5.0, 10.0  # um
AREA = 2 * jnp.pi * RADIUS * LENGTH * 1e-8  # cm2

cell = jx.Compartment()
cell.insert(HH())
cell.set("radius", RADIUS)
cell.set("length", LENGTH)
cell.record("v", verbose=False)
for name in ("HH_gNa", "HH_gK", "HH_gLeak", "HH_eNa", "HH_eK", "HH_eLeak", "capacitance", "radius", "length"):
    cell.make_trainable(name, verbose=False)
PARAMETERS = cell.get_parameters()


def _one(p, density):
    current = jnp.full(STEPS, 1e3 * AREA * density)  # uA/cm2 to nA
    return jx.integrate(cell, params=p, data_stimuli=cell.data_stimulate(current), delta_t=DT)


def recorded(p, drive):
    return jax.vmap(_one, in_axes=(None, 0))(p, drive) if drive.ndim else _one(p, drive)


def loss(p, drive):
    return jnp.mean((recorded(p, drive)[..., 1:] + 60) ** 2)


def prepare(kind, n):
    # It always records; its gradients of large batches fill the memory.
    if kind == "forward" or (kind == "gradient" and n > 1000):
        return None
    drive = jnp.linspace(5.0, 20.0, n) if n > 1 else jnp.asarray(10.0)
    return compiled({"recorded": recorded, "gradient": jax.value_and_grad(loss)}[kind], PARAMETERS, drive)


def trace():
    return jax.jit(recorded)(PARAMETERS, jnp.asarray(10.0))[0]


serve(prepare, trace)
