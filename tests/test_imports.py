"""What importing does not do, which way imports run, and that everything public is there and documented."""

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import neurodyn as nd


PACKAGE = Path(nd.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)


def run(code: str, **environment: str) -> dict:
    """The JSON that a program prints as its last line, run in a fresh interpreter."""
    kept = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "JAX_ENABLE_X64")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# JAX itself sets variables when it is imported, so it and its relatives come first.
_TOUCH = """
import importlib, json, os, sys
import diffrax, jax, lineax, optax, optimistix
before = dict(os.environ)
import neurodyn as nd
for name in nd.__all__:
    getattr(nd, name)
for name in {modules}:
    importlib.import_module(name)
from jax._src import xla_bridge
print(json.dumps(dict(
    environment={{k: v for k, v in os.environ.items() if before.get(k) != v}},
    started=xla_bridge.backends_are_initialized(),
    x64=jax.config.jax_enable_x64,
)))
"""


def test_importing_everything_changes_nothing():
    pytest.importorskip("matplotlib")
    assert run(_TOUCH.format(modules=MODULES)) == {"environment": {}, "started": False, "x64": False}


def test_importing_the_package_does_not_import_jax():
    assert run("import json, sys, neurodyn; print(json.dumps('jax' in sys.modules))") is False


# Imports run from the right of this list to the left only; modules of one entry may import one another.
_LAYERS = [
    {"_types"},
    {"_numerics", "_tree", "_paths", "_files", "_reducer", "_table"},
    {"_parameter"},
    {"_model", "_describe", "_configure"},
    {"_solver", "_stimulus", "_clamped", "kinetics"},
    {"_simulate", "channels"},
    {"points", "reducers", "cells"},
    {"analysis"},
    {"fitting"},
    {"_serialise"},
    {"io"},
    {"templates", "_sweep", "networks", "ann"},
    {"plot"},
    {"cli"},
]
_GENERIC = {"_model", "_clamped", "_solver", "_simulate", "_stimulus", "_sweep", "analysis", "fitting"}
_CONCRETE = {"points", "channels", "kinetics"}


def imports_of(path: Path) -> set[str]:
    """The parts of neurodyn (first path segment) that a file imports."""
    inside = ("neurodyn", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else ()
            full = (*base, *(node.module.split(".") if node.module else ()))
            names = [full] if len(full) > 1 else [(*full, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        else:
            continue
        # `import neurodyn as nd` reaches everything: only the top may do it.
        found |= {name[1] if len(name) > 1 else "everything" for name in names if name[0] == "neurodyn"}
    return found


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    height = {name: i for i, layer in enumerate(_LAYERS) for name in layer} | {"everything": len(_LAYERS) - 1}
    part, imported = part_of(path), imports_of(path)
    assert part in height, f"{part} is not in the list of layers"
    wrong = {name for name in imported if name != part and height.get(name, 0) >= height[part]}
    if part == "cli":
        wrong.discard("everything")
    assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"
    if part in _GENERIC:
        assert not imported & _CONCRETE


@pytest.mark.parametrize("name", nd.__all__)
def test_public_names_are_there_and_documented(name):
    thing = getattr(nd, name)
    assert inspect.getdoc(thing), f"nd.{name} has no docstring"
    if inspect.isclass(thing):
        assert thing.__doc__, f"nd.{name} has no docstring of its own"


@pytest.mark.parametrize(
    "name",
    ["channels", "kinetics", "points", "fitting", "analysis", "io", "plot", "reducers", "templates", "ann", "cells"],
)
def test_public_names_of_submodules_are_documented(name):
    module = getattr(nd, name)
    assert module.__doc__
    for key, thing in vars(module).items():
        if not key.startswith("_") and (inspect.isclass(thing) or inspect.isfunction(thing)):
            assert thing.__doc__, f"nd.{name}.{key} has no docstring"


def test_every_module_has_a_docstring():
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


_CONFIGURE = """
import json, os
import jax
import neurodyn as nd
from jax._src import xla_bridge
calls = [nd.configure_cpu({arguments}).xla_flags for _ in range(2)]
started = xla_bridge.backends_are_initialized()
print(json.dumps(dict(calls=calls, env=os.environ.get("XLA_FLAGS", ""), started=started, n=jax.device_count())))
"""


def test_configure_cpu_sets_the_flags_once_and_starts_nothing():
    got = run(_CONFIGURE.format(arguments="devices=2, vector_width=256"), JAX_PLATFORMS="cpu")
    assert got["calls"][0] == got["calls"][1] == got["env"]
    assert got["env"].split() == [
        "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=10000000000",
        "--xla_cpu_prefer_vector_width=256",
        "--xla_force_host_platform_device_count=2",
    ]
    assert not got["started"]
    assert got["n"] == 2


def test_configure_cpu_keeps_flags_that_are_there():
    mine = "--xla_cpu_enable_fast_math=false --xla_cpu_prefer_vector_width=128"
    flags = run(_CONFIGURE.format(arguments=""), XLA_FLAGS=mine, JAX_PLATFORMS="cpu")["env"]
    assert flags.startswith(mine)
    assert flags.count("prefer_vector_width") == 1
    assert "while_loop_byte_threshold" in flags


def test_configure_cpu_may_be_asked_for_nothing():
    assert run(_CONFIGURE.format(arguments="None, None, False"), JAX_PLATFORMS="cpu")["env"] == ""


def test_configure_cpu_refuses_another_number_of_devices():
    code = """
import json, neurodyn as nd
nd.configure_cpu(devices=2)
try:
    nd.configure_cpu(devices=4)
except ValueError as error:
    print(json.dumps(str(error)))
"""
    message = run(code)
    assert message == ("devices = 4 is not allowed: XLA_FLAGS holds --xla_force_host_platform_device_count=2")


def test_configure_cpu_too_late():
    code = """
import json, os
import jax.numpy as jnp
import neurodyn as nd
jnp.ones(1)
try:
    nd.configure_cpu()
except RuntimeError as error:
    print(json.dumps([str(error), os.environ.get("XLA_FLAGS")]))
"""
    message, flags = run(code, JAX_PLATFORMS="cpu")
    assert "too late" in message and "before any array is made" in message
    assert flags is None


@pytest.mark.parametrize("arguments", [{"vector_width": 100}, {"devices": 0}, {"devices": True}, {"devices": 1.5}])
def test_configure_cpu_bad_arguments(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} = {value!r}.* is not allowed: must be"):
        nd.configure_cpu(**arguments)
