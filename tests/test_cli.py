"""The command: exit codes, messages, results, and nothing half-written."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import neurodyn as nd
from neurodyn.cli import main
from neurodyn.cli.main import TEMPLATES
from neurodyn.cli.measure import crossings, fit_passive, onset
from neurodyn.fitting.search import Descent, Evolution


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    """The command in a process of its own."""
    environment = {**os.environ, **options.pop("env", {})}
    call = [sys.executable, "-c", "import sys; from neurodyn.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(call, capture_output=True, text=True, env=environment, timeout=120, **options)


def test_help_needs_no_jax():
    code = "import sys; from neurodyn.cli import main; code = main(['--help']); assert 'jax' not in sys.modules; sys.exit(code)"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "usage: neurodyn" in done.stdout, done.stderr
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "usage: neurodyn"),
        (["--version"], 0, f"neurodyn {nd.__version__}"),
        (["fit", "--help"], 0, "CONFIG.toml"),
        (["fitt"], 2, "invalid choice: 'fitt'"),
        (["fit"], 2, "required: CONFIG.toml|RECORDING"),
        (["fit", "--forc", "x.toml"], 2, "unrecognized arguments: --forc"),
        (["demo", "--seed", "-1"], 2, "invalid whole number from 0 to 4294967295 value"),
        (["fit", "/nowhere/x.toml"], 2, "error: /nowhere/x.toml: cannot be read (No such file or directory)"),
        (
            ["fit", "x.abf"],
            2,
            "error: x.abf: is a recording, which needs --template, one of regular_spiking, fast_spiking,",
        ),
        (["fit", "x.abf", "--template", "pyramidal"], 2, "invalid choice: 'pyramidal'"),
        (["fit", "x.toml", "--template", "fast_spiking"], 2, 'a template by template = "fast_spiking" in [model]'),
        (["fit", "x.toml", "--seed", "3"], 2, "--seed goes with --template; a configuration has fit.seed"),
        (
            ["fit", "/nowhere/x.npz", "--template", "fast_spiking"],
            3,
            "error: /nowhere/x.npz: cannot be read (No such file",
        ),
        (["fit", "/", "--template", "fast_spiking"], 3, "error: /: has the suffix '', must be one of .abf"),
        (["fit", "/"], 2, "error: /: is a directory, must be a file"),
    ],
)
def test_usage(capsys, arguments, code, says):
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert says in captured.out + captured.err


@pytest.mark.parametrize("env", [{"COLUMNS": "1"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"TERM": ""}])
def test_odd_terminals(env):
    done = command("fit", "ö\x1b[31m.toml", env=env, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "\x1b" not in done.stderr
    assert command("--help", env=env).returncode == 0


def test_reader_that_goes_away():
    call = f"{sys.executable} -c 'import sys; from neurodyn.cli import main; sys.exit(main([\"info\"]))' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", call], capture_output=True, text=True)
    assert done.stdout.strip() == "0" and done.stderr == ""
    done = subprocess.run(["bash", "-c", call.replace("| true", ">&- 2>&-")], capture_output=True, text=True)
    assert done.stdout.strip() == "0"


def test_info(capsys):
    assert main(["info"]) == 0
    said = capsys.readouterr().out
    for word in ("neurodyn", "python", "jax", "equinox", "diffrax", "optax", "devices", "precision", "extra io"):
        assert any(line.startswith(word) for line in said.splitlines()), word


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with synthetic recordings in every plain format: 60 ms of a Hodgkin-Huxley neuron under a step."""
    folder = tmp_path_factory.mktemp("data")
    run = nd.simulate(nd.HodgkinHuxley(), nd.Step(10.0, start=5.0, stop=40.0), 60.0, dt=0.05)
    times, v = 0.05 * np.arange(1201), np.asarray(run.v)
    current = np.where((times >= 5) & (times < 40), 10.0, 0.0)
    table = np.stack([times, current, v], 1)
    np.savetxt(folder / "rec.csv", table, "%.6f", ",", header="time_ms,current_uA/cm2,voltage_mV", comments="")
    np.savetxt(folder / "pa.csv", table, "%.6f", ",", header="time_ms,current_pA,voltage_mV", comments="")
    bad = table.copy()
    bad[7, 2] = np.nan
    np.savetxt(folder / "nan.csv", bad, "%.6f", ",", header="time_ms,current_uA/cm2,voltage_mV", comments="")
    name = {"current_uA/cm2": np.stack([current, current]), "voltage_mV": np.stack([v, v])}
    np.savez(folder / "rec.npz", dt_ms=0.05, **name)
    spikes = np.asarray(run.spikes.times)
    np.savetxt(folder / "spikes.csv", spikes[np.isfinite(spikes)], "%.6f", header="spike_time_ms", comments="")
    return folder


