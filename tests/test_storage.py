"""Fits that outlast their process: checkpoints, resuming, signals, locks and what happens when a file is damaged."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

import neurodyn as nd
from neurodyn.fitting import VoltageTrace
from neurodyn.fitting.storage import RunDirectoryError, directory as storage
from neurodyn.fitting.storage.checkpoint import CheckpointError, read_checkpoint, write_checkpoint


DRIVE = nd.Step(12.0, 1.0)
T1 = 8.0
OPTIONS = dict(
    trainable=["na.g", "k.n.shift"],
    key=jax.random.key(0),
    steps=7,
    starts=4,
    candidates=8,
    halvings=1,
    polish=6,
    polish_starts=2,
    check_rank=False,
    checkpoint_every=1,
)


@pytest.fixture(scope="module")
def trace(hh):
    run = nd.simulate(nd.replace(hh, {"na.g": 100.0, "k.n.shift": 2.0}), DRIVE, T1)
    return VoltageTrace(DRIVE, np.asarray(run.v), 0.025, y0=None)


@pytest.fixture(scope="module")
def whole(hh, trace):
    """The fit without any interruption."""
    return nd.fit(hh, trace, **OPTIONS)


def fit(hh, trace, folder, **options):
    return nd.fit(hh, trace, **{**OPTIONS, "directory": folder, **options})


def assert_same(one, other):
    assert one.loss == other.loss
    for path, values in one.values.items():
        np.testing.assert_array_equal(values, other.values[path])
    np.testing.assert_array_equal(one.history.loss, other.history.loss)


class _Interrupt:
    """A callback that ends the fit, or raises, after so many steps of all phases."""

    def __init__(self, after: int, how=None):
        self.left, self.how = after, how

    def __call__(self, progress):
        self.left -= 1
        if self.left == 0 and self.how is not None:
            self.how()
        return self.left == 0 and self.how is None


@pytest.mark.parametrize("after", [1, 2, 4, 8, 9, 10, 13])
def test_a_fit_goes_on_to_the_same_parameters_bit_by_bit(hh, trace, whole, tmp_path, after):
    """Wherever it was left: in the screen, before and after the halving, in the polish."""
    part = fit(hh, trace, tmp_path / "run", callback=_Interrupt(after))
    assert "stopped by the callback" in part.reason
    assert_same(fit(hh, trace, tmp_path / "run", resume=True), whole)


def test_a_fit_that_is_done_is_read_back(hh, trace, whole, tmp_path):
    assert_same(fit(hh, trace, tmp_path / "run"), whole)
    seen = []
    again = fit(hh, trace, tmp_path / "run", resume=True, callback=seen.append)
    assert_same(again, whole)
    assert not seen and again.seconds > 0


def test_a_fit_that_was_good_enough_makes_no_other_attempt(hh, trace, tmp_path):
    whole = fit(hh, trace, tmp_path / "run", attempts=2, stop_below=1e9)
    seen = []
    again = fit(hh, trace, tmp_path / "run", attempts=2, stop_below=1e9, resume=True, callback=seen.append)
    assert_same(again, whole)
    assert not seen and again.reason == whole.reason


def _ask(number):
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_fit_after_its_step_with_a_checkpoint(hh, trace, whole, tmp_path, number):
    before = signal.getsignal(number)
    part = fit(hh, trace, tmp_path / "run", checkpoint_every=1000, callback=_Interrupt(5, _ask(number)))
    assert part.reason == f"interrupted by {signal.Signals(number).name} after step 3 of descent"
    assert signal.getsignal(number) is before
    assert_same(fit(hh, trace, tmp_path / "run", resume=True), whole)


def test_the_log_has_a_line_per_step_and_none_twice(hh, trace, whole, tmp_path):
    fit(hh, trace, tmp_path / "run", callback=_Interrupt(6), checkpoint_every=4)
    fit(hh, trace, tmp_path / "run", resume=True, checkpoint_every=4)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = [(line["phase"], line["step"]) for line in lines]
    assert len(set(steps)) == len(steps)
    assert steps[:9] == [("screen", 1), ("screen", 2), *(("descent", i) for i in range(1, 8))]
    assert lines[4]["loss"] == np.nanmin(whole.history.loss[2])


@pytest.mark.parametrize("damage", ["cut", "bit", "junk", "empty", "older version"])
def test_a_damaged_checkpoint_is_passed_over(hh, trace, whole, tmp_path, damage):
    fit(hh, trace, tmp_path / "run", callback=_Interrupt(6))
    kept = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert len(kept) == 2
    content = bytearray(kept[-1].read_bytes())
    if damage == "cut":
        content = content[:-1]
    elif damage == "bit":
        content[len(content) // 2] ^= 1
    elif damage == "junk":
        content += b"x"
    elif damage == "empty":
        content = bytearray()
    else:
        content = content.replace(b"checkpoint-1", b"checkpoint-0", 1)
    kept[-1].write_bytes(content)
    with pytest.warns(UserWarning, match="going back to the one before"):
        assert_same(fit(hh, trace, tmp_path / "run", resume=True), whole)


def test_no_flipped_bit_and_no_truncation_goes_unnoticed(tmp_path):
    path = tmp_path / "0"
    write_checkpoint(path, {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(2, bool), "c": np.asarray(3)}, "f" * 8)
    content = path.read_bytes()
    back = read_checkpoint(path, "f" * 8)
    assert back["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and back["c"].shape == () and back["b"].dtype == bool
    damaged = [content[:n] for n in range(len(content))]
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        damaged.append(bytes(changed))
    for bad in damaged:
        path.write_bytes(bad)
        with pytest.raises(CheckpointError):
            read_checkpoint(path, "f" * 8)


@pytest.mark.parametrize(
    "change",
    [
        {"trainable": ["na.g"]},
        {"key": jax.random.key(1)},
        {"steps": 8},
        {"bounds": {"na.g": (50.0, 200.0)}},
        {"polish_starts": 1},
    ],
)
def test_another_fit_is_not_gone_on_with(hh, trace, tmp_path, change):
    fit(hh, trace, tmp_path / "run", callback=_Interrupt(1))
    with pytest.raises(ValueError, match="holds another fit"):
        fit(hh, trace, tmp_path / "run", resume=True, **change)
    with pytest.raises(ValueError, match="holds another fit"):
        nd.fit(nd.replace(hh, {"leak.g": 0.31}), trace, **OPTIONS, directory=tmp_path / "run", resume=True)


def test_a_folder_is_not_begun_twice_and_belongs_to_one_process(hh, trace, tmp_path):
    def meanwhile():
        with pytest.raises(ValueError, match=f"is in use by process {os.getpid()} on"):
            fit(hh, trace, tmp_path / "run", resume=True)

    fit(hh, trace, tmp_path / "run", callback=_Interrupt(1, meanwhile))
    with pytest.raises(ValueError, match="pass resume=True"):
        fit(hh, trace, tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_named(hh, trace, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").write_text("in the way")
    for folder, why in (
        (tmp_path / "file" / "run", f"Not a directory: {tmp_path}/file/run/"),
        (tmp_path / "run", f"File exists: {tmp_path}/run/checkpoints"),
    ):
        with pytest.raises(
            RunDirectoryError, match=f"^directory = '{folder}' cannot be made or written .{why}"
        ) as caught:
            fit(hh, trace, folder)
        assert isinstance(caught.value.__cause__, OSError) and "\n" not in str(caught.value)

    def refused(*_):
        raise PermissionError(13, "Permission denied", "lock")

    monkeypatch.setattr(storage, "write_text", refused)
    with pytest.raises(RunDirectoryError, match="cannot be made or written .Permission denied: lock.: give a folder"):
        fit(hh, trace, tmp_path / "new")
    monkeypatch.undo()
    assert "stopped" in fit(hh, trace, tmp_path / "new", callback=_Interrupt(1)).reason  # and holds no lock


def test_a_full_disk_does_not_end_a_fit(hh, trace, whole, tmp_path, monkeypatch):
    made = []

    def write(path, arrays, fingerprint):
        if len(made) == 2:
            raise OSError(28, "No space left on device")
        made.append(path)
        write_checkpoint(path, arrays, fingerprint)

    monkeypatch.setattr(storage, "write_checkpoint", write)
    with pytest.warns(UserWarning, match="cannot take .* bytes .No space left on device.; the fit goes on"):
        assert_same(fit(hh, trace, tmp_path / "run"), whole)
    monkeypatch.undo()
    assert [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())] == [p.name for p in made]
    assert_same(fit(hh, trace, tmp_path / "run", resume=True), whole)


def test_nothing_is_left_behind_without_a_directory(hh, trace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nd.fit(hh, trace, **OPTIONS)
    assert not list(tmp_path.iterdir())


def test_evolution_goes_on_by_being_told_again(hh, trace, tmp_path):
    pytest.importorskip("cma")
    options = dict(steps=0, starts=6, candidates=0, halvings=0, polish=0, evolution=20)
    whole = nd.fit(hh, trace, **{**OPTIONS, **options})
    state = np.random.get_state()[1].copy()
    fit(hh, trace, tmp_path / "run", **options, callback=_Interrupt(3))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # the global generator is nobody's
    assert_same(fit(hh, trace, tmp_path / "run", **options, resume=True), whole)
    assert whole.loss == whole.history.loss.min()  # the best ever seen, although a later generation may have lost it
    assert np.median(whole.history.loss[-1]) < np.median(whole.history.loss[0]) / 2


_PROGRAM = """
import sys, jax, numpy as np
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", sys.argv[2])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
import neurodyn as nd
drive = nd.Step(12.0, 1.0)
hh = nd.HodgkinHuxley()
target = np.asarray(nd.simulate(nd.replace(hh, {"na.g": 100.0, "k.n.shift": 2.0}), drive, 8.0).v)
print("begun", flush=True)
out = nd.fit(hh, nd.fitting.VoltageTrace(drive, target, 0.025, y0=None), trainable=["na.g", "k.n.shift"], key=jax.random.key(0),
    steps=300, starts=4, halvings=1, polish=20, polish_starts=4, check_rank=False, directory=sys.argv[1], checkpoint_every=1, resume=True)
