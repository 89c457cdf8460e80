"""The runner of the evidence page."""

import importlib
import sys
from pathlib import Path

import jax
import pytest


@pytest.fixture(scope="module")
def evidence():
    """The registry and the runner. They live beside the package and are not installed, so the root of the checkout is put on the path."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    try:
        yield tuple(importlib.import_module(f"benchmarks.evidence.{name}") for name in ("registry", "runner"))
    finally:
        sys.path.pop(0)


def _claim(registry, measure, group="models", text="a claim | with a bar"):
    return registry.Claim(group, text, "< 1", "closed form", measure)


def test_a_real_claim_is_measured(evidence, tmp_path, capsys):
    _, runner = evidence
    page = tmp_path / "EVIDENCE.md"
    assert runner.main(["--only", "alpha_m and its slope"], page) == 0
    out = capsys.readouterr().out
    assert "models: HH: alpha_m and its slope at -40 mV" in out
    assert "1, 0.05; bar 1, 0.05 +- 1e-12: holds" in out
    assert not page.exists()  # a part of the claims is not the page


def test_a_pattern_without_a_match_writes_nothing(evidence, tmp_path, capsys):
    _, runner = evidence
    assert runner.main(["--only", "no such claim"], tmp_path / "EVIDENCE.md") == 0
    assert "no claim matches" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_full_run_writes_every_verdict(evidence, tmp_path, monkeypatch, capsys):
    registry, runner = evidence

    def broken():
        raise FloatingPointError("it went wrong")

    claims = [
        _claim(registry, lambda: (0.5, True)),
        _claim(registry, lambda: (2.0, False)),
        _claim(registry, broken),
        _claim(registry, lambda: ("1.10 times", None, "| a | table |"), group="speed"),
    ]
    monkeypatch.setattr(runner, "REGISTRY", claims)
    page = tmp_path / "EVIDENCE.md"
    assert runner.main([], page) == 0
    assert "falls short (error: FloatingPointError: it went wrong)" in capsys.readouterr().out
    text = page.read_text()
    assert "1 hold, 2 fall short, 1 are reported" in text
    assert "| a claim \\| with a bar | 0.5 | < 1 | holds | closed form |" in text
    assert "| a claim \\| with a bar |  | < 1 | falls short (error: FloatingPointError: it went wrong) |" in text
    assert "## Speed" in text
    assert "| a | table |" in text
    assert f"jax {jax.__version__}" in text
    assert list(tmp_path.iterdir()) == [page]


def test_each_group_has_its_precision(evidence):
    registry, runner = evidence
    before = jax.config.read("jax_enable_x64")
    for group, expected in (("models", "float64"), ("speed", "float32")):
        measured = runner.check(_claim(registry, lambda: (str(jax.numpy.zeros(()).dtype), True), group))
        assert measured.figure == expected
    assert jax.config.read("jax_enable_x64") == before


def test_claims_are_distinct(evidence):
    registry, runner = evidence
    for group in runner.GROUPS:
        importlib.import_module(f"benchmarks.evidence.{group}")
    names = [(claim.group, claim.text) for claim in registry.REGISTRY]
    assert len(names) == len(set(names))
    assert {claim.group for claim in registry.REGISTRY} == set(runner.GROUPS)
