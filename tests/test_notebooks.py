"""Every notebook runs from top to bottom, in a short form where it has one, and is stored with its outputs and without errors."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient


NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
#: These compile many models, or fit.
SLOW = {"02_fit_a_recording", "03_fit_an_ann", "04_spikes_and_gradients", "05_zoo", "06_cells"}
#: Of extras, without which a notebook cannot run.
NEEDS = {"02_fit_a_recording": "cma", "03_fit_an_ann": "sklearn"}


def _run(path):
    return pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in SLOW else [])


@pytest.mark.filterwarnings("ignore")  # of the kernel's own machinery
@pytest.mark.parametrize("path", [_run(path) for path in NOTEBOOKS])
def test_notebook_runs(path, tmp_path, monkeypatch):
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem])
    monkeypatch.setenv("NEURODYN_SHORT_NOTEBOOKS", "1")
    monkeypatch.delenv("NEURODYN_RECORDING", raising=False)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = [o for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert not printed, printed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_with_outputs(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any("image/png" in o.get("data", {}) for cell in cells for o in cell.outputs)
    assert not any(o.output_type == "error" for cell in cells for o in cell.outputs)
    assert "/home/" not in path.read_text() and "/root/" not in path.read_text()


def test_there_are_notebooks():
    assert SLOW | NEEDS.keys() < {path.stem for path in NOTEBOOKS}
