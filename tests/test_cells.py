"""Cells: how they are cut, put together, driven and looked at."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn import cells
from neurodyn._parameter import parameters
from neurodyn._solver.implicit import Arrangement
from neurodyn.cells import Compartments, Morphology, On, Section
from neurodyn.channels import CalciumPool, HCurrent, HighVoltageCalcium, Leak, Potassium, SKPotassium, Sodium
from neurodyn.fitting.objectives.coupling import Coupled


def branched() -> Morphology:
    """A soma with a trunk that forks, dendrites on its middle and on its 0-end, and an axon."""
    soma = Section.cylinder(length=20.0, diameter=20.0, type=1, name="soma")
    trunk = Section.cylinder(length=100.0, diameter=3.0, type=4, parent="soma", name="trunk")
    left = Section.cylinder(length=80.0, diameter=2.0, type=4, parent="trunk", name="left")
    right = Section.tapered(length=60.0, diameters=(1.5, 0.7, 0.5), type=4, parent="trunk", name="right")
    middle = Section.cylinder(length=60.0, diameter=1.0, parent="soma", at=0.5, name="middle")
    low = [Section.cylinder(length=30.0, diameter=1.0, parent="soma", at=0.0, name=f"low{i}") for i in (0, 1)]
    axon = Section.cylinder(length=50.0, diameter=0.8, type=2, parent="soma", at=0.5, name="axon")
    return Morphology.build([soma, axon, middle, *low, trunk, left, right])


def membrane() -> dict:
    return {
        "na": On("soma,axon", Sodium()),
        "k": Potassium(),
        "h": On("apical", HCurrent(g=0.05), g=cells.Exponential(1.7, 100.0)),
        "cal": On("apical,soma", HighVoltageCalcium()),
        "ca": On("apical,soma", CalciumPool()),
        "sk": On("apical,soma", SKPotassium()),
        "leak": Leak(0.3, -65.0),
    }


PROBES = {
    "v_tip": "left(1)",
    "calcium": ("trunk(0.5)", "ca.inside"),
    "reversal": ("trunk(0.5)", "e_ca"),
    "i_h_tip": ("left(1)", "i_h"),
    "m": ("axon(1)", "na.m"),
}


@pytest.fixture(scope="module")
def cell() -> nd.Cell:
    compartments = Compartments.by_length(branched(), 15.0)
    return nd.Cell(compartments, membrane(), probes=PROBES, profiles={"capacitance": cells.PerRegion(apical=2.0)})


def _run(cell, stimulus, record=("v_soma",), **more):
    return nd.simulate(cell, stimulus, 5.0, record=record, **more)


def test_compartments_are_cut_as_asked():
    shape = branched()
    assert Compartments.per_section(shape, 3).layout.counts == (3,) * 8
    by_length = Compartments.by_length(shape, 15.0).layout
    lengths = shape.lengths[by_length.section] / np.asarray(by_length.counts)[by_length.section]
    assert lengths.max() < 15.0 + 1e-9 and by_length.counts == (2, 4, 4, 2, 2, 7, 6, 4)
    odd = Compartments.by_lambda(shape, 0.05).layout.counts
    assert all(count % 2 for count in odd)
    # Hines and Carnevale (2001): a dendrite of 500 um and 1 um, Ra 100 ohm cm, cm 1 uF/cm2: lambda at 100 Hz is 282.1 um.
    stick = cells.cylinder(500.0, 1.0)
    assert Compartments.by_lambda(stick, 0.1).layout.counts == (19,)
    assert Compartments.by_lambda(stick, 0.1, axial_resistivity=400.0).layout.counts == (37,)


def test_compartments_add_up_to_the_morphology():
    shape = branched()
    cut = Compartments.per_section(shape, 4)
    np.testing.assert_allclose(np.bincount(cut.layout.section, cut.area), shape.areas, rtol=1e-12)
    np.testing.assert_allclose(cut.distance[cut.layout.locate("left(0.1)")], 110.0 + 10.0)
    np.testing.assert_allclose(cut.layout.position[:4], [0.125, 0.375, 0.625, 0.875])


def test_what_hangs_where(cell):
    layout = cell.layout
    tree, first = (
        layout.tree,
        dict(zip((s.name for s in layout.morphology.sections), layout.first.tolist(), strict=True)),
    )
    assert tree.size - layout.size == 2  # the fork, and the soma's 0-end, where it goes on into two
    assert tree.parents[first["middle"]] == tree.parents[first["axon"]] == layout.root
    assert tree.parents[first["left"]] == tree.parents[first["right"]] >= layout.size
    assert tree.parents[first["low0"]] == tree.parents[first["low1"]] >= layout.size
    assert tree.parents[first["trunk"]] == first["soma"] + layout.counts[0] - 1  # alone on its end: no junction
    assert layout.name_of(layout.locate("trunk(0.31)")) == "trunk(0.3571)"


def test_mechanisms_are_where_they_were_put(cell):
    regions = [s.type for s in cell.layout.morphology.sections]
    types = np.asarray(regions)[cell.layout.section]
    state = cell.init()
    for name, wanted in {"na": (1, 2), "k": (1, 2, 3, 4), "h": (4,), "ca": (1, 4), "sk": (1, 4)}.items():
        where = cell.where(name)
        assert sorted(where) == sorted(np.flatnonzero(np.isin(types, wanted)))
        assert all(leaf.shape == where.shape for leaf in jax.tree_util.tree_leaves(state[name]))


def test_each_compartment_is_a_point_cell_with_what_flows_along(cell):
    """Uncoupled and one by one, by `PointCell`, the slopes and decays are the same."""
    lone = eqx.tree_at(lambda c: c.axial_resistivity, cell, jnp.asarray(1e20))
    y = cell.init()
    rng = np.random.default_rng(0)
    y = jax.tree_util.tree_map(lambda x: x * (1 + 0.1 * rng.uniform(-1, 1, x.shape)), y)
    found = lone.dynamics(0.0, y, jnp.asarray(0.0))
    factor = 1 + 1.7 * np.expm1(np.asarray(cell.compartments.distance) / 100.0)
    for i in (0, int(cell.where("h")[3]), cell.layout.locate("axon"), cell.layout.locate("middle")):
        here = {name: part for name, part in cell.channels.items() if i in cell.where(name)}
        if "h" in here:
            here["h"] = nd.replace(here["h"], {"g": 0.05 * factor[i]})
        capacitance = 2.0 if "h" in here else 1.0
        point = nd.PointCell(here, capacitance=capacitance)
        at = {name: int(np.flatnonzero(cell.where(name) == i)[0]) for name in here}
        state = {name: {k: x[at[name]] for k, x in y[name].items()} for name in here if name in y}
        expected = point.dynamics(0.0, {"v": y["v"][i], **state}, jnp.asarray(0.0))
        np.testing.assert_allclose(found.slope["v"][i], expected.slope["v"], rtol=1e-8)
        for name in state:
            for key in state[name]:
                for part in ("slope", "decay"):
                    got = getattr(found, part)[name][key][at[name]]
                    np.testing.assert_allclose(got, getattr(expected, part)[name][key], rtol=1e-9)


def test_a_step_is_crank_nicolsons(cell):
    y = cell.init()
    y = {**y, "v": y["v"] + 5 * jnp.sin(jnp.arange(y["v"].size, dtype=float))}

    @jax.jit
    def moved_and_expected(y):
        slope = lambda v: cell.dynamics(0.0, {**y, "v": v}, jnp.asarray(0.2)).slope["v"]
        implicit = jnp.eye(y["v"].size) - 0.0125 * jax.jacfwd(slope)(y["v"])
        moved = cell.dynamics(0.0, y, jnp.asarray(0.2)).advance(y, 0.025)["v"] - y["v"]
        return moved, jnp.linalg.solve(implicit, 0.025 * slope(y["v"]))

    np.testing.assert_allclose(*moved_and_expected(y), rtol=1e-8, atol=1e-10)


def test_charge_is_conserved(cell):
    """What flows along the cell adds up to nothing, and what is injected is found on the membrane."""
    y = cell.init()
    y = {**y, "v": y["v"] + 20 * jnp.sin(jnp.arange(y["v"].size, dtype=float))}
    along = cell.dynamics(0.0, y, jnp.asarray(0.0)).decay["v"].outflow(y["v"])
    assert abs(float(along.sum())) <= 1e-12 * float(jnp.abs(along).max())
    quiet = nd.Cell(cell.compartments, {"leak": Leak(0.0, -65.0)})
    run = nd.simulate(quiet, nd.Step(0.1, 1.0, 11.0), 1000.0, dt=0.5, record="v", every=2000)
    charge = jnp.sum(1e-5 * quiet.compartments.area * (run.v[-1] - run.v[0]))  # pC, at 1 uF/cm2
    np.testing.assert_allclose(charge, 1.0, rtol=1e-9)


def test_probes_see_states_and_currents_at_places(cell):
    run = _run(cell, nd.Step(0.3), ["v", "ca.inside", "e_ca", "na.m", "i_h", "v_soma", *PROBES])
    layout = cell.layout
    np.testing.assert_array_equal(run.ys["v_soma"], run.v[:, layout.root])
    np.testing.assert_array_equal(run.ys["v_tip"], run.v[:, layout.locate("left(1)")])
    at = list(cell.where("ca")).index(layout.locate("trunk(0.5)"))
    np.testing.assert_array_equal(run.ys["calcium"], run.ys["ca.inside"][:, at])
    np.testing.assert_array_equal(run.ys["reversal"], run.ys["e_ca"][:, at])
    nernst = 1e3 * 8.314462618 * 279.45 / (2 * 96485.33212) * np.log(2.0 / run.ys["calcium"])  # mV, at 6.3 degC
    np.testing.assert_allclose(run.ys["reversal"], nernst, rtol=1e-6)
    at = list(cell.where("h")).index(layout.locate("left(1)"))
    np.testing.assert_array_equal(run.ys["i_h_tip"], run.ys["i_h"][:, at])
    at = list(cell.where("na")).index(layout.locate("axon(1)"))
    np.testing.assert_array_equal(run.ys["m"], run.ys["na.m"][:, at])


def test_a_batch_is_row_by_row_and_blocks_change_nothing(cell):
    amplitudes = jnp.linspace(0.1, 0.5, 20)
    one = lambda a: _run(cell, nd.Step(a)).ys["v_soma"]
    rows = jnp.stack([one(a) for a in amplitudes[jnp.asarray([0, 17])]])
    np.testing.assert_allclose(nd.vmap(one)(amplitudes)[jnp.asarray([0, 17])], rows, rtol=1e-10)  # in blocks of 16


def test_parameters_go_by_their_paths_and_a_program_is_compiled_once(cell):
    known = parameters(cell)
    assert {
        "channels.na.g",
        "channels.na.m.alpha.scale",
        "profiles.h.g.length",
        "profiles.cell.capacitance.factors.apical",
    } <= set(known)
    assert not known["compartments.area"].info.trainable and known["axial_resistivity"].info.trainable
    traced = []

    @eqx.filter_jit
    def run(cell):
        traced.append(1)
        return cell.init()["v"]

    run(cell)
    run(nd.replace(cell, {"channels.na.g": 100.0, "axial_resistivity": 150.0}))
    again = nd.Cell(
        Compartments.by_length(branched(), 15.0),
        membrane(),
        probes=PROBES,
        profiles={"capacitance": cells.PerRegion(apical=2.0)},
    )
    run(again)
    assert len(traced) == 1


def test_a_cell_is_saved_and_loaded(cell, tmp_path):
    changed = nd.replace(cell, {"channels.h.g": 0.07, "profiles.h.g.length": 200.0})
    nd.save(tmp_path / "cell.json", changed)
    again = nd.load(tmp_path / "cell.json", like=cell)
    assert eqx.tree_equal(again, changed)


def test_inputs_at_several_places(cell):
    inputs = {
        "electrode": cells.CurrentClamp("soma"),
        "synapses": cells.ConductanceInput(["left(0.9)", "right(0.9)"]),
        "clamp": cells.VoltageClamp("middle(1)", series_resistance=10.0),
    }
    driven = nd.Cell(
        cell.compartments,
        {"leak": Leak(0.3, -65.0)},
        inputs=inputs,
        probes={"v_clamped": "middle(1)", "v_left": "left(0.9)"},
    )
    events = nd.Stack(nd.Alpha(1.0, 5e-3), nd.DoubleExponential(2.0, 5e-3))
    drives = nd.Drives(electrode=nd.Step(0.0), synapses=events, clamp=nd.Step(-65.0))
    run = _run(driven, drives, ["v_*", "i_synapses", "i_clamp"])
    assert run.ys["i_synapses"].shape == (201, 2) and float(run.ys["v_left"].max()) > -60.0
    np.testing.assert_allclose(run.ys["i_clamp"], (-65.0 - run.ys["v_clamped"]) / 10.0, rtol=1e-10)
    # Inputs that are left out get nothing.
    alone = _run(driven, nd.Drives(electrode=nd.Step(0.1)), ["v_soma"])
    same = nd.Cell(cell.compartments, {"leak": Leak(0.3, -65.0)}, inputs={"electrode": cells.CurrentClamp("soma")})
    np.testing.assert_array_equal(alone.ys["v_soma"], _run(same, nd.Step(0.1)).ys["v_soma"])


def test_pools_of_one_ion_in_different_places(cell):
    pools = {"cs": On("soma", CalciumPool(rest=1e-4)), "ct": On("trunk", CalciumPool(rest=2e-4))}
    apart = nd.Cell(cell.compartments, {**pools, "leak": Leak()}, probes={"e_trunk": ("trunk(0.5)", "e_ca")})
    seen = apart.observe(0.0, apart.init(), {})
    np.testing.assert_allclose(seen["e_ca"][:1] - seen["e_trunk"], 12.04 * np.log(2), rtol=1e-3)
    assert seen["e_ca"].shape == (2 + 7,)


def test_drives_by_input_add_and_scale():
    a, b = nd.Step(0.3), nd.Alpha(1.0, 2e-3)
    both = 2.0 * nd.Drives(soma=a) + nd.Drives(soma=a, synapse=b) - nd.Drives(synapse=0.5 * b)
    found = both.average(1.5, 2.5)
    np.testing.assert_allclose([found["soma"], found["synapse"]], [0.9, 0.5 * b.average(1.5, 2.5)])
    with pytest.raises(ValueError, match="must be added to nd.Drives"):
        (nd.Drives(soma=a) + b)(1.0)
    assert nd.Drives().edges().shape == (0,) and nd.Drives()(1.0) == {}


def test_events_at_infinity_are_ignored():
    for kind in (nd.Alpha, nd.DoubleExponential):
        some, one = kind(jnp.asarray([-jnp.inf, 1.0, jnp.inf]), 2.0), kind(1.0, 2.0)
        assert some(2.0) == one(2.0) > 0 and some.average(0.5, 2.0) == one.average(0.5, 2.0)


def test_the_resting_state_is_without_drive_whatever_the_inputs():
    """A voltage clamp that is not driven is not there; a number is enough for one input, not for several, but nothing is."""
    shape = Compartments.per_section(cells.ball_and_stick(), 2)
    inputs = {"clamp": cells.VoltageClamp("soma"), "many": cells.CurrentClamp(["soma", "dend"])}
    for some in (inputs, {"clamp": inputs["clamp"]}):
        cell = nd.Cell(shape, {"leak": Leak(0.3, -60.0)}, inputs=some)
        drives = nd.Drives(clamp=nd.Step(-20.0))
        v = nd.simulate(cell, drives, 1.0, y0="rest", max_spikes=0).v
        np.testing.assert_allclose(v[0], -60.0, rtol=1e-9)
        assert float(v[-1, 0]) > -25.0


def test_a_wrapped_cell_knows_where_its_states_are(cell):
    """What implicit solvers ask of the flow of a cell that is pulled towards a recording."""
    pulled = Coupled(cell, 1.0, (0,))
    y = eqx.filter_eval_shape(pulled.init)
    drive = jnp.asarray(0.1), jnp.asarray([-60.0])
    decay = eqx.filter_eval_shape(lambda y: pulled.dynamics(0.0, y, drive).decay, y)
    arrangement, _ = Arrangement.make(pulled, y, decay)
    assert arrangement.size == cell.layout.size and tuple(cell.where("h").tolist()) in arrangement.places


def test_profiles_far_from_their_middle():
    """Where exponentials overflow, in value and derivative: for a middle far beyond, and for one far on the other side of the soma, where what is left is exponential."""
    distance = jnp.asarray([0.0, 1.0, 1000.0])
    factors = lambda half: cells.Sigmoid(3.0, half, 1.0)(None, None, distance)
    np.testing.assert_allclose(factors(990.0), [1.0, 1.0, 3.0], rtol=1e-4)
    np.testing.assert_allclose(factors(-990.0), [1.0, 1 + 2 * (1 - np.exp(-1)), 3.0], rtol=1e-12)
    for half in (990.0, -990.0):
        assert jnp.isfinite(jax.jacobian(factors)(half)).all()
    plain = lambda d: 1 / (1 + np.exp(-(d - 40.0) / 15.0))
    expected = 1 + 2.0 * (plain(60.0) - plain(0.0)) / (1 - plain(0.0))
    np.testing.assert_allclose(cells.Sigmoid(3.0, 40.0, 15.0)(None, None, jnp.asarray(60.0)), expected, rtol=1e-12)


def test_spikes_are_seen_where_detectors_are(cell):
    both = nd.Cell(cell.compartments, membrane(), detectors=["soma", "axon(1)"], detection=-20.0)
    run = nd.simulate(both, nd.Step(1.0), 5.0, record="v_soma")
    assert run.spikes.times.shape[0] == 2 and (np.asarray(run.spikes.count) == 1).all()


def test_what_fails_is_reported_and_nan(cell):
    run = _run(cell, nd.Step(1.7e308, 1.0))
    assert not run.ok and np.isfinite(run.ys["v_soma"][:41]).all() and np.isnan(run.ys["v_soma"][44:]).all()


def test_states_out_of_range_are_refused(cell):
    y = cell.init()
    with pytest.raises(ValueError, match=r"y0.na.m\[2\] = 1.5 is not allowed: must be finite and >= 0 and <= 1"):
        _run(cell, nd.Step(0.1), y0={**y, "na": {**y["na"], "m": y["na"]["m"].at[2].set(1.5)}})
    with pytest.raises(ValueError, match=r"y0.v of shape \(3,\) is not allowed: must have shape"):
        _run(cell, nd.Step(0.1), y0={**y, "v": y["v"][:3]})


BAD = {
    "tuft": lambda c: nd.Cell(c.compartments, {"h": On("tuft", HCurrent())}),
    "no section matches": lambda c: nd.Cell(c.compartments, membrane(), probes={"x": "aple(0.5)"}),
    "must be a number between 0 and 1": lambda c: nd.Cell(c.compartments, membrane(), probes={"x": "axon(1.5)"}),
    "is not there": lambda c: nd.Cell(c.compartments, membrane(), probes={"x": ("axon(1)", "h.q")}),
    "without a pool of 'ca'": lambda c: nd.Cell(c.compartments, {"sk": SKPotassium(), "ca": On("soma", CalciumPool())}),
    "channel name 'v'": lambda c: nd.Cell(c.compartments, {"v": Leak()}),
    "got int": lambda c: nd.Cell(c.compartments, {"leak": 3}),
    "must be a Morphology or Compartments": lambda c: nd.Cell(3, {"leak": Leak()}),
    "did you mean 'g'|there are: g": lambda c: On("soma", Leak(), gg=cells.Linear(0.1)),
    "must be a profile": lambda c: On("soma", Leak(), g=3.0),
    "profiles\\['cm'\\]": lambda c: nd.Cell(c.compartments, {"leak": Leak()}, profiles={"cm": cells.Linear(0.1)}),
    "count = 0": lambda c: Compartments.per_section(branched(), 0),
    "longest = -1": lambda c: Compartments.by_length(branched(), -1.0),
    "fraction = 0": lambda c: Compartments.by_lambda(branched(), 0.0),
    "several inputs": lambda c: nd.Cell(
        c.compartments, {"leak": Leak()}, inputs={"a": cells.CurrentClamp("soma"), "b": cells.CurrentClamp("axon")}
    ).dynamics(0.0, {"v": jnp.zeros(c.layout.size)}, jnp.asarray(0.0)),
    "no input matches 'dend'": lambda c: nd.simulate(c, nd.Drives(dend=nd.Step(1.0)), 1.0),
    "input 'e' = 'soma' is not allowed": lambda c: nd.Cell(c.compartments, {"leak": Leak()}, inputs={"e": "soma"}),
    r"a drive of shape \(2,\) is not allowed for the input 'soma'": lambda c: nd.simulate(c, nd.Step(jnp.ones(2)), 1.0),
    "Adaptive.solver = 'rodas' is not allowed": lambda c: nd.Adaptive(solver="rodas"),
    "input name 'leak'": lambda c: nd.Cell(
        c.compartments, {"leak": Leak()}, inputs={"leak": cells.CurrentClamp("soma")}
    ),
    "'v_soma' is not allowed": lambda c: nd.Cell(c.compartments, {"leak": Leak()}, probes={"v_soma": "axon"}),
    "'i_leak' is not allowed": lambda c: nd.Cell(c.compartments, {"leak": Leak()}, probes={"i_leak": "axon"}),
    "'na.mm'; did you mean 'na.m'": lambda c: nd.Cell(c.compartments, membrane(), probes={"x": ("axon", "na.mm")}),
    "without a pattern": lambda c: nd.Cell(c.compartments, membrane(), probes={"x": ("axon", "na.*")}),
    "or a place and a path": lambda c: nd.Cell(c.compartments, membrane(), probes={"x": ("axon", "na.m", "v")}),
    "detectors = \\[\\]": lambda c: nd.Cell(c.compartments, membrane(), detectors=[]),
    "at = \\[\\] is not allowed": lambda c: cells.CurrentClamp([]),
    "at = 3 is not allowed": lambda c: cells.CurrentClamp(3),
    "region = Leak": lambda c: On(Leak(), "soma"),
    "mechanism = None": lambda c: On("soma", None),
    "varied by the profile of 'g'": lambda c: On("soma", Leak(), {"g": cells.Linear(0.1), "*": cells.Linear(0.1)}),
    "which no factor changes": lambda c: On("soma", Sodium(), {"m.shift": cells.Linear(0.1)}),
    "factors.axon = -1": lambda c: cells.PerRegion(axon=-1.0),
    "the regions are soma": lambda c: nd.Cell(c.compartments, {"leak": On("all", Leak(), g=cells.PerRegion(tuft=2.0))}),
    "PerCompartment.values of shape": lambda c: nd.Cell(
        c.compartments, {"leak": Leak()}, profiles={"capacitance": cells.PerCompartment(jnp.ones(3))}
    ),
    "nowhere in that region": lambda c: nd.Cell(
        c.compartments, {"leak": On("soma", Leak(), g=cells.PerRegion(apical=2.0))}
    ),
    "does not say how to cut": lambda c: nd.Cell(branched(), {"leak": Leak()}, axial_resistivity=jnp.ones(3)),
    "count of 'apical' = 0": lambda c: Compartments.per_section(branched(), {"apical": 0}),
    "damped = 'yes' is not allowed": lambda c: nd.Cell(c.compartments, {"leak": Leak()}, damped="yes"),
    "cell of type HodgkinHuxley": lambda c: cells.input_resistance(nd.HodgkinHuxley(), "soma"),
    "cannot be clamped as a whole": lambda c: nd.Clamped(c),
    "Exponential.length = 0": lambda c: cells.Exponential(1.0, 0.0),
    "channels = .* must be a dictionary": lambda c: nd.Cell(c.compartments, [Leak()]),
    "inputs = .* must be a dictionary": lambda c: nd.Cell(
        c.compartments, membrane(), inputs=cells.CurrentClamp("soma")
    ),
    "input name 'a b'": lambda c: nd.Cell(c.compartments, membrane(), inputs={"a b": cells.CurrentClamp("soma")}),
    "morphology = 'x.swc'": lambda c: Compartments.by_length("x.swc", 20.0),
    "axial_resistivity of shape": lambda c: nd.Cell(
        c.compartments, {"leak": Leak()}, axial_resistivity=jnp.ones(3)
    ).prepare(),
    "must be one place": lambda c: c.layout.locate("l*(0.5)"),
    "Stack of nothing": lambda c: nd.Stack(),
    "of one input, such as": lambda c: nd.Drives(soma=nd.Drives(soma=nd.Step(1.0))),
    "capacitance = -1": lambda c: nd.Cell(c.compartments, {"leak": Leak()}, capacitance=-1.0),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_cells_are_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        BAD[message](cell)


def test_the_fourth_order_solver_refuses_cells(cell):
    with pytest.raises(ValueError, match="Staggered4 is not allowed for voltages that are coupled"):
        _run(cell, nd.Step(0.1), method=nd.FixedStep(0.025, nd.Staggered4()))


def test_a_morphology_is_cut_for_the_cells_own_resistivity_and_capacitance():
    by = {"axial_resistivity": 300.0, "capacitance": 2.0}
    assert nd.Cell(branched(), {"leak": Leak()}, **by).layout == Compartments.by_lambda(branched(), **by).layout
    assert nd.Cell(branched(), {"leak": Leak()}).layout.size < nd.Cell(branched(), {"leak": Leak()}, **by).layout.size


def test_numbers_of_compartments_by_region():
    layout = Compartments.per_section(branched(), {"apical": 5, "left": 7}).layout
    counts = {section.name: n for section, n in zip(layout.morphology.sections, layout.counts, strict=True)}
    assert counts["trunk"] == counts["right"] == 5 and counts["left"] == 7 and counts["soma"] == counts["low0"] == 1


def test_other_equipment_leaves_the_cell_as_it_is(cell):
    other = cell.equipped(inputs={"tip": cells.CurrentClamp("left(1)")}, detectors=["soma", "left(1)"])
    assert list(other.inputs) == ["tip"] and other.probes == cell.probes and len(other.detectors) == 2
    kept = {path: item.value for path, item in parameters(cell).items()}
    again = {path: item.value for path, item in parameters(other).items()}
    assert kept.keys() == again.keys() and all(np.array_equal(kept[path], again[path]) for path in kept)
    assert [probe.name for probe in cell.equipped(probes={"x": "axon"}).probes] == ["v_soma", "x"]
    assert len(repr(cell)) < 500 and "h (apical)" in repr(cell) and len(repr(cell.compartments)) < 60


def test_files_of_cells_that_are_cut_otherwise_are_refused(tmp_path, cell):
    nd.save(tmp_path / "cell.json", cell)
    shape = Compartments.by_length(branched(), 12.0)
    like = nd.Cell(shape, membrane(), profiles={"capacitance": cells.PerRegion(apical=2.0)})
    with pytest.raises(ValueError, match="`like` must be made of the same parts"):
        nd.load(tmp_path / "cell.json", like=like)


def test_damped_steps_do_not_swing_on_a_spine():
    dendrite = Section.cylinder(length=100.0, diameter=1.0, name="dendrite")
    neck = Section.cylinder(length=1.0, diameter=0.15, parent="dendrite", at=0.5, name="neck")
    head = Section.cylinder(length=0.6, diameter=0.6, parent="neck", name="head")
    shape = Compartments.per_section(Morphology.build([dendrite, neck, head]), {"dendrite": 11})

    def run(damped, dt):
        cell = nd.Cell(
            shape,
            {"leak": Leak(0.1, -65.0)},
            inputs={"synapse": cells.ConductanceInput("head")},
            probes={"v_head": "head"},
            damped=damped,
        )
        step = nd.Step(1e-3, 0.5)
        return nd.simulate(cell, step, 2.0, dt=dt, every=round(0.025 / dt), record="v_head", max_spikes=0).ys["v_head"]

    exact = run(True, 0.025 / 16)
    swinging, damped = (np.abs(run(damped, 0.025) - exact).max() for damped in (False, True))
    assert damped < 0.25 * swinging and damped < 1.0


def test_the_resistance_of_a_cylinder_is_that_of_cable_theory():
    shape = Compartments.per_section(cells.cylinder(1000.0, 2.0), 201)
    cell = nd.Cell(shape, {"leak": Leak(0.05, -65.0)})  # a length constant of 1000 um
    ends = (cell.layout.name_of(0), cell.layout.name_of(200))
    expected = 100 * 0.1 / (np.pi * 1e-8) / np.tanh(1.0) / 1e6  # Mohm
    moved = cells.transfer_resistance(cell, ends[0])
    np.testing.assert_allclose(moved[0], cells.input_resistance(cell, ends[0]), rtol=1e-12)
    np.testing.assert_allclose(moved[0], expected, rtol=4e-3)  # from the middle of the first compartment
    np.testing.assert_allclose(moved[200] / moved[0], 1 / np.cosh(1.0), rtol=4e-3)

    def resistance(g):
        return cells.input_resistance(eqx.tree_at(lambda c: c.channels["leak"].g, cell, g), ends[0])

    g, h = jnp.asarray(0.05), 1e-5
    by_leak = (resistance(g + h) - resistance(g - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(resistance)(g), by_leak, rtol=1e-6)
