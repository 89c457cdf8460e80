"""Jaxley as a worker, in an environment of its own: `python -m benchmarks.cells.jaxley_worker FILE plain|flags float32|float64`.

The gradient is by four numbers that all compartments share: the three conductances and the axial resistivity.
"""

import os
import sys


if sys.argv[2] == "flags":
    os.environ["XLA_FLAGS"] = (
        "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000000 --xla_cpu_prefer_vector_width=512"
    )

import jax  # noqa: E402


jax.config.update("jax_enable_x64", sys.argv[3] == "float64")

import jax.numpy as jnp  # noqa: E402
import jaxley as jx  # noqa: E402
from jaxley.channels import HH  # noqa: E402

from ..speed.worker import compiled  # noqa: E402
from . import work  # noqa: E402
from .answers import serve  # noqa: E402
from .work import COMPARTMENTS, DT, STEPS  # noqa: E402


TRAINED = ("HH_gNa", "HH_gK", "HH_gLeak", "axial_resistivity")
CHECKPOINTS = [25, 32]  # steps of each level: about half the time without, and a twentieth of the memory


def build():
    cell = jx.read_swc(sys.argv[1], ncomp=COMPARTMENTS)
    cell.insert(HH())
    cell.set("axial_resistivity", work.RESISTIVITY)
    cell.set("capacitance", work.CAPACITANCE)
    cell.set("v", work.V_INIT)
    cell.init_states()
    for name in TRAINED:
        cell.make_trainable(name, verbose=False)
    _site(cell).record("v", verbose=False)
    return cell


def _site(cell):
    distance = cell.nodes[["x", "y", "z"]].to_numpy() - work.first_point(sys.argv[1])
    return cell.select(nodes=[int((distance**2).sum(axis=1).argmin())])


def _functions(cell):
    def one(p, amplitude, checkpoints=None):
        stimulus = _site(cell).data_stimulate(jnp.full(STEPS, amplitude))
        return jx.integrate(cell, params=p, data_stimuli=stimulus, delta_t=DT, checkpoint_lengths=checkpoints)[0]

    def recorded(p, amplitude, checkpoints=None):
        return (
            jax.vmap(lambda x: one(p, x, checkpoints))(amplitude) if amplitude.ndim else one(p, amplitude, checkpoints)
        )

    def loss(p, amplitude):
        return jnp.mean((recorded(p, amplitude, CHECKPOINTS)[..., 1:] - work.TARGET) ** 2)

    return {"forward": recorded, "gradient": jax.value_and_grad(loss)}


def prepare(cell, kind, n):
    amplitude = jnp.asarray(work.amplitudes(n)) if n > 1 else jnp.asarray(work.amplitudes(1)[0])
    return compiled(_functions(cell)[kind], cell.get_parameters(), amplitude)


def trace(cell):
    voltage = jax.jit(_functions(cell)["forward"])(cell.get_parameters(), jnp.asarray(work.TRACED))
    return cell.nodes.shape[0], voltage[:STEPS]


if __name__ == "__main__":
    serve(build, prepare, trace)
