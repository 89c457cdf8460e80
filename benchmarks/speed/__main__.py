"""Runs every engine on the same work and writes `benchmarks/RESULTS.md`.

Options: `--sizes 1,100`, `--kinds forward,gradient`, `--precisions float32`, `--budget SECONDS` for each cell.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from .plain_scan import STEPS


HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KINDS = ("forward", "recorded", "gradient")
SIZES = (1, 100, 256, 1000, 10000)
PEERS = {"jaxley": "NEURODYN_BENCH_JAXLEY", "neuron": "NEURODYN_BENCH_NEURON"}


class Worker:
    """An engine in a process of its own."""

    def __init__(self, command: list[str]):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **request) -> float | None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else None

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def _python(peer: str) -> str | None:
    """The interpreter of a peer's environment, if there is one."""
    path = os.environ.get(PEERS[peer]) or str(HERE.parent / ".peers" / peer / "bin" / "python")
    return path if os.access(path, os.X_OK) else None


def engines(precision: str) -> dict[str, list[str]]:
    """Commands of the engines at hand."""
    module = [sys.executable, "-m", "benchmarks.speed.jax_worker"]
    found = {"neurodyn": [*module, "ours", precision], "scan": [*module, "plain_scan", precision]}
    if (jaxley := _python("jaxley")) is not None:
        for flags in ("plain", "flags"):
            name = "jaxley" if flags == "plain" else "jaxley+flags"
            found[name] = [jaxley, str(HERE / "jaxley_worker.py"), flags, precision]
    if precision == "float64" and (neuron := _python("neuron")) is not None:
        found["neuron"] = [neuron, str(HERE / "neuron_worker.py")]
    return found


def measure(workers: dict[str, Worker], kind: str, n: int, budget: float) -> dict[str, tuple[float, float]]:
    """Best and first seconds of each engine that can do it, taking turns."""
    first = {name: worker.ask(kind=kind, n=n) for name, worker in workers.items()}
    able = {name: seconds for name, seconds in first.items() if seconds is not None}
    best = dict.fromkeys(able, float("inf"))
    start, turns = time.perf_counter(), 0
    while turns < 3 or (time.perf_counter() - start < budget and turns < 40):
        turns += 1
        for name in able:
            best[name] = min(best[name], workers[name].ask() or float("inf"))
    return {name: (best[name], max(able[name] - best[name], 0.0)) for name in able}


def _table(rows: list[tuple[str, int, dict[str, tuple[float, float]]]], names: list[str]) -> str:
    lines = ["| work | N | " + " | ".join(names) + " | neurodyn : scan |", "|---" * (len(names) + 3) + "|"]
    for kind, n, cells in rows:
        speed = {name: n * STEPS / cells[name][0] / 1e6 for name in cells}
        shown = [f"{speed[name]:.3g} ({cells[name][1]:.1f} s)" if name in cells else "" for name in names]
        lines.append(f"| {kind} | {n} | " + " | ".join(shown) + f" | {speed['neurodyn'] / speed['scan']:.2f} |")
    return "\n".join(lines)


def _gradients(rows) -> str:
    """How many times as long as the scan's forward pass with the trace a gradient takes."""
    cells = {(kind, n): found for kind, n, found in rows}
    parts = [
        f"{cells['gradient', n]['neurodyn'][0] / cells['recorded', n]['scan'][0]:.2f} (N = {n})"
        for kind, n, _ in rows
        if kind == "gradient" and ("recorded", n) in cells
    ]
    return "neurodyn's gradient takes this many times the scan's recorded forward pass: " + ", ".join(parts) + "."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--precisions", default="float32,float64")
    parser.add_argument("--budget", type=float, default=4.0)
    parser.add_argument("--output", type=Path, default=HERE.parent / "RESULTS.md")
    chosen = parser.parse_args()
    parts = [_heading()]
    for precision in chosen.precisions.split(","):
        workers = {name: Worker(command) for name, command in engines(precision).items()}
        rows = []
        for kind in chosen.kinds.split(","):
            for n in map(int, chosen.sizes.split(",")):
                rows.append((kind, n, measure(workers, kind, n, chosen.budget)))
                print(precision, rows[-1], file=sys.stderr, flush=True)
        for worker in workers.values():
            worker.close()
        parts += [f"## {precision}", _table(rows, list(workers)), _gradients(rows)]
        missing = [peer for peer in PEERS if _python(peer) is None]
        if missing:
            parts.append(f"Not installed: {', '.join(missing)}.")
    chosen.output.write_text("\n\n".join(parts) + "\n")


def _heading() -> str:
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), cpu)
    versions = ", ".join(f"{name} {version(name)}" for name in ("neurodyn", "jax", "equinox", "diffrax"))
    return f"""# Speed

Hodgkin and Huxley's neuron, dt 0.025 ms, 100 ms, a constant drive between 5 and 20 uA/cm2, N neurons. Million neuron-steps per second, and in brackets
the seconds of compilation. One core; the engines take turns, each in a process of its own; the best run counts. `forward`: only the last voltage is wanted;
`recorded`: the voltage at every step; `gradient`: value and gradient of a mean square of the trace by nine parameters. `scan` is a bare `lax.scan`
([plain_scan.py](speed/plain_scan.py)); it and neurodyn run with the flags of `nd.configure_cpu()`, Jaxley without and with them. NEURON has no gradients
and is always in double precision.

{cpu}, {platform.system()} {platform.machine()}, Python {platform.python_version()}; {versions}. Made by `make bench`."""


if __name__ == "__main__":
    main()
