"""NEURON as a worker, in an environment of its own: single compartments with `hh` and its voltage recorded, always in double precision."""

import math

from neuron import h
from worker import Work, serve


DT, STEPS = 0.025, 4000
h.load_file("stdrun.hoc")


def prepare(kind, n):
    if kind == "gradient" or n > 1000:
        return None
    h.dt, h.celsius = DT, 6.3
    kept = []
    for i in range(n):
        section = h.Section()
        section.L, section.diam, section.nseg = 10.0, 10.0, 1
        section.insert("hh")
        clamp = h.IClamp(section(0.5))
        clamp.delay, clamp.dur = 0.0, 1e9
        density = 10.0 if n == 1 else 5.0 + 15.0 * i / (n - 1)
        clamp.amp = density * math.pi * 10.0 * 10.0 * 1e-8 * 1e3  # uA/cm2 to nA
        voltage = h.Vector().record(section(0.5)._ref_v) if kind == "recorded" else None
        kept.append((section, clamp, voltage))

    def work():
        assert len(kept) == n
        h.finitialize(-65.0)
        h.continuerun(STEPS * DT)
        return kept[0][2]

    return Work(work)


def trace():
    return prepare("recorded", 1).run()


serve(prepare, trace)
