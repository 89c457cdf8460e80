"""The page `benchmarks/RESULTS.md`, of which each benchmark writes its own part."""

import contextlib
import os
import platform
import re
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path


PAGE = Path(__file__).parent / "RESULTS.md"
#: The parts in their order: each is a heading of the first level.
PARTS = (
    "Speed",
    "Accuracy and time",
    "Resets",
    "Cells",
    "Fits to spike times",
    "Fits to voltage traces",
    "Fits to voltage clamps",
    "Fits to a patch recording",
    "Fits to networks",
    "Fits to spike trains of a receptor",
)


def write_part(title: str, text: str, page: Path = PAGE) -> None:
    """Put a part on the page, in its place among those already there."""
    parts = {title: text.strip()}
    if page.exists():
        for part in re.split(r"^# ", page.read_text(), flags=re.MULTILINE)[1:]:
            name, _, body = part.partition("\n")
            parts.setdefault(name, body.strip())
    page.write_text("\n\n".join(f"# {name}\n\n{parts[name]}" for name in PARTS if name in parts) + "\n")


@contextlib.contextmanager
def part(title: str, write: bool) -> Iterator[Callable[[str], None]]:
    """What prints a line at once; and, at the end and if wanted, all of them as a part of the page, below what they were measured on."""
    lines: list[str] = []

    def say(line: str = "") -> None:
        print(line, flush=True)
        lines.append(line)

    yield say
    if write:
        write_part(title, "\n".join([machine(), "", *lines]))


def processor() -> str:
    """What the processor calls itself, and the widest vectors it works on: what two machines of one name may differ in."""
    name, flags = platform.processor() or platform.machine(), ""
    if os.path.exists("/proc/cpuinfo"):
        fields = dict(re.findall(r"^(model name|flags)\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
        name, flags = fields.get("model name", name), fields.get("flags", "")
    vectors = {"avx512f": "AVX-512", "avx2": "AVX2"}
    return ", ".join([name, *[label for flag, label in vectors.items() if flag in flags.split()][:1]])


def machine() -> str:
    """Processor and versions, on one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("neurodyn", "jax", "jaxlib", "equinox", "diffrax"))
    return f"{processor()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}; {versions}."
