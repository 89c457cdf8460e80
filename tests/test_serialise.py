"""Parameters on disk: bitwise there and back, whole or not at all, and nothing but data."""

import dataclasses
import hashlib
import json
import os
import pickle
import random
import re
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn import _serialise
from neurodyn._parameter import parameters
from neurodyn.channels import Leak, Potassium, Sodium


def values(model):
    return {path: np.asarray(item.value) for path, item in parameters(model).items()}


def same(a, b) -> bool:
    a, b = values(a), values(b)
    return a.keys() == b.keys() and all(x.dtype == b[p].dtype and x.tobytes() == b[p].tobytes() for p, x in a.items())


def scrambled(model, seed=0):
    """The model with every value moved by a few per cent, so that no short decimal helps."""
    rng = np.random.default_rng(seed)

    def move(x):
        return x * jnp.asarray(rng.uniform(0.95, 1.05, x.shape), x.dtype) if eqx.is_array(x) else x

    return jax.tree_util.tree_map(move, model)


def cell():
    return nd.PointCell({"na": Sodium(), "kd": Potassium(), "leak": Leak()})


MODELS = {
    "hh": lambda: scrambled(nd.HodgkinHuxley()),
    "absolute": lambda: scrambled(nd.HodgkinHuxley().to_absolute(1234.5)),
    "relative": lambda: nd.HodgkinHuxley.relative_to_rest(),
    "lif": lambda: scrambled(nd.LIF()),
    "batch": lambda: nd.replace(
        nd.LIF(), {"tau": jnp.asarray([[10.0, 1 / 3], [1e-300 if jax.config.jax_enable_x64 else 1e-30, 3.0]])}
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("x64", [True, False])
def test_there_and_back_is_bitwise_equal(tmp_path, name, x64):
    with jax.enable_x64(x64):
        model = MODELS[name]()
        nd.save(tmp_path / "a.json", model)
        loaded = nd.load(tmp_path / "a.json")
        assert type(loaded) is type(model) and same(loaded, model)
        assert jax.tree_util.tree_structure(loaded) == jax.tree_util.tree_structure(model)


def test_a_cell_put_together_needs_a_pattern(tmp_path):
    model = scrambled(cell())
    nd.save(tmp_path / "a.json", model)
    assert same(nd.load(tmp_path / "a.json", like=cell()), model)
    with pytest.raises(ValueError, match="holds a 'PointCell', which cannot be rebuilt from its name; pass like=model"):
        nd.load(tmp_path / "a.json")


def test_stimuli_and_clamped_models_too(tmp_path):
    clamped = scrambled(nd.Clamped(nd.HodgkinHuxley()))
    nd.save(tmp_path / "a.json", clamped)
    assert same(nd.load(tmp_path / "a.json", like=nd.Clamped(nd.HodgkinHuxley())), clamped)


def test_precision_is_that_of_the_session(tmp_path):
    with jax.enable_x64(False):
        single = scrambled(nd.LIF())
        nd.save(tmp_path / "single.json", single)
    double = scrambled(nd.LIF())
    nd.save(tmp_path / "double.json", double)
    loaded = values(nd.load(tmp_path / "single.json"))
    assert all(x.dtype == np.float64 and x == values(single)[p] for p, x in loaded.items())
    with jax.enable_x64(False):
        loaded = values(nd.load(tmp_path / "double.json"))
        assert all(x.dtype == np.float32 and x == values(double)[p].astype(np.float32) for p, x in loaded.items())


def test_the_file_can_be_read_by_people(tmp_path):
    nd.save(tmp_path / "deep" / "down" / "a.json", nd.LIF())
    document = json.loads((tmp_path / "deep" / "down" / "a.json").read_text())
    assert document["model"] == "LIF"
    assert document["parameters"]["tau"] == {"value": 20.0, "unit": "ms", "dtype": "float64", "shape": []}


def test_the_file_has_the_usual_permissions(tmp_path):
    nd.save(tmp_path / "a.json", nd.LIF())
    (tmp_path / "b").write_text("")
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, stage):
    path = tmp_path / "a.json"
    nd.save(path, nd.LIF())
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_serialise.os, stage, fail)
    with pytest.raises(OSError, match="No space left"):
        nd.save(path, scrambled(nd.LIF()))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.json"]


def test_what_is_not_finite_is_not_written(tmp_path):
    broken = eqx.tree_at(lambda m: m.tau, nd.LIF(), jnp.asarray(float("nan")))
    with pytest.raises(ValueError, match="tau is not finite"):
        nd.save(tmp_path / "a.json", broken)
    with pytest.raises(ValueError, match="tau is an array of int64"):
        nd.save(tmp_path / "a.json", eqx.tree_at(lambda m: m.tau, nd.LIF(), jnp.asarray(3)))
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def lif_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("lif") / "a.json"
    nd.save(path, scrambled(nd.LIF()))
    return path.read_bytes()


