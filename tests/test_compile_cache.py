"""JAX's persistent compilation cache: a second process with other values compiles nothing anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


PROGRAM = """
import sys
import neurodyn as nd
nd.configure_cpu()
import jax
import jax.numpy as jnp

asked = {"hits": 0, "misses": 0}

def note(event, **_):
    for name in asked:
        if event == f"/jax/compilation_cache/cache_{name}":
            asked[name] += 1

jax.monitoring.register_event_listener(note)
g, amplitude = map(float, sys.argv[1:])
model = nd.replace(nd.HodgkinHuxley(), {"na.g": g})

@jax.jit
def loss(model, amplitude):
    return jnp.mean(nd.simulate(model, nd.Step(amplitude), 2.0).v ** 2)

v = nd.simulate(model, nd.Step(amplitude), 2.0).v
by_g = jax.grad(loss)(model, jnp.asarray(amplitude)).k.g
count = nd.sweep(model, nd.Step(amplitude), 2.0, {"k.g": [g, 2 * g]})["spike_count"]
print(float(v[-1]), float(by_g), asked["hits"], asked["misses"])
"""


def _run(folder: Path, g: float, amplitude: float) -> tuple[float, float, int, int]:
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    environment.pop("XLA_FLAGS", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(g), str(amplitude)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    v, by_g, hits, misses = done.stdout.split()
    return float(v), float(by_g), int(hits), int(misses)


def _programs(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.endswith("-cache")}


@pytest.mark.skipif(os.name == "nt", reason="file names of the cache")
def test_a_second_process_compiles_nothing(tmp_path):
    first = _run(tmp_path, 120.0, 10.0)
    kept = _programs(tmp_path)
    assert first[3] == len(kept) > 0
    # Forward, gradient, sweep: none of them calls the host, which would keep it out.
    for name in ("simulate", "loss", "run"):
        assert any(name in program for program in kept), kept
    second = _run(tmp_path, 100.0, 11.0)
    assert second[3] == 0 and second[2] > 0 and _programs(tmp_path) == kept
    assert second[:2] != first[:2]  # the programs were used again, not the results
