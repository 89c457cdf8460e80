"""Sweeps: a million members, members that fail, two devices against one. Each figure comes from a process of its own, so that devices, precision and
memory are those of the sweep alone: `python -m benchmarks.evidence.sweeps TASK`.

`NEURODYN_SWEEP_SCALE` makes every sweep smaller by a factor, to try the claims out.
"""

import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

import neurodyn as nd

from .registry import claim


DT, T1 = 0.025, 100.0  # ms
STEPS = round(T1 / DT)
TURNS = 5
ROOT = Path(__file__).resolve().parents[2]


def _scaled(count: int) -> int:
    return max(64, round(count * float(os.environ.get("NEURODYN_SWEEP_SCALE", "1"))))


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    out = jax.block_until_ready(function())
    return time.perf_counter() - began, out


def _taking_turns(*functions: Callable[[], Any]) -> list[tuple[float, Any]]:
    """The best time of each and what it returned, after a first call that compiles."""
    for function in functions:
        function()
    best = [_timed(function) for function in functions]
    for _ in range(TURNS - 1):
        best = [min(old, _timed(function), key=lambda x: x[0]) for old, function in zip(best, functions, strict=True)]
    return best


# In the processes ---------------------------------------------------------------------------------------------------------------


def _sweep(vary: dict[str, Any], **options: Any) -> nd.SweepResult:
    reduce = None if "method" in options else {"count": nd.reducers.SpikeCount()}
    return nd.sweep(nd.HodgkinHuxley(), nd.Step(10.0), T1, vary, reduce=reduce, **options)


def _amplitudes(count: int) -> dict[str, np.ndarray]:
    return {"stimulus.amplitude": np.linspace(5.0, 20.0, count)}


