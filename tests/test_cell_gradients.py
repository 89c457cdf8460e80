"""Gradients through a branched cell with everything in it that can be trained, and what they cost."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import central_differences, gradient_error, precision

import neurodyn as nd
from neurodyn import cells
from neurodyn.cells import Compartments, Morphology, On, Section
from neurodyn.channels import HCurrent, Leak, Potassium, Sodium


#: By name: value and, for the differences, the step. The event and the edges of the current are inside time steps, and stay there.
VALUES = {
    "cell.channels.na.g": (110.0, 0.1),
    "cell.channels.k.g": (30.0, 0.03),
    "cell.channels.leak.g": (0.3, 1e-3),
    "cell.channels.h.g": (0.2, 1e-3),
    "cell.channels.na.e": (50.0, 0.05),
    "cell.channels.leak.e": (-54.387, 0.05),
    "cell.profiles.na.g.slope": (-2e-3, 1e-5),
    "cell.profiles.h.g.amplitude": (0.8, 1e-3),
    "cell.profiles.h.g.length": (90.0, 0.3),
    "cell.profiles.cell.capacitance.factors.apical": (1.7, 2e-3),
    "cell.axial_resistivity": (120.0, 0.3),
    "cell.capacitance": (1.1, 1e-3),
    "cell.diameter": (1.05, 1e-3),
    "cell.inputs.synapse.reversal": (5.0, 0.05),
    "amplitude": (0.35, 1e-3),
    "weight": (4e-3, 1e-5),
    "time": (2.0125, 2e-3),
}
START = jnp.asarray([value for value, _ in VALUES.values()])
STEP = np.asarray([step for _, step in VALUES.values()])


def branched() -> nd.Cell:
    soma = Section.cylinder(length=20.0, diameter=20.0, type=1, name="soma")
    trunk = Section.cylinder(length=100.0, diameter=3.0, type=4, parent="soma", name="trunk")
    left = Section.cylinder(length=80.0, diameter=2.0, type=4, parent="trunk", name="left")
    right = Section.tapered(length=60.0, diameters=(1.5, 0.7), type=4, parent="trunk", name="right")
    return nd.Cell(
        Compartments.by_length(Morphology.build([soma, trunk, left, right]), 40.0),
        {
            "na": On("all", Sodium(), g=cells.Linear(-2e-3)),
            "k": Potassium(),
            "h": On("all", HCurrent(), g=cells.Exponential(0.8, 90.0)),
            "leak": Leak(),
        },
        profiles={"capacitance": cells.PerRegion(apical=1.7)},
        inputs={"electrode": cells.CurrentClamp("soma"), "synapse": cells.ConductanceInput("left(0.9)")},
        probes={"v_right": "right(1)"},
    )


def loss(cell: nd.Cell, x: jax.Array, method: nd.FixedStep | None = None) -> jax.Array:
    """A smooth number of two voltages in the course of a spike that a synapse brings forward."""
    given = dict(zip(VALUES, x, strict=True))
    changed = nd.replace(cell, {k.removeprefix("cell."): v for k, v in given.items() if k.startswith("cell.")})
    drives = nd.Drives(
        electrode=nd.Step(given["amplitude"], 0.5125, 3.5125), synapse=nd.Alpha(given["time"], given["weight"], 0.7)
    )
    run = nd.simulate(changed, drives, 6.0, method=method, record=["v_soma", "v_right"], every=8, max_spikes=0)
    weights = jnp.cos(2.0 * run.ts)
    return jnp.mean(weights * (run.ys["v_soma"] + 0.5 * run.ys["v_right"])) + 1e-3 * jnp.mean(run.ys["v_soma"] ** 2)


@pytest.fixture(scope="module")
def function() -> Callable:
    return partial(loss, branched())


@pytest.fixture(scope="module")
def gradient(function) -> Callable:
    return jax.jit(jax.grad(function))


def test_gradients_are_those_of_differences(function, gradient):
    found = np.asarray(gradient(START))
    errors = gradient_error(found, central_differences(function, START, STEP), np.asarray(START))
    assert np.abs(found).min() > 0 and (errors < 1e-6).all(), dict(zip(VALUES, errors[0], strict=True))


@pytest.mark.slow
def test_forward_mode_and_nested_checkpoints_agree(function, gradient):
    found = gradient(START)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(function))(START), found, rtol=1e-10)
    nested = jax.jit(jax.grad(partial(function, method=nd.FixedStep(0.025, checkpoint="nested"))))
    np.testing.assert_allclose(nested(START), found, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("mapped", [jax.vmap, nd.vmap], ids=["jax", "nd"])
def test_gradients_of_a_batch_are_those_of_its_members(function, gradient, mapped):
    currents = 0.35 * (1 + 0.01 * np.arange(20.0))  # nd.vmap runs them in blocks
    rows = jnp.asarray(np.where(np.asarray([name == "amplitude" for name in VALUES]), currents[:, None], START))
    found = np.asarray(jax.jit(jax.grad(lambda rows: jnp.sum(mapped(function)(rows))))(rows))
    for i in (0, 19):
        np.testing.assert_allclose(found[i], gradient(rows[i]), rtol=1e-10)


@pytest.mark.slow
def test_gradients_are_finite_and_near_in_single_precision(gradient):
    expected = np.asarray(gradient(START))
    jax.clear_caches()  # JAX keeps integers of the other width, and then finds them
    with precision(jnp.float32):
        x = jnp.asarray(np.asarray(START), jnp.float32)
        found = np.asarray(jax.jit(jax.grad(partial(loss, branched())))(x))
    jax.clear_caches()
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert (gradient_error(found, expected, np.asarray(START)) < 1e-2).all(), gradient_error(
        found, expected, np.asarray(START)
    )


def test_the_cost_of_a_gradient_grows_like_the_number_of_compartments():
    """Operations of the program of a gradient by four parameters, and of a run, of cables of 100, 1,000 and 10,000 compartments, the step counted once. The solve of a
    single cell has no loops inside, and its derivative is another one."""
    paths, x = ("channels.k.g", "axial_resistivity", "capacitance", "diameter"), jnp.asarray([36.0, 100.0, 1.0, 1.0])
    method = nd.FixedStep(0.025, checkpoint="step")

    def voltage(cell, x):
        changed = nd.replace(cell, dict(zip(paths, x, strict=True)))
        return jnp.mean(
            nd.simulate(changed, nd.Step(0.5), 1.0, method=method, record="v_soma", max_spikes=0).ys["v_soma"]
        )

    def operations(count, transform=jax.grad):
        shape = Compartments.per_section(cells.cylinder(10.0 * count, 2.0), count)
        program = transform(partial(voltage, nd.Cell(shape, {"k": Potassium(), "leak": Leak()})))
        return (jax.jit(program).lower(x).cost_analysis() or {})["flops"]

    small, middle, large = (operations(count) for count in (100, 1000, 10000))
    np.testing.assert_allclose((middle / small, large / middle), 10.0, rtol=0.01)
    value = operations(1000, lambda function: function)
    assert value < middle < 4 * value