def load_bytes(tmp_path, content: bytes, **kwargs):
    (tmp_path / "a.json").write_bytes(content)
    return nd.load(tmp_path / "a.json", **kwargs)


def test_truncated_files(tmp_path, lif_file):
    assert same(load_bytes(tmp_path, lif_file), load_bytes(tmp_path, lif_file.rstrip()))
    for length in range(0, len(lif_file) - 1, 7):
        with pytest.raises(ValueError, match="a.json: "):
            load_bytes(tmp_path, lif_file[:length])


def test_flipped_bits(tmp_path, lif_file):
    """A damaged byte is refused, or changes nothing: white space, and the last digits of numbers that need not so many."""
    good, rng, refused = load_bytes(tmp_path, lif_file), random.Random(0), 0
    for position in range(len(lif_file)):
        flipped = bytearray(lif_file)
        flipped[position] ^= 1 << rng.randrange(8)
        try:
            assert same(load_bytes(tmp_path, bytes(flipped)), good)
        except ValueError as error:
            assert "a.json: " in str(error)
            refused += 1
    assert refused > 0.6 * len(lif_file)


@pytest.mark.parametrize("junk", [b"{}", b"x", b"\x00", b",", b"\xff", b"\n[]"])
def test_trailing_junk(tmp_path, lif_file, junk):
    with pytest.raises(ValueError, match="not a parameter file"):
        load_bytes(tmp_path, lif_file + junk)


def edited(change, model=None) -> bytes:
    """A file whose content was changed and hashed again, by somebody who knows how."""
    text = json.loads(json.dumps({}))
    model = nd.LIF() if model is None else model
    content = {
        "model": type(model).__name__,
        "units": getattr(model, "units", None),
        "parts": _serialise._parts(model),
        "parameters": {name: _serialise._entry(item) for name, item in parameters(model).items()},
    }
    content = change(content) or content
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    text = {"format": "neurodyn parameters", "version": 1, "sha256": digest, **content}
    return json.dumps(text).encode()


def put(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def rename(old, new):
    def change(content):
        table = content["parameters"]
        content["parameters"] = {new if key == old else key: entry for key, entry in table.items()}

    return change


def drop(*keys):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (rename("tau", "tua"), "no parameter 'tau'"),
        (rename("tau", "*"), "no parameter 'tau'"),
        (put("parameters", "*", value={}), r"parameter '\*' too many"),
        (put("parameters", "na.g", value={}), "parameter 'na.g' too many"),
        (drop("parameters", "rest"), "no parameter 'rest'"),
        (put("parameters", value=[]), "parameters are not allowed: must be a table"),
        (put("parts", value=None), "parts are not allowed: must be a table"),
        (put("parts", "na", value="Sodium"), "part 'na' too many"),
        (put("parameters", "tau", value=20.0), "tau is not allowed: must have value, unit, dtype, shape"),
        (put("parameters", "tau", "unit", value="s"), "tau is in 's', must be in 'ms'"),
        (put("parameters", "tau", "unit", value=None), "tau is in None, must be in 'ms'"),
        (put("parameters", "tau", "value", value=-1.0), "tau = -1 ms is not allowed: must be finite and > 0"),
        (put("parameters", "tau", "value", value="20.0"), r"tau is not allowed: must be numbers of shape \[\]"),
        (put("parameters", "tau", "value", value=None), "tau is not allowed: must be numbers"),
        (put("parameters", "tau", "value", value=True), "tau is not allowed: must be numbers"),
        (put("parameters", "tau", "value", value=10**400), "tau is not allowed: must be numbers"),
        (put("parameters", "tau", "value", value=[1.0, 2.0]), r"tau is not allowed: must be numbers of shape \[\]"),
        (put("parameters", "tau", "value", value=[[1.0], 2.0]), "tau is not allowed: must be numbers"),
        (put("parameters", "tau", "value", value={"a": 1.0}), "tau is not allowed: must be numbers"),
        (put("parameters", "tau", "shape", value=[2]), r"tau is not allowed: must be numbers of shape \[2\]"),
        (put("parameters", "tau", "dtype", value="object"), "tau has dtype 'object', must be 'float32' or 'float64'"),
        (put("parameters", "tau", "dtype", value=["float64"]), "tau has dtype"),
        (put("parameters", "tau", "extra", value=1), "tau is not allowed: must have value, unit, dtype, shape"),
        (put("parameters", "reset", "value", value=0.0), "LIF.reset = 0.0 mV is not allowed: must be < threshold"),
        (put("model", value="os.system"), "holds a 'os.system', which cannot be rebuilt"),
        (put("model", value=["LIF"]), "which cannot be rebuilt"),
        (
            put("model", value="HodgkinHuxley"),
            "holds a 'HodgkinHuxley' in None units, not a HodgkinHuxley in 'density'",
        ),
        (put("units", value="absolute"), "in 'absolute' units, not a LIF in None units"),
        (put("extra", value=1), "keys .* are not allowed"),
        (drop("units"), "keys .* are not allowed"),
    ],
)
def test_files_that_lie(tmp_path, change, message):
    with pytest.raises(ValueError, match=f"a.json: .*{message}" if "LIF.reset" not in message else message):
        load_bytes(tmp_path, edited(change))


