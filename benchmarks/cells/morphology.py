"""The morphology that the engines read: a reconstruction where it is at hand, otherwise a tree made here."""

import math
import os
from pathlib import Path
from typing import NamedTuple


FILE = Path("morphologies") / "jaxley_ca1_n120.swc"  # below NEURODYN_DATA
SOMA, BASAL, APICAL = 1, 3, 4  # types of points in SWC
TURN = math.radians(137.5)  # around the axis from one branch to the next, so that no two coincide
SPREAD = math.radians(30.0)  # of a daughter from its parent


class _Tip(NamedTuple):
    """Where a branch may go on: its last point, the direction it came in, and its radius (um)."""

    point: int
    at: tuple[float, float, float]
    polar: float
    azimuth: float
    radius: float


def recorded_morphology() -> Path | None:
    """The reconstruction of a CA1 pyramidal cell, if it is at hand."""
    path = Path(os.environ.get("NEURODYN_DATA", "")) / FILE
    return path if "NEURODYN_DATA" in os.environ and path.exists() else None


def made_morphology() -> str:
    """SWC text of a tree of 155 sections: a soma, five basal trees of 15, and an apical trunk of nine with eight sides of 7 and a tuft of 14.

    Where a branch forks, the radii of the daughters to the power of 3/2 add up to the parent's (Rall 1959, so that a tree is close to one cable), and the
    daughters turn by fixed angles: the text is always the same.
    """
    lines = ["1 1 0 0 0 8 -1", "2 1 0 8 0 8 1", "3 1 0 16 0 8 2"]
    soma = _Tip(3, (0.0, 16.0, 0.0), 0.0, 0.0, 2.4)
    for i in range(5):
        start = soma._replace(polar=math.radians(125.0), azimuth=i * math.radians(72.0), radius=1.0)
        _tree(lines, _branch(lines, start, BASAL, 30.0), BASAL, 3, 60.0)
    trunk = _branch(lines, soma, APICAL, 40.0)
    for i in range(8):
        side, trunk = _fork(trunk, 0.15, i * TURN, SPREAD, 0.0)
        _tree(lines, _branch(lines, side, APICAL, 50.0), APICAL, 2, 50.0)
        trunk = _branch(lines, trunk, APICAL, 45.0)
    _tree(lines, trunk, APICAL, 3, 50.0)
    return "\n".join(["# A made tree: a soma, basal trees, an apical trunk with sides and a tuft.", *lines, ""])


def _tree(lines: list[str], parent: _Tip, kind: int, forks: int, length: float) -> None:
    """Fork a branch again and again, into equal halves."""
    if forks:
        for daughter in _fork(parent, 0.5, TURN, SPREAD, -SPREAD):
            _tree(lines, _branch(lines, daughter, kind, length), kind, forks - 1, length)


def _fork(parent: _Tip, share: float, turn: float, *bends: float) -> list[_Tip]:
    """Two daughters, of which the first has that share of the parent's `r^(3/2)`."""
    return [
        parent._replace(
            polar=parent.polar + bend, azimuth=parent.azimuth + turn, radius=parent.radius * part ** (2 / 3)
        )
        for bend, part in zip(bends, (share, 1 - share), strict=True)
    ]


def _branch(lines: list[str], start: _Tip, kind: int, length: float, points: int = 4) -> _Tip:
    """Points of one section, straight and of one radius, beginning a bit away from the parent's last."""
    step = length / points
    direction = (
        math.sin(start.polar) * math.cos(start.azimuth),
        math.cos(start.polar),
        math.sin(start.polar) * math.sin(start.azimuth),
    )
    parent, at = start.point, start.at
    for _ in range(points):
        at = tuple(x + step * d for x, d in zip(at, direction, strict=True))
        number = len(lines) + 1
        lines.append(f"{number} {kind} " + " ".join(f"{x:.3f}" for x in at) + f" {start.radius:.4f} {parent}")
        parent = number
    return start._replace(point=parent, at=at)
