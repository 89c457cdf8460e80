"""What physiologists have found in cells with a shape, done again; and changes to a cell that must change nothing."""

from math import pi, sqrt

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn import cells
from neurodyn.cells import Compartments, Morphology, On, Section
from neurodyn.channels import HCurrent, Leak, Potassium, Sodium


E = -65.0


def active(**where) -> dict:
    return {"na": On("all", Sodium(), **where), "k": On("all", Potassium(), **where), "leak": Leak(0.3, -54.387)}


def passive(resistance: float = 1e4) -> dict:
    return {"leak": Leak(1e3 / resistance, E)}


@eqx.filter_jit
def transfer(cell: nd.Cell, sites: tuple[int, ...]) -> jax.Array:
    """The steady voltage at each site, mV, for 1 nA into each of those of the input in turn, of a passive cell; shape (input, site)."""
    y = cell.init()

    def one(drive):  # the middle of a step without end is where the voltages go
        return (cell.dynamics(0.0, y, drive).advance(y, 1e12)["v"] - y["v"])[np.asarray(sites)] / 2

    return jax.vmap(one)(jnp.eye(len(sites)))


# Spikes along the cell ----------------------------------------------------------------------------------------------------------


def test_the_squids_axon_conducts_at_the_speed_that_was_computed_for_it():
    """Hodgkin and Huxley (1952), J. Physiol. 117:500: a = 238 um, 35.4 ohm cm, 18.5 degC; 18.8 m/s by their shooting method. Solutions of the partial differential
    equation converge to 18.73 m/s, with a peak of 25.58 mV. The speed goes with the square root of the diameter."""
    shape = Compartments.per_section(cells.cylinder(60e3, 476.0, name="axon"), 240)
    cell = nd.Cell(
        shape,
        active(),
        axial_resistivity=35.4,
        temperature=18.5,
        inputs={"here": cells.CurrentClamp("axon(0)")},
        detectors=["axon(0.4)", "axon(0.7)"],
        probes={"v_middle": "axon(0.5)"},
    )

    @jax.jit
    @jax.vmap
    def run(factor):
        changed, pulse = nd.replace(cell, {"diameter": factor}), nd.Step(5e3 * factor**1.5, 0.0, 0.5)
        sol = nd.simulate(changed, pulse, 5.5, dt=0.005, record="v_middle", max_spikes=2)
        return sol.spikes.times[:, 0], sol.ys["v_middle"].max()

    times, peaks = run(jnp.asarray([1.0, 0.5]))
    distance = 60.0 * np.diff(shape.layout.position[np.asarray(cell.detectors)])[0]  # mm
    speeds = distance / np.diff(times)[:, 0]
    assert speeds[0] == pytest.approx(18.73, abs=0.1) and speeds[0] / speeds[1] == pytest.approx(sqrt(2), rel=0.01)
    np.testing.assert_allclose(peaks, 25.58, atol=0.1)


