"""Arbor as a worker, in an environment of its own: `python -m benchmarks.cells.arbor_worker FILE`. Always in double precision, and no gradients."""

import math
import sys
from typing import NamedTuple

import arbor
from arbor import units as U

from ..speed.worker import Work
from . import work
from .answers import serve
from .work import COMPARTMENTS, DT, STEPS


class Built(NamedTuple):
    """What is the same for every cell."""

    morphology: arbor.morphology
    decor: arbor.decor
    site: str


class Cells(arbor.recipe):
    """Cells that know nothing of each other."""

    def __init__(self, built: Built, amplitudes: list[float]):
        arbor.recipe.__init__(self)
        self.built, self.amplitudes = built, amplitudes

    def num_cells(self):
        return len(self.amplitudes)

    def cell_kind(self, gid):
        return arbor.cell_kind.cable

    def cell_description(self, gid):
        morphology, decor, site = self.built
        decor = arbor.decor(decor)
        decor.place(site, arbor.i_clamp(0 * U.ms, 1e6 * U.ms, self.amplitudes[gid] * U.nA))
        return arbor.cable_cell(morphology, decor, discretization=arbor.cv_policy_fixed_per_branch(COMPARTMENTS))

    def probes(self, gid):
        return [arbor.cable_probe_membrane_voltage(self.built.site, "v")]

    def global_properties(self, kind):
        known = arbor.neuron_cable_properties()
        known.set_ion("na", rev_pot=50 * U.mV)
        known.set_ion("k", rev_pot=-77 * U.mV)
        return known


def build() -> Built:
    morphology = arbor.load_swc_neuron(sys.argv[1]).morphology
    closest, _ = arbor.place_pwlin(morphology).closest(*work.first_point(sys.argv[1]))
    position = (min(math.floor(closest.pos * COMPARTMENTS), COMPARTMENTS - 1) + 0.5) / COMPARTMENTS
    decor = arbor.decor()
    decor.set_property(
        Vm=work.V_INIT * U.mV,
        cm=1e-2 * work.CAPACITANCE * U.F / U.m2,
        rL=work.RESISTIVITY * U.Ohm * U.cm,
        tempK=(273.15 + work.CELSIUS) * U.Kelvin,
    )
    decor.paint("(all)", arbor.density("hh"))
    return Built(morphology, decor, f"(location {closest.branch} {position})")


def prepare(built, kind, n):
    return Work(_simulation(built, n)[0]) if kind == "forward" else None


def _simulation(built, n):
    recipe = Cells(built, work.amplitudes(n))
    simulation = arbor.simulation(recipe, arbor.context(threads=1))
    schedule = arbor.regular_schedule(DT * U.ms)
    handles = [simulation.sample((gid, "v"), schedule) for gid in range(n)]

    def run():
        simulation.reset()
        simulation.run(STEPS * DT * U.ms, DT * U.ms)

    return run, lambda: simulation.samples(handles[0])[0][0][:, 1]


def trace(built):
    run, samples = _simulation(built, 1)
    run()
    return built.morphology.num_branches * COMPARTMENTS, samples()[:STEPS]


if __name__ == "__main__":
    serve(build, prepare, trace)
