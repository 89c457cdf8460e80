"""Reading recordings: what is read, what is converted, what is refused."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from neurodyn.io import DataError, read, read_abf, read_csv, read_npz


DATA = os.environ.get("NEURODYN_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="NEURODYN_DATA is not set")


def recording(name: str) -> Path:
    pytest.importorskip("pyabf")
    path = Path(DATA or "") / "recordings" / name
    if not path.exists():
        pytest.skip(f"{name} is not under NEURODYN_DATA")
    return path


@needs_data
def test_abf():
    found = read_abf(recording("171116sh_0018.abf"))
    assert (found.sweeps, found.samples, found.dt, found.command_unit, found.response_unit) == (
        17,
        60000,
        0.05,
        "pA",
        "mV",
    )
    levels = [found.command[i, 4000] for i in range(17)]
    np.testing.assert_array_equal(levels, np.arange(-100, 301, 25))
    assert -64 < found.response[8, :2000].mean() < -60


@needs_data
def test_abf_of_a_voltage_clamp():
    found = read_abf(recording("171116sh_0013.abf"))
    assert (found.clamp, found.sweeps, found.command_unit, found.response_unit) == ("voltage", 13, "mV", "pA")
    np.testing.assert_allclose([found.command[0, 0], found.command.min(), found.command.max()], [-70, -110, -50])
    assert -1000 < found.response.min() < -500
    assert found.require("voltage") is found
    with pytest.raises(DataError, match="0013.abf: is a voltage clamp .* must be a current clamp"):
        found.require("current")


@needs_data
def test_reading_abf_leaves_the_print_options_alone():
    pytest.importorskip("pyabf")
    before = np.get_printoptions()
    read_abf(recording("171116sh_0018.abf"))
    assert np.get_printoptions() == before


@needs_data
@pytest.mark.parametrize("size", [1, 100, 600, 5000, 100_000, 2_000_000])
def test_abf_cut_short(tmp_path, size):
    path = tmp_path / "cut.abf"
    path.write_bytes(recording("171116sh_0018.abf").read_bytes()[:size])
    with pytest.raises(DataError, match="cut.abf: (is cut short|not a readable ABF file)"):
        read_abf(path)


@needs_data
def test_abf_without_that_channel():
    with pytest.raises(DataError, match="no channel 3, must be 0 to 0"):
        read_abf(recording("171116sh_0018.abf"), channel=3)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.csv"
    path.write_text(text)
    return path


def test_csv(tmp_path):
    found = read_csv(write(tmp_path, "time_ms,current_nA,voltage_V\n5,0.1,-0.065\n5.1,0.2,-0.064\n\n5.2,0,-0.066\n"))
    assert (found.dt, found.start, found.command_unit) == (0.1, 5.0, "pA")
    np.testing.assert_allclose(found.command, [[100, 200, 0]])
    np.testing.assert_allclose(found.response, [[-65, -64, -66]])
    assert [note.split(": ")[1] for note in found.notes] == [
        "command converted from nA to pA",
        "response converted from V to mV",
    ]


def test_csv_of_spikes(tmp_path):
    np.testing.assert_array_equal(read_csv(write(tmp_path, "spike_time_ms\n3.5\n7\n")).spikes, [3.5, 7.0])


HEAD = "time_ms,current_pA,voltage_mV\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (HEAD, "no samples"),
        (HEAD + "0,1,-65\n", "has 1 samples"),
        (HEAD + "0,1,-65\n1,1\n", "line 3 has 2 columns, must have 3"),
        (HEAD + "0,1,-65\n1,one,-65\n", "line 3: could not convert"),
        (HEAD + "0,1,-65\n1,1,nan\n2,1,-65\n", r"response of sweep 0 is nan at sample 1 \(1 ms\), must be finite"),
        (HEAD + "0,1,-65\n1,1e400,-65\n", "command of sweep 0 is inf at sample 1"),
        (HEAD + "0,1,-65\n0,1,-65\n", "sampling interval is 0 ms, must be > 0"),
        (
            HEAD + "0,1,-65\n1,1,-65\n3,1,-65\n4,1,-65\n5,1,-65\n",
            "sample 2 comes 2 ms after the one before, most come 1 ms",
        ),
        (HEAD + "nan,1,-65\n1,1,-65\n", "time of sample 0 is nan"),
        (HEAD + "0,1,-0.065\n1,1,-0.06\n", "seems to be in V"),
        (HEAD + "0,1,-65000\n1,1,-60000\n", "reaches 65000 mV"),
        ("time_ms,current_mV,voltage_mV\n0,1,-65\n1,1,-65\n", "command is in 'mV', must be a current in pA"),
        ("time_ms,current_pA,voltage_pA\n0,1,-65\n1,1,-65\n", "response is in 'pA', must be a voltage in mV"),
        ("time_ms,current\n0,1\n1,1\n", "column 'current' is not allowed"),
        ("time_ms,voltage_mV,voltage_mV\n0,1,1\n1,1,1\n", "appears twice"),
        ("t,i\n0,1\n", "its first column is 't'"),
        ("time_ms\n0\n1\n", "neither current nor voltage"),
        ("spike_time_ms\n5\n5\n", "spike time 1 is 5 ms, must be later"),
        ("spike_time_ms\nnan\n", "spike time 0 is nan"),
    ],
)
def test_csv_refused(tmp_path, text, reason):
    with pytest.raises(DataError, match=rf"x\.csv: .*{reason}"):
        read_csv(write(tmp_path, text))


def test_csv_that_is_not_text(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe\x00t\x00i")
    with pytest.raises(DataError, match="not a CSV file in UTF-8"):
        read_csv(path)


def test_npz(tmp_path):
    path = tmp_path / "x.npz"
    v = np.linspace(-70, -60, 8, dtype=np.float32).reshape(2, 4)
    np.savez(path, dt_ms=0.5, current_pA=np.asfortranarray(np.ones((2, 4))), voltage_mV=v, spike_time_ms=[1.0, 2.0])
    found = read_npz(path)
    assert (found.sweeps, found.samples, found.dt, found.stop) == (2, 4, 0.5, 1.5)
    np.testing.assert_array_equal(found.response, v)
    np.testing.assert_array_equal(found.spikes, [1, 2])


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        (dict(current_pA=np.ones(4)), "has no dt_ms"),
        (dict(dt_ms=0.1), "neither current, voltage nor spike times"),
        (dict(dt_ms=0.0, current_pA=np.ones(4)), "sampling interval is 0 ms"),
        (dict(dt_ms=np.nan, current_pA=np.ones(4)), "dt_ms of shape"),
        (dict(dt_ms=0.1, current_pA=np.ones(4), voltage_mV=-np.ones(3)), "differ in shape"),
        (dict(dt_ms=0.1, current_pA=np.array(["a", "b"])), "must be real numbers"),
        (dict(dt_ms=0.1, other=np.ones(4)), "array 'other' is not allowed"),
        (dict(dt_ms=0.1, current_pA=np.ones((2, 2, 2))), r"must be \(sweeps, samples\)"),
    ],
)
def test_npz_refused(tmp_path, arrays, reason):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=rf"x\.npz: .*{reason}"):
        read_npz(tmp_path / "x.npz")


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_npz_is_never_unpickled(tmp_path):
    path, canary = tmp_path / "x.npz", tmp_path / "canary"
    np.savez(path, dt_ms=0.1, current_pA=np.array([Canary(canary)], dtype=object))
    with pytest.raises(DataError, match="must be real numbers"):
        read_npz(path)
    path.write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(DataError, match="not a readable NPZ file"):
        read_npz(path)
    assert not canary.exists()


def npz_with_header(path: Path, header: str, data: bytes) -> None:
    text = header.encode() + b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("current_pA.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }", "announces 100000000000 values"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "announces|not a readable"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "must be real numbers"),
        ("__import__('os').system('true')", "not a readable NPZ file"),
    ],
)
def test_npz_that_lies(tmp_path, header, reason):
    npz_with_header(tmp_path / "x.npz", header, bytes(64))
    with pytest.raises(DataError, match=reason):
        read_npz(tmp_path / "x.npz")


def test_npz_bomb_and_truncation(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, dt_ms=0.1, current_pA=np.zeros(100_000))
    monkeypatch.setattr("neurodyn.io.npz.LIMIT", 10_000)
    with pytest.raises(DataError, match="unpacks to 800"):
        read_npz(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a readable NPZ file"):
        read_npz(path)


def test_what_is_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "empty.abf").touch()
    for name, reason in {
        "pipe.csv": "is a device or a pipe",
        "folder.npz": "is a directory",
        "zero.csv": "is a device or a pipe",
        "empty.abf": "is empty",
        "none.csv": "No such file",
        "x\0.csv": "null byte",
        "x.pkl": "has the suffix '.pkl', must be one of .abf, .csv, .npz, .nwb",
    }.items():
        with pytest.raises(DataError, match=reason):
            read(tmp_path / name)
