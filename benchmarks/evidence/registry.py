"""What a claim is, and the list of them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeAlias

import jax


Figure: TypeAlias = float | str
#: A figure, whether it holds (None where there is no bar), and optionally lines of Markdown to stand below the table.
Outcome: TypeAlias = tuple[Figure, bool | None] | tuple[Figure, bool | None, str]

#: Groups that run in float32, which is what fits and sweeps use; the rest needs float64.
SINGLE_PRECISION = ("fitting", "speed", "sweeps")


@dataclasses.dataclass(frozen=True)
class Claim:
    """Something the project says of itself, and the function that measures it."""

    group: str
    text: str
    bar: str
    source: str
    measure: Callable[[], Outcome]

    @property
    def precision(self) -> str:
        return "float32" if self.group in SINGLE_PRECISION else "float64"


REGISTRY: list[Claim] = []


def claim(group: str, text: str, bar: str, source: str) -> Callable[[Callable[[], Outcome]], Callable[[], Outcome]]:
    """Register a function that measures a claim; the order of the report is that of registration."""

    def register(measure: Callable[[], Outcome]) -> Callable[[], Outcome]:
        REGISTRY.append(Claim(group, text, bar, source, measure))
        return measure

    return register


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """JAX's default floating type inside the block: `"float32"` or `"float64"`."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", name == "float64")
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)
