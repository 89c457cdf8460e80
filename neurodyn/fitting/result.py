"""What a fit returns."""

import dataclasses
from typing import Any

import numpy as np

from .identifiability import RankReport


@dataclasses.dataclass(frozen=True)
class History:
    """Per step of a fit and per start, shape (steps made, starts).

    **Fields:** `loss`; `gradient_norm`; `skipped`, whether the gradient was not finite and no update was made; `fraction`, how much of the fit was
    over, shape (steps made,): losses are comparable within a stage.
    """

    loss: np.ndarray
    gradient_norm: np.ndarray
    skipped: np.ndarray
    fraction: np.ndarray


@dataclasses.dataclass(frozen=True)
class FittedParameter:
    """One trained parameter before and after."""

    path: str
    unit: str
    before: Any
    after: Any
    at_bound: bool


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The outcome of `fit`.

    **Fields:**

    - `model`: the best model found; a model like the one given.
    - `loss`: its loss: that of the last stage, or the exact one where the fit was polished.
    - `reason`: why the fit stopped.
    - `parameters`: the trained parameters before and after.
    - `best_start`: which start it came from.
    - `losses`: the best loss of every start at the last stage, shape (starts,); inf where a start never had one.
    - `polished`: the exact losses of the starts that were polished (inf for the others), or None.
    - `values`: the trained values of every start, by path, shape (starts, ...).
    - `history`: `History`.
    - `rank`: `RankReport` at the model given, or None when it was not asked for.
    - `seconds`: how long it took, compilation included.
    """

    model: Any
    loss: float
    reason: str
    parameters: tuple[FittedParameter, ...]
    best_start: int
    losses: np.ndarray
    polished: np.ndarray | None
    values: dict[str, np.ndarray]
    history: History
    rank: RankReport | None
    seconds: float

    @property
    def skipped(self) -> int:
        """How many updates were skipped because a gradient was not finite."""
        return int(self.history.skipped.sum())

    def __repr__(self) -> str:
        width = max(len(p.path) for p in self.parameters)
        lines = [
            f"FitResult: loss {self.loss:.4g} ({self.reason}), {self.seconds:.1f} s, {self.skipped} updates skipped"
        ]
        for p in self.parameters:
            before, after = np.asarray(p.before), np.asarray(p.after)
            text = f"{before:.5g} -> {after:.5g}" if before.ndim == 0 else f"array {before.shape}"
            lines.append(f"  {p.path:{width}}  {text} {p.unit}{'  (at a bound)' if p.at_bound else ''}".rstrip())
        return "\n".join(lines)
