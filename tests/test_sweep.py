"""Sweeps: members, chunks, devices, processes, bad members, results on disk."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
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


def test_saved_and_loaded(hh, many, tmp_path):
    many.save(tmp_path / "sweep.npz")
    again = nd.SweepResult.load(tmp_path / "sweep.npz")
    assert repr(again) == repr(many) and again.attributes == many.attributes and again.units == many.units
    for name in many.outputs:
        np.testing.assert_array_equal(again[name], many[name])
    many.save(tmp_path / "sweep.nc")
    xarray = pytest.importorskip("xarray")
    with xarray.open_dataset(tmp_path / "sweep.nc", engine="h5netcdf") as table:
        np.testing.assert_array_equal(table["mean"], many["mean"])
        assert "neurodyn" in table.attrs["versions"]
    (tmp_path / "bad.npz").write_bytes((tmp_path / "sweep.npz").read_bytes()[:300])
    with pytest.raises(ValueError, match=r"bad.npz is not allowed"):
        nd.SweepResult.load(tmp_path / "bad.npz")


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
    ],
)
def test_refused(hh, vary, options, message):
    with pytest.raises(ValueError, match=message):
        nd.sweep(hh, STIMULUS, T1, vary, **options)


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
