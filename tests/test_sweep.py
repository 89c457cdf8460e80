"""Sweeps: members, chunks, devices, processes, bad members, results on disk."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn import reducers


T1 = 10.0
STIMULUS = nd.Step(10.0)
REDUCE = {"count": reducers.SpikeCount(), "mean": reducers.Mean()}
WORKER = Path(__file__).with_name("sweep_worker.py")


def _vary(count):
    return {"na.g": np.linspace(80.0, 160.0, count), "stimulus.amplitude": np.linspace(5.0, 20.0, count)}


@pytest.fixture(scope="module")
def many(hh):
    return nd.sweep(hh, STIMULUS, T1, _vary(300), reduce=REDUCE)


def test_a_row_is_a_run(hh, many):
    assert len(many) == 300 and many.outputs.keys() == {"count", "mean"} and not many.failed
    for i in (0, 127, 128, 299):
        values = many.values(i)
        model = nd.replace(hh, {"na.g": values["na.g"]})
        v = nd.simulate(model, nd.Step(values["stimulus.amplitude"]), T1)
        assert many["count"][i] == v.spikes.count
        np.testing.assert_allclose(many["mean"][i], np.trapezoid(v.v) / (v.v.size - 1), rtol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 128, 200])
def test_the_batch_size_changes_nothing(hh, many, batch_size):
    again = nd.sweep(hh, STIMULUS, T1, _vary(300), reduce=REDUCE, batch_size=batch_size)
    for name in many.outputs:
        np.testing.assert_array_equal(again[name], many[name])


def test_order_and_repeats_change_nothing(hh, many):
    order = np.random.default_rng(0).permutation(300)
    order[10] = order[200]
    again = nd.sweep(hh, STIMULUS, T1, {k: x[order] for k, x in _vary(300).items()}, reduce=REDUCE)
    np.testing.assert_array_equal(again["mean"], many["mean"][order])
    assert again["mean"][10] == again["mean"][200]


def test_bad_members_are_named_and_harm_nobody(hh, many):
    vary = _vary(300)
    vary["na.g"][[17, 250]] = np.nan, -1.0
    vary["stimulus.amplitude"][99] = np.inf
    bad = nd.sweep(hh, STIMULUS, T1, vary, reduce=REDUCE)
    assert [member.index for member in bad.failed] == [17, 99, 250]
    assert "na.g = -1" in str(bad.failed[2]) and "invalid_parameter" in str(bad.failed[2])
    keep = np.delete(np.arange(300), [17, 99, 250])
    for name in many.outputs:
        np.testing.assert_array_equal(bad[name][keep], many[name][keep])
    assert np.isnan(bad["mean"][[17, 99, 250]]).all() and (bad["count"][[17, 99, 250]] == -1).all()


def test_a_stiff_member_on_the_adaptive_path(hh):
    def reduce(sol):
        return {"v": sol.v, "times": sol.spikes.times}

    method = nd.Adaptive(max_steps=2000)
    vary = {"na.g": np.linspace(80.0, 160.0, 24), "na.m.factor": np.ones(24)}
    options = {"reduce": reduce, "method": method, "ts": np.asarray([1.0, 7.0]), "max_spikes": 4}
    clean = nd.sweep(hh, STIMULUS, T1, vary, **options)
    stiff = {path: x.copy() for path, x in vary.items()}
    stiff["na.m.factor"][5], stiff["na.g"][20] = 1e6, np.nan
    got = nd.sweep(hh, STIMULUS, T1, stiff, **options)
    assert [(m.index, m.status) for m in got.failed] == [(5, nd.Status.max_steps), (20, nd.Status.invalid_parameter)]
    assert np.isnan(got["v"][[5, 20]]).all()
    keep = np.delete(np.arange(24), [5, 20])
    np.testing.assert_allclose(got["v"][keep], clean["v"][keep], rtol=0, atol=1e-9)
    np.testing.assert_allclose(got["times"][keep], clean["times"][keep], rtol=0, atol=1e-9)


def test_grid(hh):
    g, amplitude = np.asarray([100.0, 120.0]), np.asarray([5.0, 10.0, 20.0])
    grid = nd.sweep(hh, STIMULUS, T1, {"na.g": g, "stimulus.amplitude": amplitude}, design="grid", reduce=REDUCE)
    assert len(grid) == 6 and grid.shape == (2, 3) and grid.grid("mean").shape == (2, 3)
    assert grid.values(4) == {"na.g": 120.0, "stimulus.amplitude": 10.0}
    flat = nd.sweep(
        hh, STIMULUS, T1, {"na.g": np.repeat(g, 3), "stimulus.amplitude": np.tile(amplitude, 2)}, reduce=REDUCE
    )
    np.testing.assert_array_equal(grid["mean"], flat["mean"])
    table = grid.to_xarray()
    assert table["mean"].dims == ("na.g", "stimulus.amplitude") and table["na.g"].attrs["units"] == "mS/cm2"
    assert float(table["mean"].sel({"na.g": 120.0, "stimulus.amplitude": 10.0})) == grid["mean"][4]


def test_one_program_for_all_values(hh, many):
    with jax.log_compiles(False):
        before = _compilations()
        nd.sweep(nd.replace(hh, {"k.g": 37.0}), nd.Step(11.0), T1, _vary(299), reduce=REDUCE)
        assert _compilations() == before


def _compilations():
    return sys.modules["neurodyn._sweep.sweep"]._run._cached._cache_size()


def test_defaults_progress_and_one_member(hh):
    seen = []
    one = nd.sweep(hh, STIMULUS, T1, {"na.g": [120.0]}, progress=lambda done, count: seen.append((done, count)))
    sol = nd.simulate(hh, STIMULUS, T1)
    assert one["spike_count"] == [sol.spikes.count] and seen == [(1, 1)]
    np.testing.assert_allclose(one["v"], [sol.final["v"]], rtol=1e-10)


def _reduce_to_many_types(sol):
    last = sol.v[-1]
    return {
        "trace": sol.v[::100],
        "up": last > -60.0,
        "n": sol.spikes.count,
        "small": jnp.uint8(3),
        "single": last.astype("float32"),
    }


@pytest.mark.parametrize("ending", ["npz", "nc"])
@pytest.mark.parametrize("design", ["zip", "grid"])
def test_saved_and_loaded(hh, tmp_path, ending, design):
    vary = {"na.g": np.asarray([80.0, np.nan, 120.0]), "k.g": np.asarray([30.0, 36.0, 40.0])}
    swept = nd.sweep(hh, STIMULUS, T1, vary, design=design, reduce=_reduce_to_many_types)
    assert {str(x.dtype) for x in swept.outputs.values()} >= {"bool", "uint8"}
    swept.save(tmp_path / f"sweep.{ending}")
    again = nd.SweepResult.load(tmp_path / f"sweep.{ending}")
    assert repr(again) == repr(swept) and again.attributes == swept.attributes and again.units == swept.units
    assert list(again.axes) == list(swept.axes) and [str(m) for m in again.failed] == [str(m) for m in swept.failed]
    for kind in ("axes", "outputs"):
        for name, x in getattr(swept, kind).items():
            assert getattr(again, kind)[name].dtype == x.dtype
            np.testing.assert_array_equal(getattr(again, kind)[name], x)
    assert [path.name for path in tmp_path.iterdir()] == [f"sweep.{ending}"]
    (tmp_path / f"bad.{ending}").write_bytes((tmp_path / f"sweep.{ending}").read_bytes()[:300])
    with pytest.raises(ValueError, match=rf"bad.{ending} is not allowed"):
        nd.SweepResult.load(tmp_path / f"bad.{ending}")


def test_a_failed_row_is_missing_in_every_type(hh):
    swept = nd.sweep(hh, STIMULUS, T1, {"na.g": [80.0, np.nan]}, reduce=_reduce_to_many_types)
    assert np.isnan(swept["trace"][1]).all() and np.isnan(swept["single"][1])
    assert (swept["n"][1], swept["small"][1], swept["up"][1]) == (-1, 0, False)


# Provenance ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["npz", "nc"])
def test_a_sweep_can_be_made_again_from_its_file(hh, tmp_path, ending):
    key = jax.random.key(7)
    model = nd.replace(hh, {"k.g": 0.1 + 0.2 + 35.0})
    # The noise alone is more text than an HDF5 attribute of fixed length may hold.
    stimulus = nd.OrnsteinUhlenbeck(5.0, 2.0, 3.0, T1, dt=0.002, key=jax.random.key(3)) + 2.0 * STIMULUS
    drawn = nd.sample(model, {"na.g": (60.0, 180.0)}, 5, key=key)
    vary = {**drawn, "stimulus.terms.1.factor": np.linspace(0.5, 1.5, 5)}
    options = {"dt": 0.05, "y0": hh.init(), "ts": np.asarray([1 / 3, 7.0]), "reduce": _last_two}
    swept = nd.sweep(model, stimulus, T1, vary, **options)
    swept.save(tmp_path / f"sweep.{ending}")
    read = nd.SweepResult.load(tmp_path / f"sweep.{ending}")
    tables = {name: json.loads(read.attributes[name]) for name in ("parameters", "arrays", "structure", "seeds")}
    assert tables["parameters"]["k.g"]["unit"] == "mS/cm2"
    assert (
        tables["structure"]["stimulus"].startswith("Sum(terms=(OrnsteinUhlenbeck(")
        and "dt=0.002" in tables["structure"]["stimulus"]
    )
    assert "'dt': 0.05" in tables["structure"]["options"] and "_last_two" in tables["structure"]["reduce"]
    for name in ("neurodyn", "jax", "equinox", "diffrax"):
        assert re.search(rf"\b{name} \d", read.attributes["versions"])
    assert (read.attributes["precision"], read.attributes["t1"], read.attributes["design"]) == ("float64", T1, "zip")

    values = {path: np.asarray(entry["value"]) for path, entry in tables["parameters"].items()}
    own = nd.replace(nd.HodgkinHuxley(), {path: x for path, x in values.items() if not path.startswith("stimulus.")})
    blank = nd.OrnsteinUhlenbeck(0.0, 0.0, 1.0, T1, dt=0.002, key=jax.random.key(0)) + 1.0 * nd.Step(0.0)
    drive = nd.replace(
        blank, {path.removeprefix("stimulus."): x for path, x in values.items() if path.startswith("stimulus.")}
    )
    arrays = {path: np.asarray(entry["value"]) for path, entry in tables["arrays"].items()}
    y0 = {
        "v": arrays["options.y0.v"],
        "na": {g: arrays[f"options.y0.na.{g}"] for g in "mh"},
        "k": {"n": arrays["options.y0.k.n"]},
    }
    again = nd.sweep(own, drive, T1, read.axes, reduce=_last_two, dt=0.05, ts=arrays["options.ts"], y0=y0)
    np.testing.assert_array_equal(again["v"], swept["v"])

    seed = tables["seeds"]["na.g"]
    same = jax.random.wrap_key_data(jnp.asarray(seed["data"], jnp.uint32), impl=seed["impl"])
    np.testing.assert_array_equal(nd.sample(own, {"na.g": (60.0, 180.0)}, 5, key=same)["na.g"], read.axes["na.g"])


def _last_two(sol):
    return {"v": sol.v}


def test_the_key_of_a_sample_goes_with_its_values_only(hh):
    drawn = nd.sample(nd.Step(10.0), {"amplitude": (5.0, 10.0)}, 3, key=jax.random.key(1))["amplitude"]
    renamed = nd.sweep(hh, STIMULUS, T1, {"stimulus.amplitude": drawn, "na.g": np.ones(3)}, reduce=REDUCE)
    assert json.loads(renamed.attributes["seeds"]) == {"stimulus.amplitude": {"impl": "threefry2x32", "data": [0, 1]}}
    changed = nd.sweep(hh, STIMULUS, T1, {"stimulus.amplitude": 2 * drawn}, reduce=REDUCE)
    assert json.loads(changed.attributes["seeds"]) == {}
    with pytest.raises(ValueError, match="read-only"):
        drawn[0] = 1.0


def test_random_members(hh):
    key = jax.random.key(0)
    near = nd.sample(hh, ["na.g", "na.m.shift"], 500, key=key)
    assert near["na.g"].min() > 60 and near["na.g"].max() < 240 and abs(near["na.m.shift"]).max() <= 8
    wide = nd.sample(hh, {"na.g": (1.0, 1000.0)}, 500, key=key)["na.g"]
    assert 1 <= wide.min() < 2 and 500 < wide.max() <= 1000 and 20 < np.median(wide) < 50
    np.testing.assert_array_equal(wide, nd.sample(hh, {"na.g": (1.0, 1000.0)}, 500, key=key)["na.g"])


@pytest.mark.parametrize(
    ("vary", "options", "message"),
    [
        ({}, {}, "must name one parameter"),
        ({"na.gg": [1.0]}, {}, "na.g"),
        ({"na.g": 3.0}, {}, "must be a one-dimensional array"),
        ({"na.g": []}, {}, "a sweep of 0 members"),
        ({"na.g": [1.0], "k.g": [1.0, 2.0]}, {}, "different length"),
        ({"na.g": [1.0], "na.*": [1.0]}, {}, "varied already"),
        (
            {"na.g": np.ones(10**4), "k.g": np.ones(10**4), "leak.g": np.ones(10**4)},
            {"design": "grid"},
            "1000000000000 members",
        ),
        ({"na.g": [1.0]}, {"design": "all"}, "design = 'all'"),
        ({"na.g": [1.0]}, {"batch_size": 0}, "batch_size = 0"),
        ({"na.g": [1.0]}, {"dt": -1.0}, "dt = -1"),
        ({"na.g": ["a"]}, {}, "array of numbers"),
        ({"na.g": [True]}, {}, "array of numbers"),
        ([1.0], {}, "vary = .* must map paths"),
        ({"na.g": [1.0]}, {"mesh": 2}, "mesh = 2"),
        ({"na.g": [1.0]}, {"record": "v"}, "record = 'v' is not allowed in a sweep without a function"),
        ({"na.g": [1.0]}, {"ts": [1.0], "reduce": REDUCE}, "ts = .* without a function"),
        ({"na.g": [1.0]}, {"reduce": 3}, "reduce = 3"),
        ({"na.g": [1.0]}, {"reduce": {}}, "reduce gave {}"),
        ({"na.g": [1.0]}, {"reduce": {"v": "mean"}}, r"reduce\['v'\] = 'mean'"),
        ({"na.g": [1.0]}, {"reduce": lambda sol: sol.v}, "must give arrays by name"),
        ({"na.g": [1.0]}, {"reduce": lambda sol: {"v": None}}, "reduce gave v = None"),
        ({"na.g": [1.0]}, {"reduce": lambda sol: {"v": {"first": sol.v[0]}}}, "reduce gave v = "),
        ({"na.g": [1.0]}, {"reduce": lambda sol: {1: sol.v}}, "reduce gave 1"),
        ({"na.g": [1.0]}, {"reduce": lambda sol: {"status": sol.v}}, "other than 'status'"),
        ({"na.g": [1.0]}, {"reduce": lambda sol: {"na.g": sol.v}}, "na.g is varied"),
        (
            {"na.g": np.ones(10**6)},
            {"reduce": lambda sol: {"v": jnp.ones(10**6)}},
            r"8e\+03 GB .* must fit into memory",
        ),
    ],
)
def test_refused(hh, vary, options, message):
    with pytest.raises(ValueError, match=message):
        nd.sweep(hh, STIMULUS, T1, vary, **options)


def test_an_unknown_option_is_refused(hh):
    with pytest.raises(TypeError, match="recrod"):
        nd.sweep(hh, STIMULUS, T1, {"na.g": [1.0]}, recrod="v")


def test_refused_without_anything_to_keep(hh):
    with pytest.raises(ValueError, match="reduce = None is not allowed for Clamped"):
        nd.sweep(nd.Clamped(hh), STIMULUS, T1, {"holding": [-65.0]})


# Members ------------------------------------------------------------------------------------------------------------------------


def test_whole_numbers_are_values(hh, many):
    one = nd.sweep(hh, STIMULUS, T1, {"na.g": [80, 160], "stimulus.amplitude": range(5, 21, 15)}, reduce=REDUCE)
    np.testing.assert_array_equal(one["mean"], many["mean"][[0, 299]])


@pytest.mark.parametrize("count", [1, 127, 129, 257])
def test_padding_never_shows(hh, many, count):
    vary = {path: x[:count] for path, x in _vary(300).items()}
    some = nd.sweep(hh, STIMULUS, T1, vary, reduce=REDUCE, batch_size=128)
    assert len(some) == some.status.size == count
    np.testing.assert_array_equal(some["mean"], many["mean"][:count])


def test_a_member_that_fails_while_it_runs(hh):
    # Both values are allowed; their quotient is infinite.
    vary = _vary(300) | {"capacitance": np.ones(300)}
    clean = nd.sweep(hh, STIMULUS, T1, vary, reduce=REDUCE)
    vary["stimulus.amplitude"][17], vary["capacitance"][17] = 1e308, 0.01
    bad = nd.sweep(hh, STIMULUS, T1, vary, reduce=REDUCE)
    assert [(member.index, member.status) for member in bad.failed] == [(17, nd.Status.non_finite)]
    keep = np.delete(np.arange(300), 17)
    np.testing.assert_array_equal(bad["mean"][keep], clean["mean"][keep])


def test_members_whose_parameters_contradict_each_other():
    # A reset above the threshold: the unit would fire without end, and every row would look well.
    model = nd.LIF()
    reset = np.linspace(-70.0, -60.0, 200)
    reset[[3, 150, 151]] = 10.0
    swept = nd.sweep(model, STIMULUS, T1, {"reset": reset})
    assert [(m.index, m.status) for m in swept.failed] == [(i, nd.Status.invalid_parameter) for i in (3, 150, 151)]
    wrong = nd.sweep(model, STIMULUS, T1, {"reset": [0.0, -70.0], "threshold": [10.0, -75.0]})
    assert [m.index for m in wrong.failed] == [1]


class Picky(nd.AbstractNeuron):
    """A model whose own check was written with one member in mind."""

    low: jax.Array = nd.parameter(1.0)
    high: jax.Array = nd.parameter(2.0)

    def __check_init__(self):
        if not eqx.is_array(self.low) or self.low > self.high:
            raise ValueError("low is above high")

    def init(self):
        return {"v": jnp.zeros_like(self.low)}

    def dynamics(self, t, y, drive):
        return nd.Linearised({"v": self.low - y["v"]}, {"v": jnp.ones_like(self.low)})

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"v": 0}


def test_a_check_that_takes_one_member_at_a_time():
    swept = nd.sweep(Picky(), STIMULUS, T1, {"low": [0.5, 3.0, 1.5]})
    assert [m.index for m in swept.failed] == [1]
    np.testing.assert_allclose(swept["v"][[0, 2]], np.asarray([0.5, 1.5]) * (1 - np.exp(-T1)), rtol=1e-6)


# Interrupted --------------------------------------------------------------------------------------------------------------------


def _interrupting_after(members):
    def progress(done, count):
        if done >= members:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_sweep_keeps_what_is_done(hh, many, tmp_path):
    swept = nd.sweep(hh, STIMULUS, T1, _vary(300), reduce=REDUCE, batch_size=128, progress=_interrupting_after(128))
    assert "172 not run" in repr(swept) and swept.failed == []
    np.testing.assert_array_equal(swept.not_run, np.arange(128, 300))
    for name in many.outputs:
        np.testing.assert_array_equal(swept[name][:128], many[name][:128])
    assert np.isnan(swept["mean"][128:]).all() and (swept["count"][128:] == -1).all()
    swept.save(tmp_path / "part.npz")
    assert nd.SweepResult.load(tmp_path / "part.npz").not_run.size == 172


def test_an_interrupt_before_anything_is_done_is_raised(hh, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["neurodyn._sweep.sweep"], "store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nd.sweep(hh, STIMULUS, T1, _vary(300), reduce=REDUCE)


def test_a_broken_progress_function_costs_nothing(hh, many):
    def broken(done, count):
        raise ZeroDivisionError("oh")

    with pytest.warns(UserWarning, match="progress raised ZeroDivisionError: oh") as warned:
        swept = nd.sweep(hh, STIMULUS, T1, _vary(300), reduce=REDUCE, batch_size=128, progress=broken)
    assert len(warned) == 1
    np.testing.assert_array_equal(swept["mean"], many["mean"])


# Devices and processes ----------------------------------------------------------------------------------------------------------


def _worker(*arguments):
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    return subprocess.Popen([sys.executable, str(WORKER), *map(str, arguments)], env=environment)


@pytest.fixture(scope="module")
def single_device(tmp_path_factory):
    output = tmp_path_factory.mktemp("sweep") / "one"
    assert _worker(output, 1).wait(120) == 0
    return nd.SweepResult.load(f"{output}0.npz")


def _same(one, other):
    for name in one.outputs:
        np.testing.assert_array_equal(one[name], other[name])
    np.testing.assert_array_equal(one.status, other.status)


@pytest.mark.parametrize("devices", [2, 8])
def test_devices_change_nothing(single_device, tmp_path, devices):
    assert _worker(tmp_path / "many", devices).wait(120) == 0
    _same(nd.SweepResult.load(tmp_path / "many0.npz"), single_device)


def test_two_processes_change_nothing(single_device, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers = [_worker(tmp_path / "part", 1, port, rank, 2) for rank in range(2)]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    for rank in range(2):
        _same(nd.SweepResult.load(tmp_path / f"part{rank}.npz"), single_device)
