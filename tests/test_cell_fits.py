"""Densities, profiles and passive properties of cells from voltages at several places."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn import cells
from neurodyn.cells import Compartments, On, PerRegion
from neurodyn.channels import Leak, Potassium, Sodium
from neurodyn.fitting import VoltageTrace


#: What is looked for, and what it is.
TRUTH = {
    "channels.na.g": 95.0,
    "channels.k.g": 30.0,
    "channels.leak.g": 0.4,
    "axial_resistivity": 160.0,
    "capacitance": 1.2,
    "profiles.na.g.amplitude": -0.7,
}
OF = ("v_soma", "v_middle", "v_tip")
DRIVE = nd.Step(0.15, 1.0, 11.0)


def make(shape, middle: str, tip: str) -> nd.Cell:
    channels = {"na": On("all", Sodium(), g=cells.Exponential(-0.5, -100.0)), "k": Potassium(), "leak": Leak()}
    return nd.Cell(shape, channels, probes={"v_middle": middle, "v_tip": tip})


@pytest.fixture(scope="module")
def stick() -> nd.Cell:
    return make(Compartments.by_length(cells.ball_and_stick(24.0, 300.0, 1.0), 60.0), "dend(0.5)", "dend(0.9)")


def recorded(cell: nd.Cell, t1: float) -> np.ndarray:
    run = nd.simulate(nd.replace(cell, TRUTH), DRIVE, t1, record=OF)
    assert int(run.spikes.count) >= 1
    return np.stack([run.ys[name] for name in OF], axis=1)


def fitted(cell: nd.Cell, t1: float):
    target = VoltageTrace(DRIVE, recorded(cell, t1), 0.025, of=OF, noise=0.1, y0=None, coupling=(1.0, 0.1, 0.0))
    return nd.fit(cell, target, trainable=list(TRUTH), steps=0, starts=2, polish=15, key=jax.random.key(0))


def assert_recovered(found) -> None:
    known = {row.path: float(row.value) for row in nd.describe(found.model) if row.path in TRUTH}
    for path, value in TRUTH.items():
        assert known[path] == pytest.approx(value, rel=1e-4), path


def test_pulls_act_where_the_voltage_was_recorded(stick):
    target = recorded(stick, 12.0)
    held = VoltageTrace(DRIVE, target, 0.025, of=OF, y0=None, coupling=50.0)
    np.testing.assert_allclose(held.simulate(stick, jnp.asarray(50.0)), target, atol=4.0)
    tip = VoltageTrace(DRIVE, target[:, 2], 0.025, of="v_tip", y0=None, coupling=50.0)
    np.testing.assert_allclose(tip.simulate(stick, jnp.asarray(50.0)), target[:, 2], atol=10.0)
    free = held.simulate(stick)
    assert np.abs(free - target).max() > 20.0


@pytest.mark.slow
def test_a_ball_and_stick_is_recovered(stick):
    assert_recovered(fitted(stick, 12.0))


@pytest.mark.slow
def test_a_real_cell_is_recovered_from_its_soma_and_a_dendrite():
    data = os.environ.get("NEURODYN_DATA")
    if not data:
        pytest.skip("no NEURODYN_DATA")
    shape = cells.read(Path(data) / "morphologies" / "brian2_mp_ma_40984_gc2.CNG.swc")
    tip = int(np.argmax(shape.starts))
    names = [section.name for section in shape.sections]
    cell = make(Compartments.by_length(shape, 40.0), f"{names[shape.parents[tip]]}(0.5)", f"{names[tip]}(0.9)")
    assert_recovered(fitted(cell, 25.0))


def test_a_dendrite_that_differs_from_the_soma(stick):
    """The gradient by factors of regions is that of finite differences."""
    cell = nd.Cell(
        stick.compartments, {"leak": On("all", Leak(), g=PerRegion(dendrite=0.5))}, probes={"v_tip": "dend(1)"}
    )
    target = VoltageTrace(nd.Step(0.05), np.full(81, -60.0), 0.025, of="v_tip", y0=None)

    def loss(factor):
        return jnp.sum(target.misfit(nd.replace(cell, {"profiles.leak.g.factors.dendrite": factor})) ** 2)

    h = 1e-4
    difference = (loss(0.5 + h) - loss(0.5 - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(loss)(0.5), difference, rtol=1e-6)


@pytest.mark.parametrize(
    ("of", "values", "message"),
    [
        (("v_soma", "v_tip"), np.zeros((10, 3)), r"values of shape \(10, 3\) is not allowed: must be \(n, 2\)"),
        (("v_soma",), np.full((10, 1), np.nan), "values of v_soma.* = nan is not allowed"),
        (None, np.zeros((10, 2)), "values of shape"),
    ],
)
def test_recordings_of_the_wrong_shape_are_refused(of, values, message):
    with pytest.raises(ValueError, match=message):
        VoltageTrace(DRIVE, values, 0.025, of=of)


def test_a_voltage_that_is_not_there_is_refused(stick):
    with pytest.raises(ValueError, match="'v_tuft'"):
        VoltageTrace(DRIVE, np.zeros(5), 0.025, of="v_tuft", y0=None).simulate(stick)
    with pytest.raises(ValueError, match="must be 'v', its only voltage"):
        VoltageTrace(DRIVE, np.zeros(5), 0.025, of="v_tuft", coupling=1.0).simulate(
            nd.HodgkinHuxley(), jnp.asarray(1.0)
        )


@pytest.mark.slow
def test_memory_of_a_gradient_is_bounded(stick):
    """With a small budget the run keeps the states of a few steps only, and the gradient is the same."""
    small = nd.FixedStep(0.025, memory=20_000)
    plan = small.gradient_plan(stick, 12.0)
    state = sum(x.nbytes for x in jax.tree_util.tree_leaves(stick.init())) + stick.init()["v"].nbytes
    assert plan.checkpoint == "nested" and plan.kept_bytes < 45 * state

    def last(g, method):
        cell = nd.replace(stick, {"channels.na.g": g})
        return nd.simulate(cell, DRIVE, 12.0, method=method, record="v_tip", max_spikes=0).ys["v_tip"][-1]

    whole, nested = (jax.grad(last)(95.0, method) for method in (nd.FixedStep(0.025), small))
    np.testing.assert_allclose(nested, whole, rtol=1e-10)


def test_pulls_from_rest_and_currents_of_clamps():
    cell = nd.Cell(cells.ball_and_stick(20.0, 100.0, 1.0), {"leak": Leak(0.1, -70.0)})
    held = cell.equipped(inputs={"clamp": cells.VoltageClamp("soma")})
    pulled = VoltageTrace(nd.Step(0.01), np.full(20, -70.0), 0.025, y0="rest", coupling=1.0, of="v_soma")
    assert np.abs(np.asarray(pulled.simulate(cell, jnp.asarray(1.0))) + 70).max() < 2.0
    drive = nd.Drives(clamp=nd.Step(-60.0))
    current = VoltageTrace(2 * drive - drive, np.zeros(20), 0.025, y0="rest", of="i_clamp").simulate(held)
    expected = nd.simulate(held, drive, 19 * 0.025, y0="rest", record="i_clamp").ys["i_clamp"]
    np.testing.assert_allclose(current, expected, atol=1e-9)