def test_the_editing_itself_is_not_what_is_refused(tmp_path):
    assert same(load_bytes(tmp_path, edited(lambda content: None)), nd.LIF())
    assert float(load_bytes(tmp_path, edited(put("parameters", "tau", "value", value=7.5))).tau) == 7.5


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5])
def test_versions(tmp_path, lif_file, version):
    with pytest.raises(ValueError, match=re.escape(f"version {version!r} is not known, must be 1")):
        load_bytes(tmp_path, json.dumps(json.loads(lif_file) | {"version": version}).encode())


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
def test_numbers_that_are_not_finite(tmp_path, lif_file, literal):
    content = re.sub(rb'"value": [-0-9.e]+', b'"value": ' + literal.encode(), lif_file, count=1)
    with pytest.raises(ValueError, match=f"a.json: not a parameter file .*{literal} is not a finite number"):
        load_bytes(tmp_path, content)


def test_keys_that_appear_twice(tmp_path, lif_file):
    content = lif_file.replace(b'"unit"', b'"value": 1.0, "unit"', 1)
    with pytest.raises(ValueError, match="key 'value' appears twice"):
        load_bytes(tmp_path, content)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"format":' * 100_000, b"[" * 900 + b"]" * 900, b"", b"null", b"3", b"[]"]
)
def test_deep_nesting_and_other_json(tmp_path, content):
    start = time.perf_counter()
    with pytest.raises(ValueError, match="a.json: not a parameter file"):
        load_bytes(tmp_path, content)
    assert time.perf_counter() - start < 1.0


def test_deep_nesting_inside_an_entry(tmp_path):
    deep = 1.0
    for _ in range(300):
        deep = [deep]
    with pytest.raises(ValueError, match="a.json: "):
        load_bytes(tmp_path, edited(put("parameters", "tau", "value", value=deep)))


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("protocol", [0, 4])
def test_pickles_are_refused_and_nothing_runs(tmp_path, protocol):
    canary = tmp_path / "canary"
    with pytest.raises(ValueError, match="not a parameter file"):
        load_bytes(tmp_path, pickle.dumps(Canary(str(canary)), protocol))
    assert not canary.exists()


def test_missing_files_and_things_that_are_not_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.json"):
        nd.load(tmp_path / "nothing.json")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/zero"):
        with pytest.raises(ValueError, match="must be a regular file"):
            nd.load(path)
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(200 * 2**20)
    with pytest.raises(ValueError, match="at most 67108864 bytes"):
        nd.load(tmp_path / "huge.json")


class Other(Sodium.__base__):
    """A channel with the parameters of a leak and another equation."""

    g: jax.Array = nd.parameter(0.3, unit="mS/cm2", lower=0.0)
    e: jax.Array = nd.parameter(-54.387, unit="mV", lower=-200.0, upper=200.0)

    def current(self, v, x):
        return self.g * (v - self.e) ** 3


def test_other_models_of_the_same_parameters(tmp_path):
    model = nd.HodgkinHuxley(leak=Other())
    nd.save(tmp_path / "a.json", model)
    with pytest.raises(ValueError, match="part 'leak' is a 'Other', not a Leak; pass like=model"):
        nd.load(tmp_path / "a.json")
    assert same(nd.load(tmp_path / "a.json", like=model), model)
    with pytest.raises(ValueError, match="holds a 'HodgkinHuxley' in 'density' units, not a LIF"):
        nd.load(tmp_path / "a.json", like=nd.LIF())
    absolute = dataclasses.replace(model, units="absolute")
    with pytest.raises(ValueError, match="in 'density' units, not a HodgkinHuxley in 'absolute' units"):
        nd.load(tmp_path / "a.json", like=absolute)
