"""The engines that are compared, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple


HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: Peers with an environment of their own.
PEERS = ("jaxley", "neuron")


class Cell(NamedTuple):
    """What was measured of one engine on one piece of work."""

    seconds: float  # of the best run
    preparing: float  # seconds of compilation
    bytes: float  # of memory


class Worker:
    """An engine in a process of its own."""

    def __init__(self, command: list[str]):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **request) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{' '.join(map(str, self.process.args))} stopped at {request}")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def variable(peer: str) -> str:
    """The environment variable that names another interpreter for a peer."""
    return f"NEURODYN_BENCH_{peer.upper()}"


def python(peer: str) -> str | None:
    """The interpreter of a peer's environment, if there is one."""
    path = os.environ.get(variable(peer)) or str(HERE.parent / ".peers" / peer / "bin" / "python")
    return path if os.access(path, os.X_OK) else None


def commands(precision: str) -> dict[str, list[str]]:
    """Commands of the engines at hand."""
    module = [sys.executable, "-m", "benchmarks.speed.jax_worker"]
    names = {"neurodyn": "ours", "scan": "plain_scan", "diffeqsolve": "through_diffrax"}
    found = {name: [*module, engine, precision] for name, engine in names.items()}
    if (jaxley := python("jaxley")) is not None:
        for flags in ("plain", "flags"):
            name = "jaxley" if flags == "plain" else "jaxley+flags"
            found[name] = [jaxley, str(HERE / "jaxley_worker.py"), flags, precision]
    if (neuron := python("neuron")) is not None:
        found["neuron"] = [neuron, str(HERE / "neuron_worker.py")]
    return found


def measure(workers: dict[str, Worker], kind: str, n: int, budget: float) -> dict[str, Cell]:
    """What each engine that can do it needs, the engines taking turns for `budget` seconds, or three turns if that is longer."""
    first = {name: worker.ask(kind=kind, n=n) for name, worker in workers.items()}
    able = {name: answer for name, answer in first.items() if answer is not None}
    best = dict.fromkeys(able, float("inf"))
    start, turns = time.perf_counter(), 0
    while turns < 3 or (time.perf_counter() - start < budget and turns < 40):
        turns += 1
        for name in able:
            best[name] = min(best[name], workers[name].ask())
    return {
        name: Cell(best[name], max(answer["seconds"] - best[name], 0.0), answer["bytes"])
        for name, answer in able.items()
    }


def traces(workers: dict[str, Worker]) -> Iterable[tuple[str, list[float]]]:
    """The voltage of one neuron at 10 uA/cm2 by each engine."""
    for name, worker in workers.items():
        yield name, worker.ask(trace=True)
