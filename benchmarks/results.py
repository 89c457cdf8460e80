"""The page `benchmarks/RESULTS.md`, of which each benchmark writes its own part."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path


PAGE = Path(__file__).parent / "RESULTS.md"
#: The parts in their order: each is a heading of the first level.
PARTS = ("Speed", "Accuracy and time", "Resets")


def write_part(title: str, text: str, page: Path = PAGE) -> None:
    """Put a part on the page, in its place among those already there."""
    parts = {title: text.strip()}
    if page.exists():
        for part in re.split(r"^# ", page.read_text(), flags=re.MULTILINE)[1:]:
            name, _, body = part.partition("\n")
            parts.setdefault(name, body.strip())
    page.write_text("\n\n".join(f"# {name}\n\n{parts[name]}" for name in PARTS if name in parts) + "\n")


def machine() -> str:
    """Processor and versions, on one line."""
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            cpu = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), cpu)
    versions = ", ".join(f"{name} {version(name)}" for name in ("neurodyn", "jax", "jaxlib", "equinox", "diffrax"))
    return f"{cpu}, {platform.system()} {platform.machine()}, Python {platform.python_version()}; {versions}."
