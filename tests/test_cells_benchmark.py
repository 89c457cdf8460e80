"""The benchmark of cells asks the same of every engine and reports it right."""

import numpy as np

from benchmarks.cells import bars, engines, morphology, report, work
from benchmarks.cells.engines import Engine, Run
from benchmarks.speed.engines import Cell, variable


V = np.where(np.arange(work.STEPS) % 400 < 200, -65.0, 20.0)
RUN = Run(
    {
        "neurodyn": Engine(0.2, 620, list(V)),
        "jaxley": Engine(10.0, 620, list(V + 1.0)),
        "neuron": Engine(0.1, 310, list(V)),
    },
    {
        ("forward", 16): {
            "neurodyn": Cell(0.01, 1.0, 1e6),
            "jaxley": Cell(0.015, 1.0, 1e6),
            "neuron": Cell(0.04, 0.1, 1e6),
        },
        ("gradient", 16): {"neurodyn": Cell(0.04, 4.0, 1e6), "jaxley": Cell(0.4, 5.0, 1e6)},
    },
)


def test_the_made_tree_is_one_tree_of_155_sections():
    text = morphology.made_morphology()
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    numbers, parents = [int(row[0]) for row in rows], [int(row[6]) for row in rows]
    assert numbers == list(range(1, len(rows) + 1)) and parents[0] == -1
    assert all(0 < parent < number for number, parent in zip(numbers[1:], parents[1:], strict=True))
    children = {number: parents.count(number) for number in numbers}
    # A section ends where the tree forks or ends; the soma's end counts as one fork.
    assert sum(n != 1 for n in children.values()) == 155
    points = {tuple(row[2:5]) for row in rows}
    assert len(points) == len(rows) and min(float(row[5]) for row in rows) > 0.1
    assert text == morphology.made_morphology()


def test_bars_of_cells():
    rows = list(bars.lines({"float32": RUN}))
    assert "| forward | 16 | speed over Jaxley's | >= 2 | 1.50, **falls short** |" in rows
    assert "| forward | 16 | speed over NEURON's | >= 4 | 8.00, holds |" in rows
    assert "| gradient | 16 | time over that of `forward` | <= 4.5 | 4.00, holds |" in rows
    assert "| gradient | 16 | speed over Jaxley's | >= 5 | 10.00, holds |" in rows
    assert "| build | 1 | seconds of building | <= 0.5 | 0.20, holds |" in rows
    assert "| gradient | 16 | seconds of compilation | <= 3 | 4.00, **falls short** |" in rows
    assert len(rows) == 7


def test_tables_of_cells():
    table = report.speeds(RUN)
    assert "| forward | 16 | 794 (1 s) | 529 (1 s) | 99.2 (0.1 s) |" in table
    assert "| gradient | 16 | 198 (4 s) | 19.8 (5 s) |  |" in table
    same = report.same_work(RUN)
    assert "| jaxley | 620 | 10 | 2 | 4.994 | 21.00 | 1.000 |" in same
    assert "| neuron | 310 | 0.1 | 2 | 4.994 | 20.00 | 0.000 |" in same
    page = report.page({"float32": RUN}, "a tree", ["arbor"])
    assert "Not installed: arbor." in page and "The morphology is a tree." in page


def test_engines_of_cells_at_hand(monkeypatch, tmp_path):
    for name in engines.PEERS:
        monkeypatch.setenv(variable(name), "/nonexistent")
    assert set(engines.commands("float64", tmp_path)) == {"neurodyn"}
    assert not engines.commands("float64", tmp_path, ours=False)


def test_where_a_file_begins(tmp_path):
    path = tmp_path / "tree.swc"
    path.write_text(morphology.made_morphology())
    assert work.first_point(str(path)) == (0.0, 0.0, 0.0)
    assert work.amplitudes(1) == [0.75] and work.amplitudes(3) == [0.5, 0.75, 1.0]
