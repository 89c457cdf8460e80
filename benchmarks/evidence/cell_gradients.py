"""Gradients through cells with a shape, against differences and the other mode of differentiation, and what they cost."""

import functools
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn import cells
from neurodyn.cells import Compartments, Morphology, On, Section
from neurodyn.channels import HCurrent, Leak, Potassium, Sodium

from .registry import claim


def squid(e_leak: float = -54.387, g_leak: float = 0.3) -> dict:
    return {"na": Sodium(), "k": Potassium(), "leak": Leak(g_leak, e_leak)}


# By path, or name: value, and step of the differences. The event and the edges of the current are inside time steps, and stay there.
TRAINED = {
    "channels.na.g": (110.0, 0.1),
    "channels.k.g": (30.0, 0.03),
    "channels.leak.g": (0.3, 1e-3),
    "channels.h.g": (0.2, 1e-3),
    "channels.leak.e": (-54.387, 0.05),
    "profiles.na.g.slope": (-2e-3, 1e-5),
    "profiles.h.g.length": (90.0, 0.3),
    "profiles.cell.capacitance.factors.apical": (1.7, 2e-3),
    "axial_resistivity": (120.0, 0.3),
    "capacitance": (1.1, 1e-3),
    "diameter": (1.05, 1e-3),
    "inputs.synapse.reversal": (5.0, 0.05),
    "amplitude": (0.35, 1e-3),
    "weight": (4e-3, 1e-5),
    "time": (2.0125, 2e-3),
}
START, STEP = (np.asarray(column) for column in zip(*TRAINED.values(), strict=True))


def branched() -> nd.Cell:
    soma = Section.cylinder(length=20.0, diameter=20.0, type=1, name="soma")
    trunk = Section.cylinder(length=100.0, diameter=3.0, type=4, parent="soma", name="trunk")
    left = Section.cylinder(length=80.0, diameter=2.0, type=4, parent="trunk", name="left")
    right = Section.tapered(length=60.0, diameters=(1.5, 0.7), type=4, parent="trunk", name="right")
    return nd.Cell(
        Compartments.by_length(Morphology.build([soma, trunk, left, right]), 40.0),
        {
            **squid(),
            "na": On("all", Sodium(), g=cells.Linear(-2e-3)),
            "h": On("all", HCurrent(), g=cells.Exponential(0.8, 90.0)),
        },
        profiles={"capacitance": cells.PerRegion(apical=1.7)},
        inputs={"electrode": cells.CurrentClamp("soma"), "synapse": cells.ConductanceInput("left(0.9)")},
        probes={"v_right": "right(1)"},
    )


@functools.cache
def _gradients():
    """By reverse mode, forward mode and differences of four points, shape (3, parameters)."""
    cell = branched()

    def loss(x):
        given = dict(zip(TRAINED, x, strict=True))
        current, weight, when = (given.pop(name) for name in ("amplitude", "weight", "time"))
        drives = nd.Drives(electrode=nd.Step(current, 0.5125, 3.5125), synapse=nd.Alpha(when, weight, 0.7))
        run = nd.simulate(nd.replace(cell, given), drives, 6.0, record=["v_soma", "v_right"], every=8, max_spikes=0)
        v = run.ys["v_soma"]
        return jnp.mean(jnp.cos(2.0 * run.ts) * (v + 0.5 * run.ys["v_right"])) + 1e-3 * jnp.mean(v**2)

    shifted = START + np.asarray([2.0, 1.0, -1.0, -2.0])[:, None, None] * np.diag(STEP)
    values = np.asarray(jax.jit(jax.vmap(jax.vmap(loss)))(jnp.asarray(shifted)))
    differences = np.asarray([-1.0, 8.0, -8.0, 1.0]) @ values / 12 / STEP
    return np.stack([*(jax.jit(d(loss))(jnp.asarray(START)) for d in (jax.grad, jax.jacfwd)), differences])


def _largest(found, expected):
    """The largest error relative to each derivative, or to a thousandth of the largest of them per relative change."""
    found, expected = found * START, expected * START
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max())))


@claim(
    "cells",
    "Branched cell: derivatives by densities, profiles, Ra, Cm, diameters, reversals, current, weight and time of a synapse",
    "relative error < 1e-6",
    "finite differences (four points)",
)
def gradients():
    reverse, _, differences = _gradients()
    error = _largest(reverse, differences)
    return error, error < 1e-6


@claim("cells", "The same in forward mode", "difference < 1e-10", "reverse mode")
def gradient_modes():
    reverse, forward, _ = _gradients()
    error = _largest(forward, reverse)
    return error, error < 1e-10


@claim(
    "cells",
    "Gradient of a cable's voltage by gNa, Ra, Cm and diameters: operations per compartment with 100, 1,000, 10,000 compartments",
    "equal to 1 %",
    "count of the program's operations, the time step once",
)
def backward_cost():
    paths, x = ("channels.na.g", "axial_resistivity", "capacitance", "diameter"), jnp.asarray([120.0, 100.0, 1.0, 1.0])

    method = nd.FixedStep(0.025, checkpoint="step")

    def voltage(cell, x):
        changed = nd.replace(cell, dict(zip(paths, x, strict=True)))
        run = nd.simulate(changed, nd.Step(0.5), 5.0, method=method, record="v_soma", max_spikes=0)
        return jnp.mean(run.ys["v_soma"])

    rows, counted = [], []
    for count in (100, 1000, 10000):
        cell = nd.Cell(Compartments.per_section(cells.cylinder(10.0 * count, 2.0), count), squid())
        programs = [jax.jit(f).lower(x) for f in (partial(voltage, cell), jax.grad(partial(voltage, cell)))]
        value, gradient = ((program.cost_analysis() or {})["flops"] / count for program in programs)
        forward, backward = (_shortest(program.compile(), x) for program in programs)
        counted.append(gradient)
        each = [f"{1e9 * seconds / (200 * count):.1f}" for seconds in (forward, backward)]
        rows.append(f"| {count} | {value:.0f} | {gradient:.0f} | {each[0]} | {each[1]} | {backward / forward:.1f} |")
    head = "| compartments | operations of a run, each | of a gradient | ns of a run, each and step | of a gradient | ratio |"
    text = ", ".join(f"{x:.0f}" for x in counted)
    return text, max(counted) < 1.01 * min(counted), "\n".join([head, "|---:|---:|---:|---:|---:|---:|", *rows])


def _shortest(run, x, times: int = 9) -> float:
    """Seconds."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        jax.block_until_ready(run(x))
        seconds.append(time.perf_counter() - began)
    return min(seconds)
