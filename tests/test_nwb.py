"""Recordings in NWB files: what is read, what is converted, what is refused."""

import datetime
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from neurodyn.io import DataError, read, read_nwb


@pytest.fixture(scope="module")
def icephys():
    """`pynwb.icephys`, which warns when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pynwb").icephys


ELECTRODES = ("a", "b")
V, I = np.linspace(-70, -60, 50), np.repeat([0.0, 80.0, 0.0], [20, 20, 10])  # mV, pA


def write_nwb(path: Path, make, icephys) -> Path:
    """What `make(file, electrodes)` puts in."""
    import h5py  # noqa: F401  (so that it is there when pynwb is)
    import pynwb

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        file = pynwb.NWBFile(session_description="d", identifier="i", session_start_time=when)
        device = file.create_device(name="amplifier")
        make(
            file,
            [file.create_icephys_electrode(name=name, description="d", device=device) for name in ELECTRODES],
        )
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)
    return path


def series(kind, name, electrode, data, conversion, number=None, **fields):
    fields = {"rate": 2e4, "gain": 1.0, "starting_time": 3.0, **fields}
    if "timestamps" in fields:
        del fields["rate"], fields["starting_time"]
    return kind(
        name=name,
        data=data,
        electrode=electrode,
        conversion=conversion,
        sweep_number=None if number is None else np.uint32(number),
        **fields,
    )


def current_clamp(file, electrode, number, icephys, v=V, i=I, **fields):
    file.add_acquisition(series(icephys.CurrentClampSeries, f"v{number}", electrode, v, 1e-3, number, **fields))
    if i is not None:
        kind = icephys.CurrentClampStimulusSeries
        file.add_stimulus(series(kind, f"i{number}", electrode, i, 1e-12, number, **fields))


def voltage_clamp(file, electrode, number, icephys):
    file.add_acquisition(series(icephys.VoltageClampSeries, f"v{number}", electrode, I, 1e-12, number))
    file.add_stimulus(series(icephys.VoltageClampStimulusSeries, f"i{number}", electrode, V, 1e-3, number))


def test_nwb_by_sweep_number(tmp_path, icephys):
    def make(file, electrodes):
        for number in (5, 3):
            current_clamp(file, electrodes[0], number, icephys, V + number)

    found = read(write_nwb(tmp_path / "x.nwb", make, icephys))
    assert (found.sweeps, found.samples, found.dt, found.start, found.clamp) == (2, 50, 0.05, 0.0, "current")
    assert (found.command_unit, found.response_unit) == ("pA", "mV")
    np.testing.assert_allclose(found.response, [V + 3, V + 5])
    np.testing.assert_allclose(found.command, [I, I])
    assert any("response multiplied by 0.001, then 0 added (volts)" in note for note in found.notes)
    np.testing.assert_allclose(read_nwb(tmp_path / "x.nwb", sweeps=[5]).response, [V + 5])
    with pytest.raises(DataError, match=r"x\.nwb: has no sweep 4, has 3, 5"):
        read_nwb(tmp_path / "x.nwb", sweeps=[4])


def test_nwb_by_the_table_of_recordings(tmp_path, icephys):
    def make(file, electrodes):
        for k in range(2):
            v = series(icephys.CurrentClampSeries, f"v{k}", electrodes[0], V + k, 1e-3)
            i = series(icephys.CurrentClampStimulusSeries, f"i{k}", electrodes[0], I * (k + 1), 1e-12)
            file.add_intracellular_recording(
                electrode=electrodes[0],
                stimulus=i,
                response=v,
                stimulus_start_index=10,
                stimulus_index_count=30,
                response_start_index=10,
                response_index_count=30,
            )

    found = read_nwb(write_nwb(tmp_path / "x.nwb", make, icephys))
    np.testing.assert_allclose(found.response, [V[10:40], V[10:40] + 1])
    np.testing.assert_allclose(found.command, [I[10:40], 2 * I[10:40]])


def test_nwb_of_whole_numbers_with_offset_and_timestamps(tmp_path, icephys):
    raw = np.arange(50, dtype=np.int16)

    def make(file, electrodes):
        times = 1000.0 + 5e-5 * np.arange(50)
        current_clamp(file, electrodes[0], 0, icephys, raw, None, timestamps=times, offset=-0.07)

    found = read_nwb(write_nwb(tmp_path / "x.nwb", make, icephys))
    assert found.command is None and found.dt == pytest.approx(0.05)
    np.testing.assert_allclose(found.response, [raw - 70.0])
    assert any("multiplied by 0.001, then -0.07 added" in note for note in found.notes)


def test_nwb_of_both_clamps_and_two_electrodes(tmp_path, icephys):
    def make(file, electrodes):
        current_clamp(file, electrodes[0], 0, icephys)
        voltage_clamp(file, electrodes[0], 1, icephys)
        current_clamp(file, electrodes[1], 2, icephys, V + 1)

    path = write_nwb(tmp_path / "x.nwb", make, icephys)
    with pytest.raises(DataError, match=r"x\.nwb: has sweeps of electrode a and b; choose one by electrode="):
        read_nwb(path)
    with pytest.raises(DataError, match="has sweeps of clamp current and voltage; choose one by clamp="):
        read_nwb(path, electrode="a")
    with pytest.raises(DataError, match="has no sweep of electrode 'c', must be one of a, b"):
        read_nwb(path, electrode="c")
    np.testing.assert_allclose(read_nwb(path, electrode="b").response, [V + 1])
    found = read_nwb(path, electrode="a", clamp="voltage")
    assert (found.clamp, found.command_unit, found.response_unit) == ("voltage", "mV", "pA")
    np.testing.assert_allclose(found.response, [I], atol=1e-9)
    np.testing.assert_allclose(found.command, [V])


def change(path: Path, name: str, **attributes):
    import h5py

    with h5py.File(path, "r+") as file:
        file[name].attrs.update(attributes)


def replaced(path: Path, name: str, values, **options):
    import h5py

    with h5py.File(path, "r+") as file:
        kept = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values, **options).attrs.update(kept)


@pytest.fixture
def one_sweep(tmp_path, icephys):
    return write_nwb(tmp_path / "x.nwb", lambda file, e: current_clamp(file, e[0], 0, icephys), icephys)


@pytest.mark.parametrize(
    ("name", "attributes", "reason"),
    [
        (
            "acquisition/v0/starting_time",
            {"rate": 0.0},
            r"/acquisition/v0/data: its rate is 0 Hz, must be finite and > 0",
        ),
        (
            "acquisition/v0/starting_time",
            {"rate": 1e4},
            "sweep 0: the stimulus has 50 samples of 0.05 ms, the response 50",
        ),
        ("acquisition/v0/data", {"conversion": math.nan}, "/acquisition/v0/data: has conversion nan and offset 0"),
        ("acquisition/v0/data", {"conversion": 1.0}, "its voltage reaches 70000 mV"),
        ("acquisition/v0/data", {"conversion": 1e-6}, "seems to be in V"),
        ("acquisition/v0/data", {"unit": "parsec"}, "its response is in 'parsec', must be a voltage"),
    ],
)
def test_nwb_with_odd_attributes(one_sweep, name, attributes, reason):
    change(one_sweep, name, **attributes)
    with pytest.raises(DataError, match=r"x\.nwb: .*" + reason):
        read_nwb(one_sweep)


def test_nwb_in_another_unit_than_the_standard_demands(one_sweep):
    change(one_sweep, "acquisition/v0/data", unit="mV", conversion=1.0)
    np.testing.assert_allclose(read_nwb(one_sweep).response, [V])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones((2, 25)), r"acquisition/v0: .*incorrect shape for data: got \(2, 25\)"),
        (np.ones(40) * -70, "the stimulus has 50 samples of 0.05 ms, the response 40"),
        (np.array([b"x"] * 50), "must be real numbers"),
        (np.where(np.arange(50) == 7, np.nan, -70), "response of sweep 0 is nan at sample 7"),
    ],
)
def test_nwb_with_odd_samples(one_sweep, values, reason):
    replaced(one_sweep, "acquisition/v0/data", values)
    with pytest.raises(DataError, match=r"x\.nwb: .*" + reason):
        read_nwb(one_sweep)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.ones((2, 50)), r"incorrect shape for timestamps: got \(2, 50\)"),
        (5e-5 * np.arange(40), r"its timestamps have shape \(40,\), must be \(50,\)"),
        (5e-5 * np.arange(50) ** 2, "timestamps: samples are not equally spaced"),
        (np.full(50, np.nan), "timestamps: time of sample 0 is nan"),
    ],
)
def test_nwb_with_odd_timestamps(tmp_path, icephys, times, reason):
    def make(file, electrodes):
        current_clamp(file, electrodes[0], 0, icephys, V, None, timestamps=np.arange(50.0))

    path = write_nwb(tmp_path / "x.nwb", make, icephys)
    replaced(path, "acquisition/v0/timestamps", times)
    with pytest.raises(DataError, match=r"x\.nwb: .*acquisition/v0.*: .*" + reason):
        read_nwb(path)


def test_nwb_without_times(one_sweep):
    import h5py

    with h5py.File(one_sweep, "r+") as file:
        del file["acquisition/v0/starting_time"]
    with pytest.raises(DataError, match=r"x\.nwb: "):
        read_nwb(one_sweep)


def test_nwb_whose_sweeps_do_not_match(tmp_path, icephys):
    def make(file, electrodes):
        current_clamp(file, electrodes[0], 0, icephys)
        current_clamp(file, electrodes[0], 1, icephys, V[:30], I[:30])
        current_clamp(file, electrodes[0], 2, icephys, V, None)

    path = write_nwb(tmp_path / "x.nwb", make, icephys)
    with pytest.raises(DataError, match=r"differ between sweeps \(sweep 0: 50 of 0.05 ms .*; sweep 1: 30"):
        read_nwb(path, sweeps=[0, 1])
    with pytest.raises(DataError, match=r"acquisition/v2 \(sweep 2\) has no stimulus, others have; choose by sweeps="):
        read_nwb(path, sweeps=[0, 2])
    assert read_nwb(path, sweeps=[2]).command is None


def test_nwb_of_a_stimulus_that_begins_later(one_sweep):
    replaced(one_sweep, "stimulus/presentation/i0/starting_time", 3.5)
    with pytest.raises(DataError, match="sweep 0: the stimulus begins 500 ms after the response, must be 0"):
        read_nwb(one_sweep)


def test_nwb_without_recordings(tmp_path, icephys):
    path = write_nwb(tmp_path / "x.nwb", lambda file, electrodes: None, icephys)
    with pytest.raises(DataError, match=r"x\.nwb: has no CurrentClampSeries or VoltageClampSeries"):
        read_nwb(path)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.99])
def test_nwb_cut_short(one_sweep, share):
    content = one_sweep.read_bytes()
    one_sweep.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"x\.nwb: not a readable NWB file"):
        read_nwb(one_sweep)


def test_nwb_that_leads_elsewhere_or_unpacks_to_too_much(one_sweep, tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = V
    with h5py.File(one_sweep, "r+") as file:
        kept = dict(file["acquisition/v0/data"].attrs)
        del file["acquisition/v0/data"]
        file["acquisition/v0/data"] = h5py.ExternalLink("other.h5", "secret")
    with pytest.raises(DataError, match="data is a link to another file, 'other.h5'"):
        read_nwb(one_sweep)
    for options, reason in (
        ({"external": [(str(tmp_path / "other.h5"), 0, 400)]}, "has its samples in another file"),
        (
            {"chunks": (1000,)},
            "unpacks to 80000000004[0-9]* bytes, must be at most",
        ),  # never written, so small in the file
    ):
        with h5py.File(one_sweep, "r+") as file:
            del file["acquisition/v0/data"]
            shape = (10**12,) if "chunks" in options else (50,)
            made = file.create_dataset("acquisition/v0/data", shape=shape, dtype="f8", **options)
            made.attrs.update(kept)
        with pytest.raises(DataError, match=reason):
            read_nwb(one_sweep)
