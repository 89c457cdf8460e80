"""A process that times one engine on demand, so that engines can take turns: requests and answers are lines of JSON.

`{"kind": ..., "n": ...}` prepares that work (null if the engine cannot do it) and answers with the seconds of the first call, `{}` runs it and answers
with the best seconds of a few.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator


def serve(prepare: Callable[[str, int], Callable[[], object] | None]) -> None:
    """Answer requests until standard input closes. `prepare(kind, n)` returns a function that does the work and waits for it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        if request:
            work = prepare(request["kind"], request["n"])
        answer = None if work is None else _seconds(work) if request else min(_some(work))
        print(json.dumps(answer), flush=True)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _some(work: Callable[[], object]) -> Iterator[float]:
    """Work for a tenth of a second at least: short work needs its caches back after another engine's turn."""
    start = time.perf_counter()
    while True:
        yield _seconds(work)
        if time.perf_counter() - start > 0.1:
            return
