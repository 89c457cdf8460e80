"""Makes the reference data of `tests/test_neuron_parity.py` with NEURON, in its environment: README.md beside this file says how to run it.

NEURON is set so that it is a reference: `hh` computes its rates instead of looking them up in a table, CVODE controls the error of each step (1e-10), and
crossings of the threshold are located to second order. Each protocol is run a second time with errors ten times larger, and the file says how far apart the two are.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import neuron
import numpy as np
from neuron import h

from .protocols import EVERY, INITIAL, MEMBRANE, PROTOCOLS, RATES_AT, TEMPERATURE, TOLERANCE


h.load_file("stdrun.hoc")
h.load_file("import3d.hoc")
h.usetable_hh = 0


class Cell:
    """Sections by name, from the importer or made here."""

    all: list[Any]


def ball_and_stick(soma: float, length: float, diameter: float) -> Cell:
    cell = Cell()
    cell.all = [h.Section(name="soma"), h.Section(name="dend")]
    for section, (long, wide) in zip(cell.all, ((soma, soma), (length, diameter)), strict=True):
        section.L, section.diam = long, wide
    cell.all[1].connect(cell.all[0](1))
    return cell


def imported(path: Path) -> Cell:
    reader = h.Import3d_SWC_read()
    reader.quiet = 1
    reader.input(str(path))
    cell = Cell()
    h.Import3d_GUI(reader, 0).instantiate(cell)
    return cell


def build(protocol: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The sections of the cell of a protocol by name, with what is in their membranes."""
    shape, counts = protocol["shape"], protocol["compartments"]
    cell = imported(folder / shape) if isinstance(shape, str) else ball_and_stick(**shape)
    sections = {section.name().split(".")[-1]: section for section in cell.all}
    for name, section in sections.items():
        section.nseg = counts if isinstance(counts, int) else counts[name]
        section.Ra, section.cm = MEMBRANE["Ra"], MEMBRANE["cm"]
        if name.startswith("soma") or protocol["active"] == "all":
            section.insert("hh")
            section.ena, section.ek = MEMBRANE["ena"], MEMBRANE["ek"]
            for segment in section:
                # from mS/cm2 to S/cm2
                segment.hh.gnabar, segment.hh.gkbar = 1e-3 * MEMBRANE["gna"], 1e-3 * MEMBRANE["gk"]
                segment.hh.gl, segment.hh.el = 1e-3 * MEMBRANE["gl"], MEMBRANE["el"]
        else:
            section.insert("pas")
            for segment in section:
                segment.pas.g, segment.pas.e = 1e-3 * MEMBRANE["gpas"], MEMBRANE["epas"]
    # Whatever there is takes part in a run, so nothing may be left of the last one.
    assert len(list(h.allsec())) == len(sections)
    return sections


def place(sections: dict[str, Any], site: str) -> Any:
    name, x = site.removesuffix(")").split("(")
    return sections[name](float(x))


def drive(sections: dict[str, Any], given: dict[str, Any]) -> Any:
    """The input of a protocol."""
    kind, segment = given["kind"], place(sections, given["at"])
    if kind == "current":
        clamp = h.IClamp(segment)
        clamp.amp, clamp.delay, clamp.dur = given["amplitude"], given["start"], given["stop"] - given["start"]
        return clamp
    if kind == "alpha":
        synapse = h.AlphaSynapse(segment)
        synapse.gmax, synapse.onset, synapse.tau, synapse.e = (given[x] for x in ("peak", "onset", "tau", "reversal"))
        return synapse
    clamp = h.SEClamp(segment)
    clamp.rs = given["series_resistance"]
    for i, (level, duration) in enumerate(given["levels"], 1):
        setattr(clamp, f"amp{i}", level)
        setattr(clamp, f"dur{i}", duration)
    return clamp


class Run(NamedTuple):
    """Voltages at the sites, mV, one row each; the times of their spikes, ms; and the current of the input into the cell, nA."""

    v: np.ndarray
    spikes: list[list[float]]
    current: np.ndarray


def run(protocol: dict[str, Any], folder: Path, tolerance: float) -> Run:
    sections = build(protocol, folder)
    kept = drive(sections, protocol["input"])
    sites = [place(sections, site) for site in protocol["sites"]]
    current = h.Vector().record(kept._ref_i, EVERY)
    voltages = [h.Vector().record(site._ref_v, EVERY) for site in sites]
    spikes, detectors = [h.Vector() for _ in sites], []
    for site, times in zip(sites, spikes, strict=True):
        detectors.append(h.NetCon(site._ref_v, None, sec=site.sec))
        detectors[-1].threshold = 0.0
        detectors[-1].record(times)
    h.celsius = TEMPERATURE
    h.cvode.active(1)
    h.cvode.atol(tolerance)
    h.cvode.rtol(tolerance)
    h.cvode.condition_order(2)
    h.finitialize(INITIAL)
    h.cvode.solve(protocol["t1"] + 1e-6)
    samples = round(protocol["t1"] / EVERY) + 1
    into = -1.0 if protocol["input"]["kind"] == "alpha" else 1.0  # a synapse's current is counted outward
    return Run(
        np.stack([np.asarray(v)[:samples] for v in voltages]),
        [list(t) for t in spikes],
        into * np.asarray(current)[:samples],
    )


def rates() -> dict[str, list[float]]:
    """Steady states and time constants (ms) of the three gates of `hh`."""
    section = h.Section(name="patch")
    section.insert("hh")
    h.cvode.active(0)
    h.celsius = TEMPERATURE
    names = [f"{gate}{what}" for gate in "mhn" for what in ("inf", "tau")]
    found: dict[str, list[float]] = {name: [] for name in names}
    for v in RATES_AT:
        h.finitialize(v)
        for name in names:
            found[name].append(getattr(section(0.5).hh, name))
    return found


def measured(protocol: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A protocol with what NEURON makes of it."""
    fine, rough = run(protocol, folder, TOLERANCE), run(protocol, folder, 10 * TOLERANCE)
    apart = [
        abs(a - b) for one, two in zip(fine.spikes, rough.spikes, strict=True) for a, b in zip(one, two, strict=True)
    ]
    uncertainty = {"v": np.abs(fine.v - rough.v).max(), "spikes": max(apart, default=0.0)}
    current = {} if protocol["input"]["kind"] == "current" else {"i": np.round(fine.current, 7).tolist()}
    return {
        **protocol,
        "uncertainty": {name: float(f"{x:.1e}") for name, x in uncertainty.items()},
        "spikes": [[round(t, 7) for t in times] for times in fine.spikes],
        **current,
        "v": np.round(fine.v, 5).tolist(),
    }


def main(target: Path, folder: Path) -> None:
    found = {name: measured(protocol, folder) for name, protocol in PROTOCOLS.items()}
    head = {
        "neuron": neuron.__version__,
        "tolerance": TOLERANCE,
        "every": EVERY,
        "temperature": TEMPERATURE,
        "initial": INITIAL,
        "membrane": MEMBRANE,
        "rates": {"at": RATES_AT, **rates()},
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for name, protocol in found.items():
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in protocol.pop("v"))
        lines.append(f'{json.dumps(name)}: {json.dumps(protocol)[:-1]}, "v": [\n{rows}\n]}}')
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