np.save(sys.argv[3], np.array([out.loss, *(np.asarray(p.after) for p in out.parameters)]))
"""


def _start(folder: Path, cache: Path, out: Path) -> subprocess.Popen:
    program = textwrap.dedent(_PROGRAM)
    command = [sys.executable, "-c", program, str(folder), str(cache), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _whole(folder: Path, cache: Path, out: Path) -> float:
    """Let a fit go to its end. **Returns:** how long it took after it had begun, s."""
    process = _start(folder, cache, out)
    assert process.stdout is not None
    process.stdout.readline()  # the fit is about to begin
    began = time.monotonic()
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return time.monotonic() - began


def kill_and_resume(tmp_path: Path, kills: int) -> None:
    """Kill a fit at random times and go on with it, until it has been killed so often and is done; compare with one that was left alone.

    A line of `kills.log` for each kill: how many steps had been logged by then.
    """
    generator = np.random.default_rng(0)
    cache = tmp_path / "cache"
    _whole(tmp_path / "alone", cache, tmp_path / "alone.npy")
    takes = _whole(tmp_path / "again", cache, tmp_path / "again.npy")  # without compilation
    expected = np.load(tmp_path / "alone.npy")
    killed = done = 0
    while killed < kills:
        folder, out = tmp_path / f"run{done}", tmp_path / f"run{done}.npy"
        process = _start(folder, cache, out)
        assert process.stdout is not None
        process.stdout.readline()  # the fit is about to begin
        try:
            process.wait(timeout=generator.uniform(0.0, takes))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
            log = folder / "metrics.jsonl"
            steps = log.read_text().count("\n") if log.exists() else 0
            with open(tmp_path / "kills.log", "a") as file:
                file.write(f"kill {killed} of run {done} after {steps} steps\n")
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors
        if process.returncode == 0:
            np.testing.assert_array_equal(np.load(out), expected)
            done += 1
            takes *= 0.8  # the machine is faster than it was
        else:
            takes *= 1.05
    _whole(tmp_path / f"run{done}", cache, tmp_path / "last.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "last.npy"), expected)


@pytest.mark.slow
def test_killed_many_times(tmp_path):
    """As often as the environment variable NEURODYN_KILLS says, 50 times by default."""
    kill_and_resume(tmp_path, int(os.environ.get("NEURODYN_KILLS", "50")))


@pytest.mark.slow
def test_killed_once(tmp_path):
    kill_and_resume(tmp_path, 1)