MODEL = '[model]\ntype = "HodgkinHuxley"\n[model.set]\n"na.g" = 100.0\n'
RECORDING = '[recording]\nfile = "rec.csv"\nwindow = [0, 25]\nscore = [4, 25]\nholdout = [25, 60]\n'
FIT = '[fit]\ntrainable = ["na.g", "leak.g"]\nsteps = 2\nstarts = 2\nprecision = "float64"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def fit(data: Path, tmp_path: Path, text: str, *more: str, analysis: bool = False) -> tuple[int, Path]:
    output = tmp_path / "out"
    asked = [] if analysis else ["--no-analysis"]
    return main(["fit", str(write(data, text)), "--output", str(output), *asked, *more]), output


def test_voltage_fit(data, tmp_path, capsys):
    precision = jax.config.read("jax_enable_x64")
    text = MODEL + RECORDING + FIT + "coupling = [0.5, 0.0]\nsubsteps = 2\n"
    code, output = fit(data, tmp_path, text, analysis=True)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert sorted(p.name for p in output.iterdir()) == ["figure.png", "parameters.json", "report.json", "run"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    report = json.loads((output / "report.json").read_text())
    assert report["precision"] == "float64" and report["inputs"]["rec.csv"]["sha256"]
    assert report["parameters"]["na.g"]["before"] == 100.0 and report["parameters"]["na.g"]["unit"] == "mS/cm2"
    row = report["holdout"]["sweeps"][0]
    assert row["spike_count"]["data"] == 1 and row["stimulus_onset_ms"] == pytest.approx(40.0)
    row = report["fitted"]["sweeps"][0]
    assert row["stimulus_onset_ms"] == pytest.approx(5.0)
    assert row["spike_count"] == {"data": 2, "model": 2}
    assert row["first_spike_latency_ms"]["data"] == pytest.approx(row["first_spike_latency_ms"]["model"], abs=1.0)
    pooled = report["fitted"]["pooled_voltage_rms_mV"]
    assert pooled["model"] < pooled["passive"]
    model = nd.load(output / "parameters.json")
    assert float(model.na.g) == report["parameters"]["na.g"]["after"]
    assert "written to" in captured.out and "step/s" not in captured.err
    known, gradient = report["determined"], report["gradient"]
    assert (known["rank"], known["of"], known["null_directions"], known["undetermined"]) == (2, 2, [], [])
    exact = nd.fitting.uncertainty(_task(data, model))
    for name, sd in zip(exact.names, exact.sd, strict=True):
        assert known["standard_deviations"][name]["sd"] == pytest.approx(sd, rel=1e-6)
    assert len(known["sloppy_directions"]) == 2 and "VoltageTrace noise 1" in known["assumed_noise"]
    assert gradient["starts"] == {"of": 2, "silent": [], "broken": []} and gradient["first_non_finite"] is None
    assert set(gradient["by_parameter"]) == {"na.g", "leak.g"} and len(gradient["objectives"]) == 1
    assert len(gradient["objectives"][0]["largest_by_drive_per_ms"]["size"]) == 10
    assert "what the data determine" in captured.out and "2 of 2 directions determined" in captured.out
    assert "starts without a gradient: 0 of 2" in captured.out
    assert jax.config.read("jax_enable_x64") == precision


def _task(data: Path, model) -> nd.fitting.Task:
    """The experiment of `test_voltage_fit`, by hand."""
    table = np.loadtxt(data / "rec.csv", delimiter=",", skiprows=1)
    stimulus, v = nd.Samples(jax.numpy.asarray(table[:, 1]), 0.05), table[:501, 2]
    trace = nd.fitting.VoltageTrace(stimulus, v, 0.05, window=(4.0, 25.0), substeps=2)
    return nd.fitting.Task.of(model, trace, ["na.g", "leak.g"])


@pytest.mark.parametrize(("way", "says"), [("flag", "as asked for"), ("file", "as asked for"), ("fault", "")])
def test_a_fit_without_an_analysis(data, tmp_path, capsys, monkeypatch, way, says):
    """Left out, by either way; and one that fails becomes a sentence of the report of a fit that is done."""

    def fails(*_, **__):
        raise MemoryError("no room\nat all")

    def wrong(*_, **__):
        raise ValueError("the derivative is not finite")

    monkeypatch.setattr("neurodyn.cli.analysis.uncertainty", wrong)
    monkeypatch.setattr("neurodyn.cli.analysis.gradient_health", fails)
    text = MODEL + RECORDING + FIT + ("[output]\nanalysis = false\n" if way == "file" else "")
    code, output = fit(data, tmp_path, text, analysis=way != "flag")
    said = capsys.readouterr()
    assert code == 0, said.err
    report = json.loads((output / "report.json").read_text())
    if way == "fault":
        assert report["determined"] == {"failed": "the derivative is not finite"}
        assert report["gradient"] == {"failed": "MemoryError: no room"}
        assert "not worked out: the derivative is not finite" in said.out
    else:
        assert report["determined"] == report["gradient"] == {"left_out": says}
        assert "what the data determine" not in said.out


def test_existing_output(data, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    code, output = fit(data, tmp_path, MODEL + RECORDING + FIT)
    assert code == 2 and "out: exists; choose another folder by --output, or pass --force" in capsys.readouterr().err
    code, output = fit(data, tmp_path, MODEL + RECORDING + FIT, "--force")
    assert code == 0
    assert sorted(p.name for p in output.iterdir()) == ["figure.png", "mine", "parameters.json", "report.json", "run"]


def test_spike_fit(data, tmp_path):
    text = MODEL + '[stimulus]\ntype = "Step"\namplitude = 10\nstart = 5\nstop = 40\n'
    text += '[target]\nspikes = "spikes.csv"\nwindow = [0, 30]\nholdout = [30, 60]\n'
    code, output = fit(data, tmp_path, text + FIT + "tau = [10, 5]\ndt = 0.05\n")
    assert code == 0
    report = json.loads((output / "report.json").read_text())
    assert report["passive"] is None and report["fitted"]["pooled_voltage_rms_mV"] is None
    assert report["fitted"]["sweeps"][0]["spike_count"]["data"] == 2


def test_npz_and_stimulus_file(data, tmp_path):
    recording = '[recording]\nfile = "rec.npz"\nsweeps = [1]\nwindow = [0, 20]\n'
    assert fit(data, tmp_path / "a", MODEL + recording + FIT)[0] == 0
    text = MODEL + '[stimulus]\nfile = "rec.csv"\n[target]\nvoltage = "rec.csv"\nwindow = [0, 20]\n'
    code, output = fit(data, tmp_path / "b", text + FIT)
    assert code == 0
    assert json.loads((output / "report.json").read_text())["holdout"] is None


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (MODEL + RECORDING + FIT + "stpes = 1\n", 2, "fit.stpes = 1: unknown key; did you mean 'steps'?"),
        (MODEL.replace("100.0", "-1") + RECORDING + FIT, 2, "model.set: na.g = -1 mS/cm2 is not allowed: must be finite and >= 0"),
        (MODEL.replace("na.g", "na.q") + RECORDING + FIT, 2, "model.set: no parameter matches 'na.q'; did you mean 'na.g'"),
        (MODEL + RECORDING + FIT.replace("leak.g", "leek.g"), 2, "fit.trainable: no parameter matches 'leek.g'; did you mean 'leak.g'"),
        (MODEL + RECORDING + FIT + "[fit.bounds]\n'na.g' = [150, 200]\n", 2, "fit.bounds: bounds['na.g'] = (150, 200) mS/cm2"),
        (MODEL + RECORDING + FIT + "[fit.bounds]\n'na.e' = [40, 60]\n", 2, "fit.bounds: no trained parameter matches 'na.e'"),
        (MODEL + RECORDING + FIT + "nuisance = ['*.basline']\n", 2, "fit.nuisance: no parameter of an objective matches 'objectives.*.basline'"),
        (MODEL + RECORDING + FIT + "halvings = 2\n", 2, "fit: starts = 2 must be divisible by 4 with halvings = 2"),
        (MODEL + RECORDING.replace("60]", "70]") + FIT, 2, "recording.holdout = [25.0, 70.0]: must lie within the recording, 0 to 60 ms"),
        (MODEL + RECORDING + "sweeps = [1]\n" + FIT, 2, "recording.sweeps[0] = 1: rec.csv has sweeps 0 to 0"),
        (MODEL + RECORDING.replace("rec.csv", "../rec.csv") + FIT, 2, "must not lead out of the configuration's folder"),
        (MODEL + RECORDING.replace("rec.csv", "pa.csv") + FIT, 2, 'set model.units = "absolute" and model.area (um2)'),
        (MODEL + RECORDING.replace("rec.csv", "none.csv") + FIT, 3, "recording.file = 'none.csv': no such file in"),
        (MODEL + RECORDING.replace("rec.csv", "spikes.csv") + FIT, 3, "spikes.csv: has no current"),
        (MODEL + RECORDING.replace("rec.csv", "nan.csv") + FIT, 3, "response of sweep 0 is nan at sample 7 (0.35 ms)"),
        (MODEL + RECORDING.replace("rec.csv", "/dev/zero") + FIT, 3, "/dev/zero: has the suffix ''"),
        (MODEL + RECORDING + FIT + '[output]\ndirectory = "../x"\n', 2, 'output.directory = "../x": must be a folder below'),
    ],
)  # fmt: skip
def test_bad_input(data, tmp_path, capsys, text, code, says):
    before = sorted(data.iterdir())
    arguments = [] if "[output]" in text else ["--output", str(tmp_path / "out")]
    assert main(["fit", str(write(data, text)), *arguments]) == code
    said = capsys.readouterr().err
    assert says in said and said.startswith("error: ") and "Traceback" not in said
    assert list(tmp_path.iterdir()) == [] and sorted({*before, data / "config.toml"}) == sorted(data.iterdir())


