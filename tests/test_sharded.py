"""Gradients of a population that is shared out over devices, in a process of its own that has two of them."""

import json
import os
import subprocess
import sys

import numpy as np


PROGRAM = """
import json
import neurodyn as nd

nd.configure_cpu(devices=2)
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

jax.config.update("jax_enable_x64", True)
mesh = jax.make_mesh((2,), ("members",), axis_types=(jax.sharding.AxisType.Auto,))
amplitudes = jnp.linspace(5.0, 20.0, 40)
ts = [2.5, 3.7125, 5.0]  # two on ends of steps, one between


def member(g_na, amplitude):
    model = nd.replace(nd.HodgkinHuxley(), {"na.g": g_na})
    return jnp.mean(nd.simulate(model, nd.Step(amplitude, 0.513), 5.0, ts=ts, max_spikes=0).v ** 2)


def population(g_na, amplitudes):
    return nd.vmap(member, in_axes=(None, 0), block=8)(g_na, amplitudes)


shared, split = PartitionSpec(), PartitionSpec("members")
sharded = jax.shard_map(population, mesh=mesh, in_specs=(shared, split), out_specs=split, check_vma=False)
loss = jax.jit(lambda g_na: jnp.mean(sharded(g_na, amplitudes)))
single = jax.jit(lambda g_na: jnp.mean(jax.vmap(member, (None, 0))(g_na, amplitudes)))
h = 1e-3
differences = (8 * (loss(120 + h) - loss(120 - h)) - (loss(120 + 2 * h) - loss(120 - 2 * h))) / (12 * h)
found = [jax.jit(jax.grad(loss))(120.0), jax.jit(jax.jacfwd(loss))(120.0), differences, jax.jit(jax.grad(single))(120.0)]
print(json.dumps([len(sharded(120.0, amplitudes).devices()), *map(float, found)]))
"""


def test_gradient_over_two_devices():
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True, timeout=300
    )
    devices, reverse, forward, differences, single = json.loads(done.stdout)
    assert devices == 2
    np.testing.assert_allclose(reverse, forward, rtol=1e-11)
    np.testing.assert_allclose(reverse, single, rtol=1e-11)
    np.testing.assert_allclose(reverse, differences, rtol=1e-7)
