"""Repairs that are made on request only."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .files import MorphologyError, at_line


if TYPE_CHECKING:
    from .pieces import Piece


REPAIRS = {
    "zero_length": "points closer than 1e-6 um to the one before are merged with it, and sections shorter than that are taken out",
    "duplicate_points": "points that repeat the one before, diameter included, are left out",
    "disconnected": "of several unconnected trees the one with the soma is kept, or the largest where none has a soma",
    "radius": "radii from 0 to 0.001 um are set to 0.05 um",
}
SHORTEST = 1e-6  # um
SMALLEST, LARGEST, SUBSTITUTE = 1e-3, 500.0, 0.05  # um, radii; the squid's giant axon is the largest known
FARTHEST = 1e7  # um, coordinates


def check_repairs(repair: str | Sequence[str]) -> frozenset[str]:
    """The names of repairs that are asked for. **Raises:** `ValueError` with the list of those there are."""
    if not isinstance(repair, str | Iterable):
        raise ValueError(f"repair = {repair!r} is not allowed: must be a name or a sequence of names, () for none")
    names = (repair,) if isinstance(repair, str) else tuple(repair)
    for name in names:
        if not isinstance(name, str) or name not in REPAIRS:
            known = "; ".join(f"{key!r} ({what})" for key, what in REPAIRS.items())
            raise ValueError(f"repair = {name!r} is not allowed: must be among {known}")
    return frozenset(names)


def ask(name: str) -> str:
    """What an error says of a repair that would help."""
    return f'or ask for it: repair="{name}" ({REPAIRS[name]})'


def check_numbers(
    source: str | None, label: Callable[[int], str], lines: np.ndarray, points: np.ndarray, radii: np.ndarray
) -> None:
    """Refuse coordinates and radii that are not finite or out of range; label(i) names what stands on line lines[i]."""
    numbers = np.column_stack([points, radii])
    bad = ~np.isfinite(numbers) | (np.abs(numbers) > [FARTHEST, FARTHEST, FARTHEST, LARGEST])
    bad[:, 3] |= numbers[:, 3] < SMALLEST
    if not bad.any():
        return
    i, column = (int(k) for k in np.argwhere(bad)[0])
    name, value = ("x", "y", "z", "radius")[column], numbers[i, column]
    allowed = f"between {SMALLEST:g} and {LARGEST:g} um" if column == 3 else f"within {FARTHEST:g} um"
    hint = "; is the unit um?" if abs(value) > LARGEST else ""
    if column == 3 and 0 <= value < SMALLEST:
        hint = f"; {ask('radius')}"
    raise at_line(
        source, int(lines[i]), f"{label(i)}: {name} = {value:g} um is not allowed: must be finite and {allowed}{hint}"
    )


def mend_radii(radii: np.ndarray, repair: frozenset[str]) -> tuple[np.ndarray, int]:
    """The radii, with the repair "radius" if it is asked for, and how many it changed."""
    small = (radii >= 0) & (radii < SMALLEST)
    if "radius" not in repair or not small.any():
        return radii, 0
    return np.where(small, SUBSTITUTE, radii), int(small.sum())


def radii_note(count: int) -> tuple[str, ...]:
    """What is said of `count` radii that were mended."""
    return (f"radius: {count} radii below {SMALLEST:g} um were set to {SUBSTITUTE:g} um",) if count else ()


def mend_lengths(
    source: str | None, pieces: list["Piece"], repair: frozenset[str]
) -> tuple[list["Piece"], tuple[str, ...], tuple[str, ...]]:
    """Pieces of 1e-6 um or more, the repairs that were made, and a note of steps of the diameter.

    Points at the place of the one before are a step of the diameter, and stay unless a repair is asked for. Where a piece begins with a step, the
    last of its points stays, so that it keeps its own diameter; elsewhere the first.

    **Raises:** `MorphologyError` for a piece without length where its repair is not asked for.
    """
    merged, gone, repeats, repeated = 0, 0, 0, 0
    for piece in _with_short_steps(pieces):
        steps = np.sqrt((np.diff(piece.points, axis=0) ** 2).sum(1))
        if "zero_length" not in repair and steps.sum() < SHORTEST:
            raise _short(source, piece, float(steps.sum()))
        short = steps < SHORTEST
        same = (steps == 0) & (np.diff(piece.diameters) == 0)
        drop = short if "zero_length" in repair else same & ("duplicate_points" in repair)
        merged += int(drop.sum())
        if (short & ~drop).any():
            repeats, repeated = repeats + int((short & ~drop).sum()), repeated or int(piece.lines[1:][short & ~drop][0])
        first = len(drop) if drop.all() else int(np.argmin(drop))
        keep = np.concatenate([[False], ~drop])
        keep[first] = True
        piece.points, piece.diameters, piece.lines = piece.points[keep], piece.diameters[keep], piece.lines[keep]
        gone += len(piece.points) < 2
    notes = ()
    if repeats:
        where = f", the first on line {repeated}" if repeated else ""
        what = "steps of the diameter, whose ring counts as area (as in NEURON)"
        notes = (f"{repeats} points lie at the place of the one before{where}: {what}",)
    if not merged and not gone:
        return pieces, (), notes
    name = "zero_length" if "zero_length" in repair else "duplicate_points"
    done = f"{name}: {merged} points at the place of the one before were merged with it"
    done += f", {gone} sections without length taken out" if gone else ""
    return _without_points(source, pieces), (done,), notes


def _with_short_steps(pieces: list["Piece"]) -> list["Piece"]:
    """Those with one point, or with two in a row at one place."""
    sizes = np.array([len(piece.points) for piece in pieces])
    ends = np.cumsum(sizes)
    points = np.concatenate([piece.points for piece in pieces])
    steps = np.sqrt((np.diff(points, axis=0) ** 2).sum(1))
    steps[ends[:-1] - 1] = np.inf  # from one piece to the next
    short = np.searchsorted(ends, np.flatnonzero(steps < SHORTEST), side="right")
    return [pieces[i] for i in np.union1d(short, np.flatnonzero(sizes < 2)).tolist()]


def _short(source: str | None, piece: "Piece", length: float) -> MorphologyError:
    x, y, z = piece.points[-1]
    return at_line(
        source,
        int(piece.lines[-1]),
        f"the section of type {piece.type} that ends at ({x:g}, {y:g}, {z:g}) is {length:g} um long, must be at least {SHORTEST:g} um: "
        f"move its points or leave them out, {ask('zero_length')}",
    )


def _without_points(source: str | None, pieces: list["Piece"]) -> list["Piece"]:
    """Pieces of two points or more; what a shorter one carried goes to its parent."""
    kept: list[Piece] = []
    # The index among the kept, and where on it what was carried goes; None for where it was.
    where: list[tuple[int, float | None]] = []
    for piece in pieces:
        parent, at = where[piece.parent] if piece.parent >= 0 else (-1, None)
        at = piece.at if at is None else at
        if len(piece.points) < 2:
            if parent < 0:
                raise at_line(
                    source,
                    int(piece.lines[0]),
                    "the root section has no length, and what it carries would have no root",
                )
            where.append((parent, at))
            continue
        piece.parent, piece.at = parent, at
        where.append((len(kept), None))
        kept.append(piece)
    return kept