def test_a_spike_travels_back_into_a_dendrite_that_has_sodium_channels():
    """Stuart and Sakmann (1994), Nature 367:69: with sodium channels in the dendrite its height holds, without it falls with the distance from the soma."""
    shape = Compartments.by_length(cells.ball_and_stick(20.0, 600.0, 2.0), 25.0)
    sites = [f"dend({x})" for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    probes = {f"v_{i}": site for i, site in enumerate(["soma", *sites])}
    cell = nd.Cell(shape, active(g=cells.PerRegion(dend=1.0)), probes=probes)

    @jax.jit
    @jax.vmap
    def heights(factor):
        changed = nd.replace(cell, {"profiles.*.g.factors.dend": factor})
        sol = nd.simulate(changed, nd.Step(1.0, 0.0, 1.0), 10.0, record=[*probes], max_spikes=2)
        return jnp.stack([sol.ys[name].max() for name in probes]) - E

    without, with_channels = heights(jnp.asarray([0.0, 1.0]))
    assert without[0] > 80 and with_channels[0] > 80
    assert (np.diff(without) < 0).all() and without[-1] < without[0] / 2
    assert with_channels.min() > 0.9 * with_channels[0]


def two_ways_in() -> Compartments:
    """A soma with a thick dendrite and a thin one."""
    soma = Section.cylinder(length=20.0, diameter=20.0, type=1, name="soma")
    thick = Section.cylinder(length=300.0, diameter=3.0, parent="soma", at=1.0, name="thick")
    thin = Section.cylinder(length=300.0, diameter=0.8, parent="soma", at=0.0, name="thin")
    return Compartments.by_length(Morphology.build([soma, thick, thin]), 50.0)


def thresholds(sites: list[str], lanes: int = 16, rounds: int = 3) -> np.ndarray:
    """Of steps of 20 ms at each site alone: the highest current known not to fire and the lowest known to, nA, shape (2, sites)."""
    cell = nd.Cell(two_ways_in(), active(g=cells.PerRegion(dendrite=0.2)), inputs={"here": cells.CurrentClamp(sites)})

    @jax.jit
    def fires(currents):  # (site, lane)
        one = lambda drive: nd.simulate(cell, nd.Step(drive), 20.0, dt=0.05, record=[], max_spikes=1).spikes.count > 0
        return jax.vmap(jax.vmap(one))(jnp.eye(len(sites))[:, None, :] * currents[..., None])

    low, high = np.zeros(len(sites)), np.full(len(sites), 0.2)
    for _ in range(rounds):
        currents = np.linspace(low, high, lanes + 1, axis=1)
        fired = np.asarray(fires(currents[:, 1:]))
        first = np.argmax(fired, axis=1)[:, None]
        assert fired[:, -1].all() and (np.diff(fired, axis=1).sum(axis=1) <= 1).all()  # one threshold
        low, high = (np.take_along_axis(currents, first + k, 1)[:, 0] for k in (0, 1))
    return np.stack([low, high])


def test_the_threshold_depends_on_where_a_neuron_is_stimulated():
    """Goldental, Guberman, Vardi and Kanter (2014), Front. Comput. Neurosci. 8:52, and Sardi et al. (2017), Sci. Rep. 7:18036: a neuron has a threshold for each way
    in. A thin dendrite has the lowest, since little of a small current is lost there."""
    low, high = thresholds(["soma", "thick(0.9)", "thin(0.9)"])
    assert (high - low < 1e-4).all()
    soma, thick, thin = high
    assert thin < 0.5 * soma and 1.05 * soma < thick


@pytest.mark.slow
def test_the_threshold_of_the_soma_is_its_rheobase():
    low, high = thresholds(["soma"])[:, 0]
    cell = nd.Cell(two_ways_in(), active(g=cells.PerRegion(dendrite=0.2)))
    assert low < nd.analysis.rheobase(cell, 0.2, duration=20.0, dt=0.05, y0=None) <= high


# Passive cells ------------------------------------------------------------------------------------------------------------------


def test_voltages_fall_more_on_the_way_to_the_soma_than_from_it():
    """The resistance from one place to another is that back (reciprocity), but thin dendrites have a high one of their own (Rall and Rinzel 1973, Biophys. J. 13:648)."""
    soma = Section.cylinder(length=25.0, diameter=25.0, type=1, name="soma")
    trunk = Section.cylinder(length=300.0, diameter=4.0, type=4, parent="soma", name="trunk")
    thin = Section.cylinder(length=200.0, diameter=0.6, type=4, parent="trunk", at=0.5, name="thin")
    tufts = [Section.cylinder(length=150.0, diameter=1.0, type=4, parent="trunk", name=f"tuft{i}") for i in (0, 1)]
    basal = Section.cylinder(length=150.0, diameter=1.5, parent="soma", at=0.0, name="basal")
    sites = ["soma", "thin(1)", "tuft1(1)", "basal(0.7)"]
    shape = Compartments.by_length(Morphology.build([soma, trunk, thin, *tufts, basal]), 20.0)
    cell = nd.Cell(shape, passive(), inputs={"here": cells.CurrentClamp(sites)}, initial=E)
    found = np.asarray(transfer(cell, tuple(map(shape.layout.locate, sites))))
    np.testing.assert_allclose(found, found.T, rtol=1e-9)
    assert (found > 0).all()
    for far in (1, 2):
        towards, from_soma = found[far, 0] / found[far, far], found[0, far] / found[0, 0]
        assert towards < 0.5 * from_soma < from_soma < 1


def test_the_impedance_of_a_ball_and_stick():
    """Soma and sealed dendrite side by side (Rall 1969, Biophys. J. 9:1483): `1 / Z = G (1 + i w tau) + sqrt(1 + i w tau) tanh(L sqrt(1 + i w tau)) / R_inf`,
    at 0, 10, 100 and 1000 Hz. Half of the soma, of one compartment, is on the way to the dendrite."""
    axial, membrane, wide, long, thick = 100.0, 1e4, 20e-4, 500e-4, 2e-4  # ohm cm, ohm cm2, cm
    soma = Section.cylinder(length=1e4 * wide, diameter=1e4 * wide, type=1, name="soma")
    pieces = [Section.cylinder(length=10.0, diameter=2.0, parent="soma", name="dend0")]
    pieces += [Section.cylinder(length=10.0, diameter=2.0, parent=f"dend{i}", name=f"dend{i + 1}") for i in range(49)]
    cell = nd.Cell(
        Compartments.per_section(Morphology.build([soma, *pieces]), 1), passive(membrane), axial_resistivity=axial
    )
    slope = lambda v, drive: cell.dynamics(0.0, {"v": v}, drive).slope["v"]
    v = cell.init()["v"]
    jacobian, push = jax.jit(jax.jacfwd(slope, argnums=(0, 1)))(v, jnp.asarray(0.0))
    constant = sqrt(thick * membrane / (4 * axial))  # cm
    for frequency in (0.0, 10.0, 100.0, 1000.0):
        w = 2e-3 * pi * frequency
        found = np.linalg.solve(1j * w * np.eye(v.size) - jacobian, push)[0]  # mV per nA: Mohm
        q = np.sqrt(1 + 1j * w * 1e-3 * membrane)
        stick = 4 * axial * constant / (pi * thick**2) / (q * np.tanh(q * long / constant))
        ball = membrane / (pi * wide**2) / q**2
        half = axial * wide / 2 / (pi * wide**2 / 4)
        exact = 1e-6 / (1 / ball + 1 / (stick + half))
        assert abs(found / exact - 1) < 1e-3


def test_synapses_on_one_branch_add_less_than_those_on_two():
    """Rall (1967), J. Neurophysiol. 30:1138: they take each other's driving force where they are close."""
    soma = Section.cylinder(length=30.0, diameter=30.0, type=1, name="soma")
    arms = [Section.cylinder(length=300.0, diameter=1.0, parent="soma", at=float(i), name=f"arm{i}") for i in (0, 1)]
    shape = Compartments.by_length(Morphology.build([soma, *arms]), 30.0)
    cell = nd.Cell(
        shape, passive(), inputs={"here": cells.ConductanceInput(["arm0(0.8)", "arm0(0.9)", "arm1(0.9)"])}, initial=E
    )

    @jax.jit
    @jax.vmap
    def height(on):
        drive = nd.Stack(*(nd.Alpha(1.0, weight, 0.5) for weight in 5e-3 * on))
        return nd.simulate(cell, drive, 30.0, dt=0.05, record="v_soma", max_spikes=0).ys["v_soma"].max() - E

    first, second, other, near, apart = height(
        jnp.asarray([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0], [1.0, 0, 1.0]])
    )
    assert near < 0.8 * (first + second)
    assert 0.97 * (first + other) < apart < first + other


