"""NEURON as a worker, in an environment of its own: `python -m benchmarks.cells.neuron_worker FILE`. Always in double precision, and no gradients."""

import sys

from neuron import h

from ..speed.worker import Work
from . import work
from .answers import serve
from .work import COMPARTMENTS, DT, STEPS


h.load_file("stdrun.hoc")
h.load_file("import3d.hoc")


class Cell:
    """What the importer puts the sections into."""

    all: list
    soma: list


def build() -> Cell:
    reader = h.Import3d_SWC_read()
    reader.quiet = 1
    reader.input(sys.argv[1])
    cell = Cell()
    h.Import3d_GUI(reader, 0).instantiate(cell)
    for section in cell.all:
        section.nseg, section.Ra, section.cm = COMPARTMENTS, work.RESISTIVITY, work.CAPACITANCE
        section.insert("hh")
    return cell


def prepare(cell, kind, n):
    if kind != "forward":
        return None
    # Every section there is takes part in a run, so the cell that was built is one of them.
    cells = [cell, *(build() for _ in range(n - 1))]
    h.dt, h.celsius, h.secondorder = DT, work.CELSIUS, 0
    h.CVode().active(0)
    kept = []
    for one, amplitude in zip(cells, work.amplitudes(n), strict=True):
        site = one.soma[0](0.5 / COMPARTMENTS)  # the importer begins the first section at the first point
        clamp = h.IClamp(site)
        clamp.delay, clamp.dur, clamp.amp = 0.0, 1e9, amplitude
        kept.append((one, clamp, h.Vector().record(site._ref_v)))

    def run():
        h.finitialize(work.V_INIT)
        h.continuerun(STEPS * DT)
        return kept[0][-1]

    return Work(run)


def trace(cell):
    # Another cell, since the first may still have the current of the last work.
    ready = prepare(build(), "forward", 1)
    assert ready is not None
    return sum(section.nseg for section in cell.all), list(ready.run())[:STEPS]


if __name__ == "__main__":
    serve(build, prepare, trace)
