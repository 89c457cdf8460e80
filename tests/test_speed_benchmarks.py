"""The benchmarks compare equal work and report it right."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import results
from benchmarks.speed import bars, engines, ours, plain_scan, report, through_diffrax
from benchmarks.speed.engines import Cell
from benchmarks.work_precision import report as work_precision
from benchmarks.work_precision.measure import Point


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


def test_diffeqsolve_computes_the_same():
    drive = jnp.asarray([5.0, 20.0])
    # The solver is the same one, and so is the work, up to the rounding of the clock.
    mine = jax.jit(ours.recorded)(ours.parameters(), drive)[1:].T
    np.testing.assert_allclose(jax.jit(through_diffrax.recorded)(ours.parameters(), drive), mine, atol=1e-7)
    np.testing.assert_allclose(jax.jit(through_diffrax.forward)(ours.parameters(), drive), mine[:, -1], atol=1e-7)


CELLS = {
    ("forward", 100): {"neurodyn": Cell(0.001, 1.0, 1e6), "scan": Cell(0.0008, 0.5, 2e6)},
    ("recorded", 100): {"neurodyn": Cell(0.001, 1.0, 1e6), "scan": Cell(0.002, 0.5, 2e6)},
    ("gradient", 100): {
        "neurodyn": Cell(0.004, 1.0, 1e6),
        "scan": Cell(0.002, 0.5, 2e6),
        "jaxley": Cell(0.1, 2.0, 3e7),
    },
}


def test_tables():
    names = ["neurodyn", "scan", "jaxley"]
    table = report.speeds(CELLS, names)
    assert "| recorded | 100 | 400 (1.0 s) | 200 (0.5 s) |  | 2.00 |" in table
    assert "| gradient | 100 | 100 (1.0 s) | 200 (0.5 s) | 4 (2.0 s) | 0.50 |" in table
    assert "| gradient | 100 | 1 | 2 | 30 |" in report.memory(CELLS, names)


def test_bars():
    rows = list(bars.lines({"float32": CELLS}))
    assert "| forward | 100 | speed over the scan's | >= 0.9 | 0.80, **falls short** |" in rows
    assert "| gradient | 100 | time over the scan's `recorded` | <= 4.5 | 2.00, holds |" in rows
    assert "| gradient | 100 | time over the scan's `forward` | <= 4.5 | 5.00, **falls short** |" in rows
    assert "| gradient | 100 | speed over Jaxley's | >= 10 | 25.00, holds |" in rows
    assert len(rows) == 4


def test_steps_and_spikes_of_a_trace():
    trace = np.where(np.arange(4001) % 1000 < 500, -65.0, 20.0)
    assert "| scan | 4000 | 4 | 87.49 |" in report.same_work({"scan": list(trace)})
    assert "| scan | 4000 | 4 | 87.49 |" in report.same_work({"scan": list(trace[1:])})


def test_engines_at_hand(monkeypatch):
    for name in engines.PEERS.values():
        monkeypatch.setenv(name, "/nonexistent")
    assert set(engines.commands("float64")) == {"neurodyn", "scan", "diffeqsolve"}


def test_parts_of_the_page_keep_their_order_and_each_other(tmp_path):
    page = tmp_path / "RESULTS.md"
    results.write_part("Accuracy and time", "one\n\n## two", page)
    results.write_part("Speed", "three", page)
    results.write_part("Speed", "four", page)
    assert page.read_text() == "# Speed\n\nfour\n\n# Accuracy and time\n\none\n\n## two\n"


def test_time_for_an_error():
    points = {0.1: Point(0.01, 1e-1, 0.0), 0.05: Point(0.02, 1e-2, 0.0), 0.025: Point(0.04, 1e-3, 0.0)}
    for error, seconds in ((1e-2, 0.02), (1e-3, 0.04), (1e-4, 0.08)):
        assert abs(work_precision.seconds_for(points, error) / seconds - 1) < 1e-9
