"""Every Python block of the README runs, in order, in one fresh interpreter."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_python_blocks_run(tmp_path):
    script = "import matplotlib; matplotlib.use('Agg')\nimport neurodyn as nd; nd.configure_cpu()\n" + "\n".join(BLOCKS)
    out = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr[-3000:]
    assert "FitResult" in out.stdout and "ms per mV" in out.stdout
    assert (tmp_path / "fitted.json").exists()


def test_there_are_python_blocks():
    assert len(BLOCKS) >= 5
    assert len(BLOCKS[0].strip().splitlines()) <= 9  # the first screen stays short


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", README, re.MULTILINE))))
def test_make_targets_exist(target):
    name = target[0] or target[1]
    assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)h][^)]*)\)", README))))
def test_local_links_lead_somewhere(link):
    assert (ROOT / link).exists(), link
