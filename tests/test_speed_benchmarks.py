"""The speed benchmark compares equal work."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.speed import __main__ as benchmark, ours, plain_scan


def test_the_engines_compute_the_same():
    drive = jnp.linspace(5.0, 20.0, 3)
    scan = np.asarray(jax.jit(plain_scan.recorded)(plain_scan.parameters(), drive)).T
    mine = np.asarray(jax.jit(ours.recorded)(ours.parameters(), drive)).T[:, 1:]

    def spikes(v):
        return [np.flatnonzero((row[:-1] <= 0) & (row[1:] > 0)) * plain_scan.DT for row in v]

    for a, b in zip(spikes(scan), spikes(mine), strict=True):
        # The scan's gates are first order and start off the steady state by 1e-4.
        np.testing.assert_allclose(a, b, atol=0.3)
    last = jax.jit(ours.forward)(ours.parameters(), drive)
    np.testing.assert_allclose(last, mine[:, -1], rtol=1e-12)
    assert len(ours.PATHS) == 9 == sum(x.size for x in plain_scan.parameters().values())


def test_tables(monkeypatch):
    rows = [
        ("recorded", 10, {"neurodyn": (0.001, 1.0), "scan": (0.002, 0.5)}),
        ("gradient", 10, {"neurodyn": (0.004, 1.0), "scan": (0.002, 0.5), "jaxley": (0.1, 2.0)}),
    ]
    table = benchmark._table(rows, ["neurodyn", "scan", "jaxley"])
    assert "| recorded | 10 | 40 (1.0 s) | 20 (0.5 s) |  | 2.00 |" in table
    assert "| gradient | 10 | 10 (1.0 s) | 20 (0.5 s) | 0.4 (2.0 s) | 0.50 |" in table
    assert "2.00 (N = 10)" in benchmark._gradients(rows)
    for name in benchmark.PEERS.values():
        monkeypatch.setenv(name, "/nonexistent")
    assert set(benchmark.engines("float64")) == {"neurodyn", "scan"}
