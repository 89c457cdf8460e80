"""The benchmarks compare equal work and report it right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import results
from benchmarks.resets import (
    bars as reset_bars,
    engines as reset_engines,
    layer,
    layer_worker,
    models,
    population,
    report as resets,
)
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
    for name in engines.PEERS:
        monkeypatch.setenv(engines.variable(name), "/nonexistent")
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


@pytest.mark.slow
def test_exact_resets_and_others_do_the_same_work():
    for name in models.SUBJECTS:
        counts = []
        for reset in models.RESETS:
            function, arguments = models.work(name, reset, 0.05, "forward", 2, t1=40.0)
            counts.append(np.asarray(jax.jit(function)(*arguments)))
        assert counts[0].shape == (2,) and counts[0].max() > 0
        np.testing.assert_allclose(*counts, atol=2)
    function, arguments = models.work("LIF", "exact", 0.1, "gradient", 2, t1=20.0)
    _, gradient = jax.jit(function)(*arguments)
    assert gradient.resistance > 0 and jnp.isfinite(gradient.threshold)


def test_both_ways_to_keep_spikes_keep_the_same():
    found = [
        jax.jit(function)(drives) for function, drives in (population.work(way, 3, 60.0) for way in population.WAYS)
    ]
    assert found[0][0].count.tolist() == found[1][0].count.tolist() and max(found[0][0].count) > 0
    np.testing.assert_allclose(found[0][0].times, found[1][0].times, rtol=1e-12)


def test_the_layer_is_right():
    x = layer.currents(5)
    times = np.asarray(jax.jit(layer_worker.ENGINES["fixed"])(jnp.asarray(x)))
    expected, derivatives = layer.exact(x)
    np.testing.assert_allclose(times, expected, atol=1e-9)
    answer = np.concatenate([expected.ravel(), derivatives])
    assert layer.errors(x, answer) == (0.0, 0.0)
    answer[0] = np.inf  # a spike is missing
    assert np.isnan(layer.errors(x, answer)).all()
    assert np.abs(layer.spikes(layer.currents()) - layer.T1).min() > layer.CLEAR


def test_tables_of_resets():
    fast, slow = Cell(0.01, 1.0, 0.0), Cell(0.04, 5.0, 0.0)
    cells: reset_bars.Cells = {
        (model, 0.1, kind): {"grid": fast, "exact": slow}
        for model in models.SUBJECTS
        for kind in ("forward", "gradient")
    }
    summary = resets.summary({"float32": cells}, 1000)
    assert "| LIF | 0.1 | exact, million neuron-steps per second | >= 100 | 50, **falls short** |" in summary
    assert "| AdEx | 0.1 | time over that with resets at the ends of steps | <= 5 | 4, holds |" in summary
    assert "| HH | 0.1 | time over that with resets at the ends of steps | <= 3 | 4, **falls short** |" in summary
    assert "| HH | 0.1 | gradient | 200 (1.0 s) | 50 (5.0 s) | 4.00 |" in resets.speeds(cells, 1000)
    rows = {"fixed": reset_engines.Row(fast, slow, 1e-5, 1e-6), "tsit5": reset_engines.Row(slow, slow, np.nan, np.nan)}
    table = resets.compared(rows)
    assert "| 10 (1.0 s) | 40 (5.0 s) | 1.0e-05 | 1.0e-06 |" in table
    assert "| other spikes | other spikes |" in table
    kept = {
        "neurons": 10,
        "seconds": 2.0,
        "compiling": 1.0,
        "rate": 5e7,
        "megabytes": 8.0,
        "output": 4.0,
        "spikes": 99,
        "ok": True,
    }
    page = resets.page({"float32": cells}, 1000, {"grid": [1.0] * 3, "exact": [2.0] * 3}, {"buffer": kept}, rows)
    assert "| buffer | 2 | 50 | 1.0 | 8 | 4 | 99 |" in page
    assert "LIF 1 (grid), 2 (exact)" in page and "Not installed: network" in page
