"""Runs claims, prints each as it ends, and writes the page."""

import argparse
import dataclasses
import datetime
import fnmatch
import importlib
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from ..results import processor
from .registry import REGISTRY, SINGLE_PRECISION, Claim, Figure, precision


PAGE = Path(__file__).resolve().parent.parent / "EVIDENCE.md"
GROUPS = ("models", "collection", "events", "solvers", "gradients", "cells", "fitting", "speed", "sweeps")
HOLDS, SHORT, REPORTED = "holds", "falls short", "reported"


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a claim."""

    claim: Claim
    figure: str
    verdict: str
    seconds: float
    details: str = ""


def _text(figure: Figure) -> str:
    return figure if isinstance(figure, str) else f"{figure:.3g}"


def check(claim: Claim) -> Result:
    """Measure one claim. An error counts as falling short."""
    began = time.monotonic()
    try:
        with precision(claim.precision):
            figure, holds, *details = claim.measure()
        verdict = REPORTED if holds is None else HOLDS if holds else SHORT
        text = _text(figure)
    except Exception as error:  # one broken claim must not hide the others
        reason = (str(error).splitlines() or [""])[0]
        text, verdict, details = "", f"{SHORT} (error: {type(error).__name__}: {reason})", []
    return Result(claim, text, verdict, time.monotonic() - began, "\n".join(details))


def matching(claims: Sequence[Claim], pattern: str | None) -> list[Claim]:
    """The claims whose `group: text` holds the pattern (`*` and `?` as in file names, case ignored)."""
    wanted = f"*{pattern or ''}*".lower()
    return [claim for claim in claims if fnmatch.fnmatchcase(f"{claim.group}: {claim.text}".lower(), wanted)]


def run(claims: Sequence[Claim]) -> list[Result]:
    """Measure claims in turn, a line printed for each."""
    results = []
    for claim in claims:
        result = check(claim)
        figure = f"{result.figure}; " if result.figure else ""
        print(
            f"{claim.group}: {claim.text}: {figure}bar {claim.bar}: {result.verdict} [{result.seconds:.1f} s]",
            flush=True,
        )
        if result.details:
            print(result.details, flush=True)
        results.append(result)
    return results


def environment() -> list[str]:
    """Machine, versions, precision and date, a line each."""
    parts = ("neurodyn", "jax", "jaxlib", "equinox", "diffrax", "optax")
    versions = ", ".join(f"{part} {metadata.version(part)}" for part in parts)
    return [
        f"Machine: {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        f"Versions: Python {platform.python_version()}, {versions}",
        f"XLA_FLAGS: `{os.environ.get('XLA_FLAGS', '')}`",
        f"Precision: float64; {', '.join(SINGLE_PRECISION)} in float32",
        f"Date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def page(results: Sequence[Result]) -> str:
    """The report in Markdown."""
    count = {verdict: sum(r.verdict.startswith(verdict) for r in results) for verdict in (HOLDS, SHORT, REPORTED)}
    lines = ["# Evidence", "", "Written by `make evidence`; every figure was measured in that run.", ""]
    lines += [f"- {line}" for line in environment()]
    total = sum(r.seconds for r in results)
    lines += [
        f"- {count[HOLDS]} hold, {count[SHORT]} fall short, {count[REPORTED]} are reported without a bar; {total:.0f} s"
    ]
    for group in dict.fromkeys(r.claim.group for r in results):
        lines += ["", f"## {group.capitalize()}", ""]
        lines += ["| claim | figure | bar | | source | s |", "|---|---|---|---|---|---:|"]
        mine = [r for r in results if r.claim.group == group]
        for r in mine:
            cells = (r.claim.text, r.figure, r.claim.bar, r.verdict, r.claim.source, f"{r.seconds:.1f}")
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        for r in mine:
            if r.details:
                lines += ["", f"{r.claim.text}:", "", r.details]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main(arguments: Sequence[str] | None = None, path: Path = PAGE) -> int:
    """The command line. Returns 0 whatever the claims come to: falling short is a result."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evidence", description="Measure what the project claims."
    )
    parser.add_argument(
        "--only", metavar="PATTERN", help="only claims whose 'group: text' holds this; nothing is written"
    )
    parser.add_argument("--list", action="store_true", help="print the claims and their bars without measuring")
    options = parser.parse_args(arguments)
    for group in GROUPS:
        importlib.import_module(f".{group}", __package__)
    claims = matching(REGISTRY, options.only)
    if options.list:
        for claim in claims:
            print(f"{claim.group}: {claim.text}: bar {claim.bar} ({claim.source})")
        return 0
    if not claims:
        print(f"no claim matches {options.only!r}; see --list")
        return 0
    results = run(claims)
    if options.only is None:
        write(path, page(results))
        print(f"Written to {path}")
    return 0
