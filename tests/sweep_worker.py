"""Runs a small sweep in a process of its own, and writes the result: `sweep_worker.py OUTPUT DEVICES [PORT PROCESS PROCESSES]`."""

import sys

import neurodyn as nd


output, devices = sys.argv[1], int(sys.argv[2])
nd.configure_cpu(devices=devices)

import jax  # noqa: E402
import numpy as np  # noqa: E402


jax.config.update("jax_enable_x64", True)
rank = 0
if len(sys.argv) > 3:
    port, rank, processes = (int(x) for x in sys.argv[3:])
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, rank)
count = 1100  # five blocks of 128 and more: not a multiple of anything
vary = {"na.g": np.linspace(80.0, 160.0, count), "stimulus.amplitude": np.linspace(5.0, 20.0, count)}
vary["na.g"][7] = np.nan
assert jax.local_device_count() == devices
result = nd.sweep(nd.HodgkinHuxley(), nd.Step(10.0), 10.0, vary, batch_size=512)
assert [member.index for member in result.failed] == [7]
result.save(f"{output}{rank}.npz")