# Changes that change nothing ----------------------------------------------------------------------------------------------------


def plan(split: bool = False, backwards: bool = False) -> Compartments:
    """A soma with two dendrites, the longer one in one piece or in two, in this order or another; the same compartments."""
    soma = Section.cylinder(length=20.0, diameter=20.0, type=1, name="soma")
    short = Section.cylinder(length=100.0, diameter=1.0, parent="soma", at=0.0, name="short")
    if split:
        near = Section.cylinder(length=100.0, diameter=2.0, parent="soma", name="near")
        long = [near, Section.cylinder(length=200.0, diameter=2.0, parent="near", name="long")]
    else:
        long = [Section.cylinder(length=300.0, diameter=2.0, parent="soma", name="long")]
    sections = [soma, *long, short] if not backwards else [short, *long[::-1], soma]
    return Compartments.by_length(Morphology.build(sections), 25.0)


def _voltages(cell: nd.Cell, stimulus=None, t1: float = 4.0, **more) -> np.ndarray:
    """At the soma and both tips, every 0.5 ms, in the course of a spike."""
    stimulus = nd.Step(1.0, 0.3, 1.3) if stimulus is None else stimulus
    run = nd.simulate(cell, stimulus, t1, record=["v_soma", "v_long", "v_short"], every=20, max_spikes=0, **more)
    return np.stack([run.ys[name] for name in ("v_soma", "v_long", "v_short")])


