"""The configuration file: what is allowed, and how a fault is told."""

import os
import re

import pytest

from neurodyn.cli.config import ConfigError, load


MODEL = '[model]\ntype = "HodgkinHuxley"\n'
RECORDING = '[recording]\nfile = "x.csv"\n'
FIT = '[fit]\ntrainable = ["*.g"]\n'
STEP = '[stimulus]\ntype = "Step"\namplitude = 10.0\n'
SPIKES = '[target]\nspikes = "s.csv"\n'


def attempt(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    return load(path).content


def test_defaults(tmp_path):
    config = attempt(tmp_path, MODEL + RECORDING + FIT)
    assert config.recording.sweeps == [0]
    assert (config.fit.steps, config.fit.starts, config.fit.precision) == (150, 32, "float32")


def test_what_goes_together_is_allowed(tmp_path):
    text = MODEL + RECORDING + FIT + "steps = 0\npolish = 5\nstarts = 8\nhalvings = 3\nattempts = 2\nstop_below = 1.0\n"
    config = attempt(tmp_path, text + "[output]\nanalysis = false\n")
    assert (config.fit.polish, config.fit.attempts, config.output.analysis) == (5, 2, False)


def test_paths_may_be_written_as_tables(tmp_path):
    config = attempt(
        tmp_path,
        MODEL + "[model.set]\nleak.g = 1\n" + RECORDING + FIT + '[fit.bounds]\nleak.g = [0.1, 2]\n"na.*" = [1, 2]\n',
    )
    assert config.model.set == {"leak.g": 1.0}
    assert config.fit.bounds == {"leak.g": (0.1, 2.0), "na.*": (1.0, 2.0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MODEL + RECORDING + FIT + "stesp = 5\n", "fit.stesp = 5: unknown key; did you mean 'steps'?; allowed: trainable, "),
        (MODEL + RECORDING + FIT + 'steps = "5"\n', 'fit.steps = "5": must be a whole number, not a string; allowed: >= 0'),
        (MODEL + RECORDING + FIT + "steps = true\n", "fit.steps = true: must be a whole number, not a boolean"),
        (MODEL + RECORDING + FIT + "steps = 1.5\n", "fit.steps = 1.5: must be a whole number, not a number"),
        (MODEL + RECORDING + FIT + "steps = -1\n", "fit.steps = -1: must be >= 0; allowed: >= 0 and <= 1e+06"),
        (MODEL + RECORDING + FIT + "learning_rate = nan\n", "fit.learning_rate = nan: must be finite; allowed: > 0 and <= 10"),
        (MODEL + RECORDING + FIT + "learning_rate = '1e-3'\n", 'fit.learning_rate = "1e-3": must be a number, not a string'),
        (MODEL + RECORDING + FIT + "noise = inf\n", "fit.noise = inf: must be finite; allowed: > 0"),
        (MODEL + RECORDING + FIT + "coupling = [1, -1]\n", "fit.coupling[1] = -1: must be >= 0"),
        (MODEL + RECORDING + FIT + "coupling = true\n", "fit.coupling = true: must be a list, not a boolean"),
        (MODEL + RECORDING + FIT + "steps = 1\nsteps = 2\n", "not valid TOML: Cannot overwrite a value (at line 8"),
        (MODEL + RECORDING + FIT + "optimiser = 'adm'\n", "fit.optimiser = \"adm\": must be 'adam', "),
        (MODEL + RECORDING + FIT + "steps = 0\n", "fit: steps = 0 leaves nothing to do without evolution or polish"),
        (MODEL + RECORDING + FIT + "starts = 6\nhalvings = 2\n", "fit: starts = 6 must be divisible by 4 with halvings = 2"),
        (MODEL + RECORDING + FIT + "starts = 2\nevolution = 5\n", "fit: starts = 2 must be at least 4 with evolution = 5"),
        (MODEL + RECORDING + FIT + "[output]\nanalysis = 1\n", "output.analysis = 1: must be true or false, not a whole number"),
        (MODEL + RECORDING + FIT + "tau = 5\n", "fit.tau is for a spike target"),
        (MODEL + STEP + SPIKES + FIT + "noise = 5\n", "fit.noise is for a voltage target"),
        (MODEL + RECORDING + FIT + "[fit.bounds]\n'leak.g' = [2, 1]\n", "fit.bounds.leak.g = [2, 1]: must be two numbers, the lower first"),
        (MODEL + RECORDING + FIT + "[fit.bounds]\n'leak.g' = [2]\n", "fit.bounds.leak.g = [2]: must be a list of two numbers"),
        (MODEL + RECORDING + "[fit]\ntrainable = []\n", "fit.trainable = []: must have at least 1 entries"),
        (MODEL + RECORDING, "fit: is missing; must be given"),
        (MODEL + FIT, "must have either a [recording], or a [stimulus] and a [target]"),
        (MODEL + RECORDING + SPIKES + FIT, "must have either a [recording], or a [stimulus] and a [target]"),
        (MODEL + STEP.replace("Step", "Stp") + SPIKES + FIT, 'stimulus.type = "Stp": must be one of Step, Ramp, '),
        (MODEL + STEP + "start = 5\nstop = 1\n" + SPIKES + FIT, "stimulus: stop = 1.0 ms must be later than start = 5.0 ms"),
        (MODEL + STEP + "ampltude = 5\n" + SPIKES + FIT, "stimulus.ampltude = 5: unknown key; did you mean 'amplitude'?"),
        (MODEL + STEP + "[target]\n" + FIT, "target: must have either spikes or voltage, each a file"),
        (MODEL + RECORDING + "window = [5, 1]\n" + FIT, "recording.window = [5, 1]: must be two times in ms, the earlier first"),
        (MODEL + RECORDING + "window = [5, 9]\nscore = [1, 9]\n" + FIT, "score = [1.0, 9.0] ms must lie within window"),
        (MODEL + RECORDING + "window = [5, 9]\nholdout = [8, 10]\n" + FIT, "holdout = [8.0, 10.0] ms must begin after window"),
        (MODEL + RECORDING + "sweeps = [1, 1]\n" + FIT, "sweeps = [1, 1] names a sweep twice"),
        (MODEL + RECORDING.replace("x.csv", "") + FIT, 'recording.file = "": must not be empty'),
        (MODEL + RECORDING.replace("x.csv", "x\\u0000") + FIT, "must not hold a NUL character"),
        (MODEL.replace("HodgkinHuxley", "os.system") + RECORDING + FIT, "model.type = \"os.system\": must be 'HodgkinHuxley'"),
        (MODEL + 'units = "absolute"\n' + RECORDING + FIT, 'model: units = "absolute" needs an area (um2)'),
        (MODEL + "area = 5\n" + RECORDING + FIT, 'model: area is for units = "absolute" only'),
        (MODEL + "[model.set]\n'leak.g' = 'big'\n" + RECORDING + FIT, 'model.set.leak.g = "big": must be a number, not a string'),
        (MODEL + "[model.set]\n'leak.g' = 1\nleak.g = 1\n" + RECORDING + FIT, "model.set: leak.g appears twice"),
        ("", "is empty"),
        ("a = " + "[\n" * 30_000, "is nested too deeply"),
        ("a = " + "[" * 30_000, "line 1 has 30004 characters, must have at most 2000"),
        ("a" + ".a" * 900 + " = 1\n", "a = {'a': "),
        ("\x00", "not valid TOML"),
        ("#\n" * 2**16, "must be at most 65536"),
    ],
)  # fmt: skip
def test_faults(tmp_path, text, message):
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        attempt(tmp_path, text)
    for line in caught.value.args:
        assert "c.toml: " in line and "\n" not in line
        assert len(line) < 500


def test_every_fault_is_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        attempt(
            tmp_path, MODEL + RECORDING + FIT + "steps = 0\nstarts = 0\n" + "".join(f"k{i} = 1\n" for i in range(20))
        )
    assert len(caught.value.args) == 11
    assert caught.value.args[-1].endswith("and 11 more")


def test_what_is_not_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in {
        tmp_path: "is a directory",
        tmp_path / "pipe": "is a device or a pipe",
        tmp_path / "none": "No such file",
    }.items():
        with pytest.raises(ConfigError, match=reason):
            load(path)
