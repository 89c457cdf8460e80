"""Ions: what drives them, the pools they fill, and the gates that follow them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from catalogue import calcium_point_cell
from helpers import central_differences, flat_parameters, gradient_error, observed_orders, precision, reference

import neurodyn as nd
from neurodyn import channels as nc
from neurodyn._model import prepare
from neurodyn.channels import (
    GHK,
    CalciumPool,
    FixedReversal,
    HighVoltageCalcium,
    Ion,
    Leak,
    Nernst,
    SKPotassium,
    mechanisms,
)
from neurodyn.channels.base import probe
from neurodyn.kinetics import AbstractGate, AbstractIonGate, Hill


R, F = 8.314462618, 96485.33212  # J/(mol K), C/mol


@pytest.fixture(scope="module")
def cell():
    return calcium_point_cell()


def _ion(inside=1e-4, outside=2.0, celsius=34.0, valence=2):
    return Ion(*(jnp.asarray(x) for x in (inside, outside, celsius)), valence)


# Driving forces -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside, outside, celsius, valence", [(1e-4, 2.0, 34.0, 2), (10.0, 145.0, 20.0, 1), (8.0, 120.0, 37.0, -1)]
)
def test_nernst_and_ghk_are_the_formulas(inside, outside, celsius, valence):
    ion = _ion(inside, outside, celsius, valence)
    scale = 1e3 * R * (celsius + 273.15) / (valence * F)
    e = scale * np.log(outside / inside)
    assert float(ion.nernst()) == pytest.approx(e, rel=1e-12)
    v = np.asarray([-90.0, -30.0, -1.0, 20.0, e])
    u = v / scale
    flux = (u * inside - u * outside * np.exp(-u)) / (1 - np.exp(-u))
    np.testing.assert_allclose(ion.ghk(jnp.asarray(v)), flux, rtol=1e-11, atol=1e-11 * outside)
    assert float(ion.ghk(jnp.asarray(0.0))) == pytest.approx(inside - outside, rel=1e-14)  # the limit
    # As a driving force: nothing at the reversal potential; and v itself where the voltage draws the ion in.
    force = GHK()(jnp.asarray([e, -3000.0 / valence]), ion)
    np.testing.assert_allclose(force, [0.0, -3000.0 / valence], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(Nernst()(jnp.asarray(v), ion), v - e, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(FixedReversal(e)(jnp.asarray(v), None), v - e, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("force", [Nernst(), GHK()], ids=["nernst", "ghk"])
def test_driving_forces_are_finite_anywhere(force):
    """With first and second derivatives, in float32, which overflows first."""

    @jax.jit
    def everything(v, inside):
        one = lambda v, c: force(v, _ion(c))
        second = jax.jacfwd(jax.jacrev(one, (0, 1)), (0, 1))
        return jax.vmap(lambda v, c: (one(v, c), jax.jacrev(one, (0, 1))(v, c), second(v, c)))(v, inside)

    voltages, concentrations = [-1e4, -65.0, -1e-9, 0.0, 1e-9, 200.0, 1e4], [-1.0, 0.0, 1e-30, 1e-4, 1e4]
    with precision(jnp.float32):
        for leaf in jtu.tree_leaves(
            everything(*(jnp.asarray(x.ravel(), jnp.float32) for x in np.meshgrid(voltages, concentrations)))
        ):
            assert leaf.dtype == jnp.float32 and np.isfinite(leaf).all()


def test_ghk_at_zero_is_differentiable():
    # d ghk/dv at 0 in closed form: z F / RT (inside + outside) / 2.
    ion = _ion()
    slope = 2 * F / (1e3 * R * 307.15) * (1e-4 + 2.0) / 2
    assert float(jax.grad(ion.ghk)(0.0)) == pytest.approx(slope, rel=1e-12)
    second = 2 * (2 * F / (1e3 * R * 307.15)) ** 2 * (1e-4 - 2.0) / 12
    assert float(jax.grad(jax.grad(ion.ghk))(0.0)) == pytest.approx(second, rel=1e-9)


def test_permeability_of_a_ghk_conductance():
    # P = g RT / (z^2 F^2 outside) in cm/s of 1 mS/cm2, as SI has it: S/m2, V and mol/m3, m/s to cm/s.
    ion, v = _ion(), jnp.asarray(-40.0)
    permeability = 100 * 10.0 * R * 307.15 / (4 * F**2 * 2.0)
    assert permeability == pytest.approx(3.43e-5, rel=1e-2)
    expected = permeability * 2 * F * float(ion.ghk(v))  # uA/cm2, since mM is umol/cm3
    assert float(GHK()(v, ion)) == pytest.approx(expected, rel=1e-12)


def test_a_driving_force_can_be_exchanged():
    current = {}
    for force in (FixedReversal(120.0), Nernst(), GHK()):
        parts = {"ca": HighVoltageCalcium(1.0, force), "pool": CalciumPool()}
        y = {"ca": {"m": jnp.asarray(0.5), "h": jnp.asarray(0.5)}, "pool": {"inside": jnp.asarray(1e-4)}}
        values = mechanisms.currents(parts, jnp.asarray(-20.0), y, jnp.asarray(34.0))
        current[type(force).__name__] = float(values["ca"]) / 0.125
    assert current["FixedReversal"] == pytest.approx(-140.0, rel=1e-12)
    assert current["Nernst"] == pytest.approx(-20 - 1e3 * R * 307.15 / (2 * F) * np.log(2e4), rel=1e-12)
    u = -20 * 2 * F / (1e3 * R * 307.15)
    assert current["GHK"] == pytest.approx(-20 * (5e-5 - np.exp(-u)) / (1 - np.exp(-u)), rel=1e-11)


# The pool -------------------------------------------------------------------------------------------------------------------------


def test_a_pool_fills_by_faradays_law():
    # 1 mA/cm2 inwards for 1 ms through 1 cm2 over a shell of 0.1 um, 5 % free: 1e-6 C / (2 F) mol in 1e-5 cm3.
    free = 0.05 * 1e-6 / (2 * F) / 1e-5 * 1e3 * 1e3  # mol/cm3 to mol/l, to mM
    pool = CalciumPool()
    slope = pool.slope(jnp.asarray(1e-4), jnp.asarray(-1000.0), jnp.asarray(34.0))
    assert float(slope) == pytest.approx(free, rel=1e-9)
    # And as Hay et al. (2011) write it, in mA/cm2: -10000 ica gamma / (2 F depth) - (cai - minCai) / decay.
    slope = pool.slope(jnp.asarray(7e-4), jnp.asarray(-12.0), jnp.asarray(34.0))
    expected = 10000 * 0.012 * 0.05 / (2 * F * 0.1) - (7e-4 - 1e-4) / 80
    assert float(slope) == pytest.approx(expected, rel=1e-9)


def test_thalamic_pool():
    # Destexhe et al. (1993): depth 0.1 um, 5 ms, 2.4e-4 mM.
    slope = CalciumPool.thalamic().slope(jnp.asarray(1e-3), jnp.asarray(-2.0), jnp.asarray(36.0))
    assert float(slope) == pytest.approx(10000 * 0.002 / (2 * F * 0.1) + (2.4e-4 - 1e-3) / 5, rel=1e-9)


def _slow_equilibrium(parts, v, celsius):
    """The steady state by relaxing for a long time, in small steps."""
    y = mechanisms.steady(parts, v, celsius)
    y = jtu.tree_map(lambda x: 0.5 * x, y)

    def step(_, y):
        return mechanisms.kinetics(parts, v, y, celsius).advance(y, 5.0)

    return jax.lax.fori_loop(0, 4000, step, y)


@eqx.filter_jit
def _both_steady(parts, v, celsius):
    y = mechanisms.steady(parts, v, celsius)
    return y, mechanisms.kinetics(parts, v, y, celsius).slope, _slow_equilibrium(parts, v, celsius)


class Inactivating(nc.AbstractChannel):
    """Calcium that closes its own channel."""

    g: jax.Array = nd.parameter(1.0, unit="mS/cm2", lower=0.0)
    driving_force: nc.AbstractDrivingForce = eqx.field(default_factory=Nernst)
    m: AbstractGate = eqx.field(default_factory=lambda: HighVoltageCalcium().m)
    z: AbstractIonGate = eqx.field(default_factory=lambda: Hill(half=1e-3, power=-2.0, tau=20.0))

    ion = "ca"

    def current(self, v, x):
        return self.g * x["m"] * x["z"] * self.driving_force(v, x.get("ca"))


@pytest.mark.parametrize(
    "channel",
    [HighVoltageCalcium(3.0), HighVoltageCalcium(3.0, GHK()), HighVoltageCalcium(3.0, FixedReversal()), Inactivating()],
    ids=["nernst", "ghk", "fixed", "inactivating"],
)
def test_steady_concentrations(channel):
    """Where the pool goes if it is given the time, at voltages below and far above where calcium turns round."""
    parts = {"ca": channel, "pool": CalciumPool(), "sk": SKPotassium()}
    v = jnp.asarray([-120.0, -60.0, -30.0, -10.0, 0.0, 40.0, 100.0])
    y, slope, relaxed = _both_steady(parts, v, jnp.asarray(34.0))
    for leaf in jtu.tree_leaves(slope):
        np.testing.assert_allclose(leaf, 0.0, atol=1e-15)
    assert (np.asarray(y["pool"]["inside"]) > 0).all() and np.ptp(np.asarray(y["pool"]["inside"])) > 1e-3
    for one, other in zip(jtu.tree_leaves(y), jtu.tree_leaves(relaxed), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def test_steady_concentrations_are_differentiable_twice():
    def inside(p):
        parts = {"ca": HighVoltageCalcium(p[0]), "pool": CalciumPool(tau=p[1])}
        return mechanisms.steady(parts, p[2], jnp.asarray(34.0))["pool"]["inside"]

    p = jnp.asarray([1.0, 80.0, -15.0])
    first, second = jax.jit(lambda p: (jax.grad(inside)(p), jax.hessian(inside)(p)))(p)
    both = lambda p: jnp.concatenate([inside(p)[None], jax.grad(inside)(p)])
    differences = central_differences(both, p, 1e-3 * np.abs(p))[0]
    np.testing.assert_allclose(first, differences[:, 0], rtol=1e-8)
    np.testing.assert_allclose(second, differences[:, 1:], rtol=1e-7, atol=1e-12)


# What goes together ----------------------------------------------------------------------------------------------------------------


class Reader(nc.AbstractChannel):
    """A channel that reads an ion by itself."""

    g: jax.Array = nd.parameter(1.0)

    needs = ("ca",)

    def current(self, v, x):
        return self.g * x["ca"].inside * v


@pytest.mark.parametrize(
    "channels, message",
    [
        (
            {"sk": SKPotassium(), "leak": Leak()},
            r"channel 'sk' \(SKPotassium\) is not allowed without a pool of 'ca', whose concentration it reads: add a pool beside it, such as \"ca\": "
            r"CalciumPool\(\)",
        ),
        ({"hva": HighVoltageCalcium()}, "channel 'hva' .* is not allowed without a pool of 'ca'"),
        ({"mine": Reader()}, "channel 'mine' .* is not allowed without a pool of 'ca'"),
        ({"sk": SKPotassium(z=Hill(1e-3, 2.0, 1.0, ion="zn"))}, "add a pool beside it, such as one with ion='zn'"),
        (
            {"a": CalciumPool(), "b": CalciumPool()},
            r"pool 'b' \(CalciumPool\) is not allowed: must be the only pool of 'ca', which is 'a'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(channels, message):
    with pytest.raises(ValueError, match=message):
        nd.PointCell(channels)


def test_other_membranes_refuse_it_too():
    with pytest.raises(ValueError, match="channel 'leak' .* is not allowed without a pool of 'ca'"):
        nd.HodgkinHuxley(leak=SKPotassium())


def test_a_pool_has_no_place_in_absolute_units(cell):
    message = r"pool 'ca' \(CalciumPool\) is not allowed in absolute units, where no area is known"
    with pytest.raises(ValueError, match=message):
        nd.PointCell({"ca": CalciumPool()}, units="absolute")
    with pytest.raises(ValueError, match=message):
        cell.to_absolute(1000.0)
    fixed = HighVoltageCalcium(1.0, FixedReversal())  # carries calcium, but needs no pool
    assert nd.PointCell({"hva": fixed}, units="absolute").init().keys() == {"v", "hva"}


def test_a_driving_force_without_an_ion_is_refused():
    class Nameless(nc.AbstractChannel):
        driving_force: nc.AbstractDrivingForce = eqx.field(default_factory=GHK)

        def current(self, v, x):
            return v

    with pytest.raises(
        ValueError, match="Nameless.ion = None is not allowed: must be the ion that its driving force reads"
    ):
        Nameless()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: CalciumPool(valence=0), "CalciumPool.valence = 0 is not allowed: must be a whole number other than 0"),
        (lambda: CalciumPool(valence=2.0), "CalciumPool.valence = 2.0 is not allowed"),
        (lambda: dataclasses.replace(nc.BKPotassium().o, valence=0), "TwoSiteBinding.valence = 0 is not allowed"),
        (lambda: CalciumPool(ion="ca.2"), "CalciumPool.ion = 'ca.2' is not allowed: must be an identifier"),
        (lambda: Hill(1e-3, 2.0, 1.0, ion=3), "Hill.ion = 3 is not allowed: must be an identifier, such as 'ca'"),
    ],
)
def test_ions_that_are_none_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_of_ions_are_a_tuple():
    class Careless(Reader):
        needs = "ca"

    with pytest.raises(ValueError, match=r"Careless.needs = 'ca' is not allowed: must be a tuple, such as \('ca',\)"):
        Careless()


def test_a_gate_with_the_name_of_an_ion_is_refused():
    class Confused(nc.AbstractChannel):
        ca: AbstractIonGate = eqx.field(default_factory=lambda: Hill(1e-3, 2.0, 1.0))

        def current(self, v, x):
            return v

    with pytest.raises(ValueError, match="Confused.ca is not allowed: a gate must have another name than the ions"):
        Confused()


class Faulty(nc.AbstractChannel):
    """A channel with a fault at a concentration."""

    function: object = eqx.field(static=True)
    needs = ("ca",)

    def current(self, v, x):
        return self.function(v, x["ca"].inside)


class FaultyPool(nc.AbstractPool):
    """A pool with any slope."""

    function: object = eqx.field(static=True)
    outside: jax.Array = nd.parameter(2.0)
    rest: jax.Array = nd.parameter(1e-4)
    ion: str = eqx.field(static=True, default="ca")
    valence: int = eqx.field(static=True, default=2)
    per_area = False

    def slope(self, inside, current, temperature):
        return self.function(inside, current)


@pytest.mark.parametrize(
    "part, message",
    [
        (
            Faulty(lambda v, c: jnp.log(c - 1e-5)),
            "channel 'x' .*: the current is nan at -120 mV and 1e-06 mM, must be finite from -120 to 60 mV and",
        ),
        (
            Faulty(lambda v, c: v * jnp.sqrt(jnp.abs(c - 1.0))),
            "derivative by the concentration of current is -?(nan|inf) at -120 mV and 1 mM",
        ),
        (Faulty(lambda v, c: c * jnp.ones(3)), r"current has shape \(3,\) for a scalar voltage"),
        (
            FaultyPool(lambda c, i: i),
            "pool 'x' .* derivative by the concentration of slope is 0 1/ms at -1000 uA/cm2 and 1e-06 mM, must be < 0",
        ),
        (FaultyPool(lambda c, i: jnp.sqrt(i) - c), "pool 'x' .* slope is nan at -1000 uA/cm2"),
        (FaultyPool(lambda c, i: i * jnp.ones(2)), r"its slope has shape \(2,\) for a scalar current"),
    ],
)
def test_the_probe_covers_concentrations_and_pools(part, message):
    with pytest.raises(ValueError, match=message):
        probe("x", part, jnp.asarray(6.3))


# A cell ----------------------------------------------------------------------------------------------------------------------------


def test_states_groups_and_records(cell):
    assert cell.groups() == {
        "v": 3,
        "na": {"m": 0, "h": 0},
        "k": {"n": 0},
        "hva": {"m": 0, "h": 0},
        "lva": {"m": 0, "h": 0},
        "ca": {"inside": 1},
        "sk": {"z": 2},
    }
    info = cell.state_info()
    assert (info["ca.inside"].unit, info["ca.inside"].lower) == ("mM", 0.0) and info["sk.z"].upper == 1.0
    observed = cell.observe(0.0, cell.init(), jnp.asarray(0.0))
    assert set(observed) == {"i_na", "i_k", "i_leak", "i_hva", "i_lva", "i_sk", "i_ionic", "e_ca"}
    named = sum(value for name, value in observed.items() if name.startswith("i_") and name != "i_ionic")
    assert float(observed["i_ionic"]) == pytest.approx(float(named), rel=1e-12)
    rows = {row.path: row.info.unit for row in nd.describe(cell)}
    assert rows["channels.ca.depth"] == "um" and rows["channels.sk.z.half"] == "mM"


def test_groups_without_gates_that_follow_an_ion():
    parts = {"hva": HighVoltageCalcium(), "ca": CalciumPool()}
    assert mechanisms.groups(parts) == {"v": 2, "hva": {"m": 0, "h": 0}, "ca": {"inside": 1}}
    assert mechanisms.groups({"leak": Leak()}) == {"v": 1}
    two = {"a": CalciumPool(), "b": CalciumPool(ion="zn"), "sk": SKPotassium()}
    assert mechanisms.groups(two) == {"v": 4, "a": {"inside": 1}, "b": {"inside": 2}, "sk": {"z": 3}}


def _busy(cell):
    """Away from rest, and where every current flows."""
    gates = {
        "na": {"m": 0.3, "h": 0.4},
        "k": {"n": 0.4},
        "hva": {"m": 0.2, "h": 0.5},
        "lva": {"m": 0.3, "h": 0.2},
        "sk": {"z": 0.3},
    }
    return jtu.tree_map(jnp.asarray, {"v": -30.0, "ca": {"inside": 4e-4}, **gates})


def test_every_state_is_second_order_from_any_state(cell):
    y0 = _busy(cell)
    exact = reference(cell, y0, 10.0, 3.0)
    errors = []
    for dt in (0.0125, 0.00625):
        final = nd.simulate(cell, nd.Step(10.0), 3.0, dt=dt, y0=y0, every=10**6, max_spikes=0).final
        errors.append(np.abs(np.asarray(jax.flatten_util.ravel_pytree(final)[0]) - exact))
    np.testing.assert_allclose(observed_orders(errors), 2.0, atol=0.1)


def test_gradients_with_respect_to_every_parameter(cell):
    """Reverse mode against central differences, of voltage, calcium and the gate that follows it after a spike. One program for all."""
    names, x, rebuild = flat_parameters(cell)

    def measured(x):
        end = nd.simulate(rebuild(x), nd.Step(12.0, 0.5), 4.0, dt=0.05, y0=_busy(cell), record=[], max_spikes=0).final
        return end["v"] + 1e4 * end["ca"]["inside"] + 10 * end["sk"]["z"]

    scale = np.maximum(np.abs(np.asarray(x)), 1e-5)
    offsets, weights = np.asarray([0.0, 2.0, 1.0, -1.0, -2.0]), np.asarray([0.0, -1.0, 8.0, -8.0, 1.0]) / 12
    points = np.asarray(x) + 1e-4 * offsets[:, None, None] * np.diag(scale)
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(measured)))(jnp.asarray(points.reshape(-1, scale.size)))
    expected = weights @ np.asarray(values).reshape(offsets.size, -1) / (1e-4 * scale)
    got = np.asarray(gradients[0])
    error = gradient_error(got, expected, scale)[0]
    assert np.isfinite(gradients).all() and error.max() < 1e-6, dict(zip(names, error, strict=True))
    moved = {name for name, value in zip(names, got, strict=True) if value != 0}
    pool = {f"channels.ca.{name}" for name in ("gamma", "tau", "rest", "outside", "depth")}
    assert pool | {"channels.sk.z.half", "channels.sk.z.power", "channels.sk.z.tau", "channels.lva.m.q10.q10"} <= moved


def test_preparation_changes_nothing(cell):
    y = _busy(cell)
    one, other = (jtu.tree_leaves(m.dynamics(0.0, y, jnp.asarray(1.0))) for m in (cell, prepare(cell)))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_compartments_are_points(cell):
    """All equations at once for several voltages, as in a cell, with a parameter for each compartment."""
    parts, celsius, n = cell.channels, cell.temperature, 3
    v = jnp.asarray([-70.0, -40.0, 10.0])
    each = jtu.tree_map(lambda x: jnp.full((n,), x), parts)

    @jax.jit
    def everything(parts, v):
        y = mechanisms.steady(parts, v, celsius)
        y = jtu.tree_map(lambda x: 0.8 * x, y)
        return y, mechanisms.total(parts, v, y, celsius), mechanisms.kinetics(parts, v, y, celsius)

    alone = [everything(parts, v[i]) for i in range(n)]
    together = everything(each, v)
    for i in range(n):
        for a, b in zip(jtu.tree_leaves(alone[i]), jtu.tree_leaves(together), strict=True):
            assert b.shape == (n,)
            np.testing.assert_allclose(b[i], a, rtol=1e-10, atol=1e-18)


@pytest.mark.slow
def test_sk_makes_a_cell_adapt(cell):
    """Intervals between spikes get longer while calcium builds up, and do not without SK."""
    quiet = nd.replace(cell, {"channels.sk.g": 0.0})

    @eqx.filter_jit
    def times(model):
        return nd.simulate(
            model, nd.Step(25.0, 1.0), 120.0, dt=0.05, record=["ca.inside"], every=100, max_spikes=32
        ).spikes.times

    with_sk, without = (np.asarray(times(model)) for model in (cell, quiet))
    intervals = np.diff(with_sk[np.isfinite(with_sk)]), np.diff(without[np.isfinite(without)])
    assert len(intervals[1]) > 5 and len(intervals[0]) < len(intervals[1])


@pytest.mark.slow
def test_the_resting_state(cell):
    sol = nd.simulate(cell, nd.Step(0.0), 1.0, y0="rest", record=["v", "ca.inside"])
    assert sol.ok
    np.testing.assert_allclose(sol.v, sol.v[0], atol=1e-9)
    assert abs(float(cell.steady_current(sol.v[0]))) < 1e-7
    assert float(sol.ys["ca.inside"][0]) > 1e-4


def test_a_calcium_cell_is_saved_and_loaded(cell, tmp_path):
    other = nd.replace(cell, {"channels.ca.tau": 33.3, "channels.sk.z.half": 5e-4})
    nd.save(tmp_path / "cell.json", other)
    assert eqx.tree_equal(nd.load(tmp_path / "cell.json", like=cell), other)
    channels = {**cell.channels, "hva": dataclasses.replace(cell.channels["hva"], driving_force=GHK())}
    with pytest.raises(ValueError, match="part 'channels.hva.driving_force' is a 'Nernst', not a GHK"):
        nd.load(tmp_path / "cell.json", like=dataclasses.replace(cell, channels=channels))