def test_nothing_is_left_when_writing_fails(data, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "parameters.json")

    monkeypatch.setattr("neurodyn._serialise.save", full)
    assert fit(data, tmp_path, MODEL + RECORDING + FIT)[0] == 5
    assert "error: parameters.json: No space left on device" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run"]  # the fit itself is not lost
    monkeypatch.undo()
    assert fit(data, tmp_path, MODEL + RECORDING + FIT, "--resume")[0] == 0


def test_a_folder_in_the_way(data, tmp_path, capsys):
    """Found when the fit begins, since a folder of results may exist already."""
    (tmp_path / "out" / "run").mkdir(parents=True)
    (tmp_path / "out" / "run" / "checkpoints").write_text("mine")
    assert fit(data, tmp_path, MODEL + RECORDING + FIT, "--force")[0] == 5
    said = capsys.readouterr().err
    assert said.startswith("error: directory = ") and "cannot be made or written (File exists" in said
    assert said.count("\n") == 1


def test_numerical_failure(data, tmp_path, capsys):
    text = MODEL.replace('"na.g" = 100.0', '"na.g" = 1e306\ncapacitance = 1e-6') + RECORDING + FIT
    assert fit(data, tmp_path, text)[0] == 4
    assert "error: no point of descent has a finite loss and gradient" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_fit_keeps_the_best_and_goes_on(data, tmp_path, capsys, monkeypatch, number, expected):
    step, calls = Descent.step, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), number)
        return step(*arguments)

    text = MODEL + RECORDING + FIT
    monkeypatch.setattr(Descent, "step", interrupted)
    code, output = fit(data, tmp_path, text)
    assert code == expected and "interrupted; the best so far is in" in capsys.readouterr().err
    assert json.loads((output / "report.json").read_text())["reason"].startswith("interrupted by")
    monkeypatch.undo()
    assert fit(data, tmp_path, text)[0] == 2 and "--resume to go on with the fit in it" in capsys.readouterr().err
    assert fit(data, tmp_path, text + "seed = 1\n", "--resume")[0] == 2
    assert "holds another fit" in capsys.readouterr().err
    assert fit(data, tmp_path, text, "--resume")[0] == 0
    assert json.loads((output / "report.json").read_text())["reason"] == "all steps made"
    lines = (output / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == json.loads((output / "report.json").read_text())["steps"]
    assert fit(data, tmp_path, text, "--force")[0] == 0


def test_abf_through_the_data_variable(tmp_path):
    pytest.importorskip("pyabf")
    root = os.environ.get("NEURODYN_DATA")
    if not root or not (Path(root) / "recordings" / "171116sh_0018.abf").exists():
        pytest.skip("NEURODYN_DATA has no 171116sh_0018.abf")
    text = '[model]\ntype = "HodgkinHuxley"\nunits = "absolute"\narea = 20000\n[recording]\n'
    text += 'file = "recordings/171116sh_0018.abf"\nsweeps = [8, 16]\nwindow = [140, 190]\nholdout = [1640, 1690]\n'
    code, output = fit(tmp_path, tmp_path, text + FIT.replace("float64", "float32"))
    assert code == 0
    report = json.loads((output / "report.json").read_text())
    assert [row["spike_count"]["data"] for row in report["fitted"]["sweeps"]] == [0, 2]
    assert report["fitted"]["sweeps"][1]["first_spike_latency_ms"]["data"] == pytest.approx(17.5, abs=0.1)
    assert report["parameters"]["na.g"]["unit"] == "nS" and 30 < report["passive"]["resistance_Mohm"] < 200


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A folder with a recording that a template made: a step at three levels, a test pulse, and the step again."""
    folder = tmp_path_factory.mktemp("recorded")
    cell = nd.templates.adaptive_threshold().scaled(capacitance=150.0, input_resistance=150.0, rest=-64.0).model
    dt, levels = 0.2, (-100.0, 100.0, 250.0)
    times = dt * np.arange(3501)
    at = [(times >= first) & (times < last) for first, last in ((100, 200), (350, 450), (450, 550))]
    commands = np.array([a * (at[0] | at[2]) - 100.0 * at[1] for a in levels])
    run = jax.jit(lambda c: nd.simulate(cell, nd.Samples(c, dt), 700.0, dt=dt, y0="rest", max_spikes=64))
    voltages = []
    for command in commands:
        solution = run(jax.numpy.asarray(command))
        v, spikes = np.array(solution.v), np.asarray(solution.spikes.times)
        v[np.round(spikes[np.isfinite(spikes)] / dt).astype(int)] = 20.0
        voltages.append(v + 0.01 * command)
    np.savez(folder / "cell.npz", dt_ms=dt, current_pA=commands, voltage_mV=np.array(voltages))
    np.savez(folder / "voltage.npz", dt_ms=dt, voltage_mV=np.array(voltages))
    np.savez(folder / "flat.npz", dt_ms=dt, current_pA=0 * commands, voltage_mV=np.array(voltages))
    return folder


TEMPLATE = '[model]\ntemplate = "adaptive_threshold"\n[recording]\nfile = "cell.npz"\n'
SEARCH = "[fit]\ncandidates = 8\nstarts = 4\nevolution = 2\n"


@pytest.mark.slow
@pytest.mark.parametrize("analysis", [False, True])
def test_template_fit(recorded, tmp_path, capsys, monkeypatch, analysis):
    pytest.importorskip("cma")
    step, calls = Evolution.step, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(Evolution, "step", interrupted)
    code, output = fit(recorded, tmp_path, TEMPLATE + SEARCH)
    captured = capsys.readouterr()
    assert code == 143 and "interrupted; the best so far is in" in captured.err
    rows = [line.split() for line in captured.out.splitlines()]
    assert "450 to 550 3 from -100 to 250 3 held out".split() in rows and ["held", "out"] in rows
    assert "input resistance, steady" in captured.out
    monkeypatch.undo()
    assert fit(recorded, tmp_path, TEMPLATE + SEARCH)[0] == 2
    assert "--resume to go on with the fit in it" in capsys.readouterr().err
    code, output = fit(recorded, tmp_path, TEMPLATE + SEARCH, "--resume", analysis=analysis)
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert sorted(p.name for p in output.iterdir()) == ["figure.png", "parameters.json", "report.json", "run"]
    report = json.loads((output / "report.json").read_text())
    assert report["template"] == "adaptive_threshold" and report["reason"] == "all steps made"
    assert report["inputs"]["cell.npz"]["sha256"] and report["precision"] == "float32"
    assert [len(report[part]["steps"]) for part in ("fitted", "holdout")] == [3, 3]
    assert report["passive"]["data"]["series_resistance"] == pytest.approx(10.0, abs=3.0)
    if analysis:
        determined = report["determined"]  # with exact resets, although the fit had them at the ends of steps
        assert determined["by"].startswith("curvature of the loss") and determined["standard_deviations"] is None
        assert set(determined["change_that_raises_the_loss_by_a_tenth"]) == set(report["parameters"])
        assert report["gradient"]["starts"] is None and len(report["gradient"]["objectives"]) == 6
    model = nd.load(output / "parameters.json", nd.templates.adaptive_threshold().model)
    assert float(model.capacitance) == pytest.approx(report["parameters"]["capacitance"]["after"], rel=1e-6)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (TEMPLATE.replace("adaptive", "adaptiv"), 2, "did you mean 'adaptive_threshold'?"),
        (TEMPLATE.replace("[rec", 'type = "HodgkinHuxley"\n[rec'), 2, 'model.type = "HodgkinHuxley": unknown key; allowed: template'),
        (TEMPLATE + '[fit]\ntrainable = ["*"]\n', 2, "fit.trainable = ['*']: unknown key; allowed: candidates, evolution,"),
        (TEMPLATE + "[fit]\nevolution = 0\n", 2, "fit.evolution = 0: leaves nothing to do without polish, of which adaptive_threshold has none by default"),
        (TEMPLATE + "[fit]\nevolution = 0\npolish = 0\n", 2, "fit.evolution = 0: leaves nothing to do without polish; give one of the two"),
        (TEMPLATE + "[fit]\nstarts = 1\n", 2, "fit.starts = 1: must be >= 4"),
        (TEMPLATE + "sweeps = [0, 3]\n", 2, "recording.sweeps[1] = 3: cell.npz has sweeps 0 to 2"),
        (TEMPLATE + "window = [0, 50]\n", 2, "recording.window = [0.0, 50.0]: ms holds no whole step of these sweeps"),
        (TEMPLATE + "window = [90, 500]\nholdout = [90, 210]\n", 2, "hold_out: the step at 100 ms of sweep 0 is not allowed: it is in train too"),
        (TEMPLATE.replace("cell", "voltage"), 3, "voltage.npz: has no command, so its steps are unknown"),
        (TEMPLATE.replace("cell", "flat"), 3, "flat.npz: has no step to fit, must have one at least"),
        (TEMPLATE + "window = [440, 560]\n", 3, "no step to fit comes from 100 ms or more at the holding level"),
    ],
)  # fmt: skip
def test_bad_template_fit(recorded, tmp_path, capsys, text, code, says):
    assert fit(recorded, tmp_path, text)[0] == code
    said = capsys.readouterr().err
    assert says in said and said.startswith("error: ") and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_templates_are_those_there_are():
    assert set(TEMPLATES) == {
        name for name, item in vars(nd.templates).items() if inspect.isfunction(item) and name != "fit_recording"
    }


def test_measures():
    times = np.arange(6.0)
    np.testing.assert_allclose(crossings(times, np.array([1.0, -1, 1, 3, -1, 0]), 0.0), [1.5])
    assert onset(times, np.array([0.0, 0, 5, 5, 0, 0]), (0.0, 5.0)) == 2.0
    assert onset(times, np.zeros(6), (1.0, 5.0)) == 1.0


def test_passive_fit_recovers_a_passive_membrane():
    dt, current = 0.1, np.where(np.arange(3000) > 500, 100.0, 0.0)
    v, tau, rest, resistance = np.full(3000, -70.0), 12.0, -65.0, 0.08
    for i in range(1, 3000):
        target = rest + resistance * current[i - 1]
        v[i] = target + (v[i - 1] - target) * np.exp(-dt / tau)
    found = fit_passive([current], [v], [np.ones(3000, bool)], dt)
    assert (found.tau, found.rest, found.resistance) == pytest.approx((tau, rest, resistance), rel=2e-2)
    np.testing.assert_allclose(found.simulate(current, -70.0, dt), v, atol=0.05)


def test_onset_of_a_step():
    times = np.arange(0.0, 10.0, 0.5)
    current = np.where((times >= 2.0) & (times < 8.0), 1.0, 0.0)
    assert onset(times, current, (1.0, 9.0)) == 2.0
    assert onset(times, current, (2.0, 8.0)) == 2.0  # the end of the step, on the window's end, is not an onset
    assert onset(times, current, (3.0, 7.0)) == 3.0
