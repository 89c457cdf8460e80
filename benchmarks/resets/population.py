"""Every spike of a large population, located and kept: time and memory, in a process of its own: `python -m benchmarks.resets.population buffer|reducer`.

With NEURODYN_RESETS_NEURONS it is a smaller one.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import neurodyn as nd

from ..speed.worker import pin


NEURONS, T1, DT = 10_000, 1000.0, 0.1  # ms
WEAKEST, STRONGEST = 1.4, 3.0  # nA
MOST = 100  # spikes of a neuron
TURNS = 3
WAYS = ("buffer", "reducer")


def ask(way: str) -> dict[str, Any]:
    """What a process of its own finds."""
    command = [sys.executable, "-m", f"{__package__}.population", way]
    root = Path(__file__).resolve().parents[2]
    return json.loads(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(way: str, neurons: int = NEURONS, t1: float = T1) -> dict[str, Any]:
    """Seconds, MB above what the process had when everything was compiled, and spikes. Pinned and configured already."""
    import jax
    import jax.numpy as jnp

    method = nd.FixedStep(DT)

    def one(drive):
        if way == "buffer":
            solution = nd.simulate(nd.LIF(), nd.Step(drive), t1, method=method, max_spikes=MOST)
            return solution.spikes, solution.status
        reducers = {"spikes": nd.reducers.SpikeTimes(MOST)}
        solution = nd.simulate(nd.LIF(), nd.Step(drive), t1, method=method, reduce=reducers)
        return solution.reduced["spikes"], solution.status

    began = time.perf_counter()
    drives = jnp.linspace(WEAKEST, STRONGEST, neurons)
    program = jax.jit(nd.vmap(one)).lower(drives).compile()
    compiling = time.perf_counter() - began
    resident = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    best = float("inf")
    for _ in range(TURNS):
        began = time.perf_counter()
        spikes, status = jax.block_until_ready(program(drives))
        best = min(best, time.perf_counter() - began)
    return {
        "neurons": neurons,
        "seconds": best,
        "compiling": compiling,
        "rate": neurons * t1 / DT / best,
        "megabytes": (_resident("VmHWM") - resident) / 1024,
        "output": sum(x.nbytes for x in (spikes.times, spikes.count, status)) / 1e6,
        "spikes": int(spikes.count.sum()),
        "ok": bool((status == 0).all()),
    }


def _resident(what: str) -> int:
    """Memory of this process in kB: at present (`VmRSS`) or at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


if __name__ == "__main__":
    pin()
    nd.configure_cpu()
    print(json.dumps(measure(sys.argv[1], int(os.environ.get("NEURODYN_RESETS_NEURONS", NEURONS)))))
