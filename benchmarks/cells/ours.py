"""A cell of neurodyn, for `jax_worker`."""

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn.channels import Leak, Potassium, Sodium

from . import work


PARAMETERS = ("channels.na.g", "channels.k.g", "channels.leak.g", "axial_resistivity")


def build(path: str) -> nd.Cell:
    """The cell, with an electrode in the compartment closest to the first point of the file."""
    compartments = nd.cells.Compartments.per_section(nd.cells.read(path), work.COMPARTMENTS)
    site = compartments.layout.name_of(_closest(compartments.layout, work.first_point(path)))
    return nd.Cell(
        compartments,
        {"na": Sodium(), "k": Potassium(), "leak": Leak(e=-54.3)},
        capacitance=work.CAPACITANCE,
        axial_resistivity=work.RESISTIVITY,
        temperature=work.CELSIUS,
        initial=work.V_INIT,
        inputs={"electrode": nd.cells.CurrentClamp(site)},
        probes={"voltage": site},
    )


def _closest(layout, point) -> int:
    sections = layout.morphology.sections
    middles = [
        [np.interp(x * sections[s].length, sections[s].arc, along) for along in sections[s].points.T]
        for s, x in zip(layout.section, layout.position, strict=True)
    ]
    return int(np.argmin(np.linalg.norm(np.asarray(middles) - point, axis=1)))


def compartments(cell: nd.Cell) -> int:
    """How many the cell has."""
    return cell.layout.size


def parameters(cell: nd.Cell) -> dict[str, jax.Array]:
    """What the gradient is by."""
    known = {row.path: row.value for row in nd.describe(cell)}
    return {name: known[name] for name in PARAMETERS}


def functions(cell: nd.Cell) -> dict:
    """The work by its kind, as functions of the parameters and of the current, nA: a number, or one for each of several cells."""

    def voltage(p, current):
        run = nd.simulate(
            nd.replace(cell, p), nd.Step(current), work.STEPS * work.DT, dt=work.DT, record="voltage", max_spikes=0
        )
        return run.ys["voltage"]

    def forward(p, current):
        one = lambda current: voltage(p, current)
        return nd.vmap(one, out_axes=1)(current) if jnp.ndim(current) else one(current)

    def loss(p, current):
        return jnp.mean((forward(p, current)[1:] - work.TARGET) ** 2)

    return {"forward": forward, "gradient": jax.value_and_grad(loss)}
