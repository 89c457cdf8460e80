"""A process that times one engine on demand, so that engines can take turns: requests and answers are lines of JSON.

`{"kind": ..., "n": ...}` prepares that work and answers with the seconds that took, compilation and first call, and with the bytes of memory the work
needs, or with null if the engine cannot do it. `{"trace": true}` answers with the voltage of one neuron, without preparing anything to time. `{}` runs
what was prepared and answers with the best seconds of a few.

All computing is on one core: the first one allowed, or NEURODYN_BENCH_CORE.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Work(NamedTuple):
    """What an engine has ready: `run` does the work and waits for it; `size` is the bytes it needs, None if only the process can tell."""

    run: Callable[[], Any]
    size: int | None = None


def serve(prepare: Callable[[str, int], Work | None], trace: Callable[[], Any]) -> None:
    """Answer requests until standard input closes. `trace()` is the voltage at every step of one neuron at 10 uA/cm2."""
    pin()
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        if "trace" in request:
            answer = [float(v) for v in trace()]
        elif request:
            work = None  # so that the last one's memory is free
            work, answer = _first(prepare, request["kind"], request["n"])
        else:
            answer = None if work is None else min(_some(work.run))
        print(json.dumps(answer), flush=True)


def compiled(function: Callable, *arguments: Any) -> Work:
    """Work of a JAX function, compiled; its size is that of its results and of what the program keeps meanwhile."""
    import jax

    program = jax.jit(function).lower(*arguments).compile()
    found = program.memory_analysis()
    size = found.temp_size_in_bytes + found.output_size_in_bytes
    return Work(lambda: jax.block_until_ready(program(*arguments)), size)


def pin() -> None:
    """Stay on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(os.environ.get("NEURODYN_BENCH_CORE", min(os.sched_getaffinity(0))))})


def _first(prepare, kind: str, n: int) -> tuple[Work | None, dict[str, float] | None]:
    resident = _resident(peak=False)
    began = time.perf_counter()
    work = prepare(kind, n)
    if work is None:
        return None, None
    work.run()
    seconds = time.perf_counter() - began
    return work, {"seconds": seconds, "bytes": _resident(peak=True) - resident if work.size is None else work.size}


def _resident(peak: bool) -> int:
    """Bytes of memory this process has now, or the most it had since this was last asked without `peak`; 0 where the system does not say."""
    try:
        if not peak:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        with open("/proc/self/status") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _some(run: Callable[[], Any]) -> Iterator[float]:
    """Work for a tenth of a second at least: short work needs its caches back after another engine's turn."""
    start = time.perf_counter()
    while True:
        yield _seconds(run)
        if time.perf_counter() - start > 0.1:
            return
