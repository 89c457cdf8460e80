"""Every spike of a large population, located and kept: time and memory, in a process of its own: `python -m benchmarks.resets.population buffer|reducer`.

With NEURODYN_RESETS_NEURONS it is a smaller one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neurodyn as nd

from ..speed.worker import pin


NEURONS, T1, DT = 10_000, 1000.0, 0.1  # ms
WEAKEST, STRONGEST = 1.4, 3.0  # nA
MOST = 100  # spikes of a neuron
TURNS = 2
WAYS = ("buffer", "reducer")


def ask(way: str) -> dict[str, Any]:
    """What a process of its own finds."""
    command = [sys.executable, "-m", f"{__package__}.population", way]
    root = Path(__file__).resolve().parents[2]
    return json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout)


def work(way: str, neurons: int, t1: float = T1) -> tuple[Callable[..., Any], Any]:
    """A function that gives all spikes and the status of each neuron, and its argument."""
    import jax.numpy as jnp

    def one(drive):
        if way == "buffer":
            solution = nd.simulate(nd.LIF(), nd.Step(drive), t1, dt=DT, max_spikes=MOST)
            return solution.spikes, solution.status
        reducers = {"spikes": nd.reducers.SpikeTimes(MOST)}
        solution = nd.simulate(nd.LIF(), nd.Step(drive), t1, dt=DT, reduce=reducers)
        return solution.reduced["spikes"], solution.status

    return nd.vmap(one), jnp.linspace(WEAKEST, STRONGEST, neurons)


def measure(way: str, neurons: int) -> dict[str, Any]:
    """Seconds, MB above what the process had when everything was compiled, and spikes."""
    import jax

    began = time.perf_counter()
    function, drives = work(way, neurons)
    program = jax.jit(function).lower(drives).compile()
    compiling = time.perf_counter() - began
    resident = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    spikes, status = jax.block_until_ready(program(drives))
    best = float("inf")
    for _ in range(TURNS):
        began = time.perf_counter()
        jax.block_until_ready(program(drives))
        best = min(best, time.perf_counter() - began)
    return {
        "neurons": neurons,
        "seconds": best,
        "compiling": compiling,
        "rate": neurons * T1 / DT / best,
        "megabytes": (_resident("VmHWM") - resident) / 1024,
        "output": sum(x.nbytes for x in (spikes.times, spikes.count, status)) / 1e6,
        "spikes": int(spikes.count.sum()),
        "ok": bool((status == nd.Status.ok).all()),
    }


def _resident(what: str) -> int:
    """Memory of this process in kB: at present (`VmRSS`) or at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


if __name__ == "__main__":
    pin()
    nd.configure_cpu()
    print(json.dumps(measure(sys.argv[1], int(os.environ.get("NEURODYN_RESETS_NEURONS", NEURONS)))))