TIPS = {"v_long": "long(1)", "v_short": "short(1)"}


@pytest.fixture(scope="module")
def original() -> tuple[nd.Cell, np.ndarray]:
    cell = nd.Cell(plan(), active(), probes=TIPS)
    return cell, _voltages(cell)


ALONE = [pytest.param(how, marks=pytest.mark.slow, id=str(how)) for how in ({"split": True}, {"backwards": True})]


@pytest.mark.parametrize("how", [pytest.param({"split": True, "backwards": True}, id="both"), *ALONE])
def test_pieces_and_names_of_sections_do_not_matter(original, how):
    changed = nd.Cell(plan(**how), active(), probes=TIPS)
    v = _voltages(changed)
    assert np.ptp(v) > 80
    np.testing.assert_allclose(v, original[1], atol=1e-9)


def test_what_is_zero_changes_nothing(original):
    """A channel without conductance; a stimulus without amplitude; an electrode without current."""
    _, v = original
    inputs = {"soma": cells.CurrentClamp("soma"), "more": cells.CurrentClamp("long(0.5)")}
    more = nd.Cell(plan(), {**active(), "h": On("dendrite", HCurrent(g=0.0))}, probes=TIPS, inputs=inputs)
    drives = nd.Drives(soma=nd.Step(1.0, 0.3, 1.3) + nd.Step(0.0, 1.0), more=nd.Step(0.0, 0.5, 2.0))
    np.testing.assert_allclose(_voltages(more, drives), v, atol=1e-12)


def test_two_runs_by_state_are_one(original):
    cell, v = original
    drive = nd.Step(1.0, 0.3, 1.3)
    y = nd.simulate(cell, drive, 2.0, record=[], max_spikes=0).final
    later = _voltages(cell, drive, 4.0, y0=y, t0=2.0)
    np.testing.assert_allclose(later, v[:, 4:], atol=1e-12)


@pytest.mark.slow
def test_a_later_stimulus_has_the_same_effect_later(original):
    cell, _ = original

    @jax.jit
    @jax.vmap
    def run(start):  # long after the cell has come to rest
        drive = nd.Step(1.0, start, start + 1.0)
        return nd.simulate(cell, drive, 257.0, record="v_long", every=20, max_spikes=0).ys["v_long"]

    now, later = run(jnp.asarray([250.3, 252.3]))
    assert np.ptp(now[500:]) > 80
    np.testing.assert_allclose(later[504:], now[500:-4], atol=1e-9)


def test_a_passive_cell_does_not_know_where_zero_is():
    cell = nd.Cell(plan(), passive(), probes=TIPS, initial=E)
    shifted = nd.replace(cell, {"channels.leak.e": E + 17.0, "initial": E + 17.0})
    v = _voltages(cell)
    np.testing.assert_allclose(_voltages(shifted) - 17.0, v, atol=1e-9)
    assert np.ptp(v) > 20