def _resident(what: str = "VmRSS") -> int:
    """Memory of this process in MB: at present, or with `VmHWM` its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) // 1024


def _forward(count: int) -> Callable[[], Any]:
    """The forward benchmark on all devices: nothing but the last voltage of each of `count` neurons."""
    devices = Mesh(np.array(jax.devices()), ("x",))
    model = nd.HodgkinHuxley()

    def one(amplitude):
        return nd.simulate(model, nd.Step(amplitude), T1, dt=DT, max_spikes=0).v[-1]

    split = PartitionSpec("x")
    run = jax.jit(jax.shard_map(nd.vmap(one), mesh=devices, in_specs=split, out_specs=split, check_vma=False))
    return functools.partial(run, jnp.linspace(5.0, 20.0, count))


def million() -> dict[str, Any]:
    count = _scaled(1_000_000)
    neurons = 2 * _scaled(10_000)  # as many per device as the benchmark has on one
    forward, vary = _forward(neurons), _amplitudes(count)
    ((before, _),) = _taking_turns(forward)
    resident = _resident()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    _sweep(vary)  # compiles the program of a batch, whose size follows from the count
    peak = _resident("VmHWM") - resident
    seconds, swept = _timed(lambda: _sweep(vary))
    ((after, _),) = _taking_turns(forward)
    rate = neurons * STEPS / min(before, after)
    return {
        "count": count,
        "failed": len(swept.failed),
        "seconds": seconds,
        "peak": peak,
        "rate": count * STEPS / seconds,
        "forward": rate,
    }


def _compare(clean: dict[str, Any], bad: dict[str, Any], rows: tuple[int, ...], **options: Any) -> dict[str, Any]:
    """A clean sweep against one with members that fail."""
    (before, one), (after, other) = _taking_turns(lambda: _sweep(clean, **options), lambda: _sweep(bad, **options))
    keep = np.delete(np.arange(len(one)), rows)
    gaps = [np.abs(one[name][keep] - other[name][keep]).max() for name in one.outputs]
    return {
        "count": len(one),
        "named": [member.index for member in other.failed] == sorted(rows) and not one.failed,
        "reasons": ", ".join(member.status.name for member in other.failed),
        "gap": float(max(gaps)),
        "clean": before,
        "ratio": after / before,
    }


def bad_members() -> dict[str, Any]:
    count = _scaled(100_000)
    clean = {
        "na.g": np.linspace(80.0, 160.0, count),
        "capacitance": np.ones(count),
        "stimulus.amplitude": np.full(count, 10.0),
    }
    bad = {path: x.copy() for path, x in clean.items()}
    impossible, overflowing = count // 3, count // 2 + 7
    bad["na.g"][impossible] = np.nan
    # Both are allowed; their quotient is infinite in float32.
    bad["stimulus.amplitude"][overflowing], bad["capacitance"][overflowing] = 3e38, 0.1
    return _compare(clean, bad, (impossible, overflowing))


def stiff_member() -> dict[str, Any]:
    count = _scaled(2_000)
    clean = {"na.g": np.linspace(80.0, 160.0, count), "na.m.factor": np.ones(count)}
    bad = {path: x.copy() for path, x in clean.items()}
    impossible, stiff = count // 3, count // 2 + 7
    bad["na.g"][impossible], bad["na.m.factor"][stiff] = np.nan, 1e6
    return _compare(clean, bad, (impossible, stiff), method=nd.Adaptive())


def on_demand() -> None:
    """Answers every line of standard input with the seconds of a sweep."""
    vary = _amplitudes(_scaled(100_000))
    _sweep(vary)
    for _ in sys.stdin:
        print(json.dumps(_timed(lambda: _sweep(vary))[0]), flush=True)


#: What a process does, on how many devices, and whether in float64.
TASKS: dict[str, tuple[Callable[[], Any], int, bool]] = {
    "million": (million, 2, False),
    "bad_members": (bad_members, 2, False),
    "stiff_member": (stiff_member, 2, True),
    "one_device": (on_demand, 1, False),
    "two_devices": (on_demand, 2, False),
}


def main(task: str) -> None:
    function, devices, double = TASKS[task]
    nd.configure_cpu(devices=devices)
    jax.config.update("jax_enable_x64", double)
    answer = function()
    if answer is not None:
        print(json.dumps(answer))


# The claims ---------------------------------------------------------------------------------------------------------------------


def _process(task: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [sys.executable, "-m", f"{__package__}.sweeps", task]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)


@functools.cache
def _answer(task: str) -> dict[str, Any]:
    with _process(task) as process:
        out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{task} ended with {process.returncode}")
    return json.loads(out)


@claim(
    "sweeps",
    "1,000,000 HH members x 100 ms, dt 0.025 ms, two devices, spike counts: share of the rate of the plain forward run of 20,000 neurons",
    ">= 90 %, all ok",
    "nd.vmap, max_spikes=0, last voltage only, same process and devices",
)
def of_a_million():
    found = _answer("million")
    share = found["rate"] / found["forward"]
    text = f"{100 * share:.0f} % ({found['rate'] / 1e6:.3g} of {found['forward'] / 1e6:.3g} million neuron-steps/s)"
    return f"{found['count']} members: {text}", share >= 0.9 and found["failed"] == 0


@claim(
    "sweeps",
    "The same sweep: time, and peak memory above what the process had before it (compilation included)",
    "reported",
    "/proc",
)
def cost_of_a_million():
    found = _answer("million")
    return f"{found['count']} members: {found['seconds']:.3g} s, {found['peak']} MB", None


def _harmless(task: str, tolerance: float):
    found = _answer(task)
    text = f"{found['count']} members: {found['reasons']}; largest difference of the others {found['gap']:.2g}; "
    text += f"{found['ratio']:.2f} times {found['clean']:.3g} s"
    return text, found["named"] and found["gap"] <= tolerance and found["ratio"] <= 1.5


@claim(
    "sweeps",
    "100,000 HH members x 100 ms, one NaN and one whose state overflows: named failures, other rows, time over that of the clean sweep",
    "the two named, others bitwise equal, <= 1.5",
    "the same sweep without them",
)
def two_bad_members():
    return _harmless("bad_members", 0.0)


@claim(
    "sweeps",
    "2,000 HH members x 100 ms by nd.Adaptive() in float64, one NaN and one a million times stiffer: named failures, other rows, time over that "
    "of the clean sweep",
    "the two named, others equal to 1e-9, <= 1.5",
    "the same sweep without them",
)
def one_stiff_member():
    return _harmless("stiff_member", 1e-9)


@claim(
    "sweeps", "100,000 HH members x 100 ms: speed of two devices over that of one", ">= 1.8", "two processes, in turns"
)
def two_devices():
    processes = [_process(task) for task in ("one_device", "two_devices")]
    try:
        best = [np.inf, np.inf]
        for _ in range(TURNS):
            for i, process in enumerate(processes):
                assert process.stdin and process.stdout
                process.stdin.write("\n")
                process.stdin.flush()
                best[i] = min(best[i], json.loads(process.stdout.readline()))
    finally:
        for process in processes:
            process.communicate()
    one, two = best
    return f"{one / two:.2f} ({one:.3g} s against {two:.3g} s)", one / two >= 1.8


if __name__ == "__main__":
    main(sys.argv[1])
