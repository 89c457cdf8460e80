"""From branches and the points of a soma, as Neurolucida and HDF5 files have them, to a morphology."""

from collections import Counter
from itertools import pairwise

import numpy as np

from .asc import Branch, Outline
from .contour import from_outline, from_stack
from .files import at_line
from .morphology import Morphology
from .pieces import Piece, finish
from .repair import ask, check_numbers, mend_radii, radii_note
from .section import SOMA


_MARGIN = 0.5  # um around the outline of a soma within which a tree is taken to begin on it


def assemble(
    source: str | None, branches: list[Branch], soma: Piece | None, bounds: np.ndarray | None, repair: frozenset[str]
) -> Morphology:
    """A morphology from branches, parents before children, whose first point may repeat the last of their parent.

    Trees are attached to the middle of the soma, with their own first point as the beginning. Branches that begin elsewhere than their parent
    ends get its last point in front, with their own first diameter (NEURON's Import3d).

    **Arguments:** `source`; `branches`; `soma`; its `bounds` in the xy plane, shape (2, 2), or None where they are not known; `repair`.

    **Raises:** `MorphologyError`.
    """
    branches, repairs = _one_tree(source, branches, soma, repair)
    if soma is None and not branches:
        raise at_line(source, 0, "has neither a soma nor a branch")
    pieces = [soma] if soma is not None else []
    offset, notes, mended = len(pieces), [], 0
    for number, branch in enumerate(branches):
        table, lines = branch.array(), np.array(branch.lines)
        radii, small = mend_radii(table[:, 3] / 2, repair)
        mended += small
        check_numbers(source, lambda i, k=number + offset: f"point {i} of section {k}", lines, table[:, :3], radii)
        points, diameters, carried = table[:, :3], 2 * radii, branch.parent >= 0
        parent = branch.parent + offset if carried else offset - 1
        if carried and (pieces[parent].points[-1] != points[0]).any():
            points = np.concatenate([pieces[parent].points[-1:], points])
            diameters, lines = np.concatenate([diameters[:1], diameters]), np.concatenate([lines[:1], lines])
        elif not carried and bounds is not None and ((points[0, :2] < bounds[0]) | (points[0, :2] > bounds[1])).any():
            notes.append(f"section {number + offset} begins outside of the soma and is attached to its middle")
        pieces.append(Piece(points, diameters, lines, branch.type, parent, 1.0 if carried else 0.5))
    return finish(source, pieces, repair, (*repairs, *radii_note(mended)), tuple(notes))


def soma_of_outlines(source: str | None, outlines: list[Outline]) -> tuple[Piece | None, np.ndarray | None]:
    """The soma with an outline or a stack of them, and its bounds in the xy plane.

    **Raises:** `MorphologyError` for outlines that lie apart: several somata.
    """
    if not outlines:
        return None, None
    for outline in outlines:
        n = len(outline.points)
        check_numbers(source, lambda i: "an outline of the soma", np.full(n, outline.line), outline.points, np.ones(n))
    boxes = [np.array([outline.points[:, :2].min(0), outline.points[:, :2].max(0)]) for outline in outlines]
    for (a, b), outline in zip(pairwise(boxes), outlines[1:], strict=True):
        if (a[0] > b[1]).any() or (b[0] > a[1]).any():
            raise at_line(
                source,
                outline.line,
                "the outline of another soma, must be one: outlines of one soma overlap in the xy plane",
            )
    shapes = [outline.points for outline in outlines]
    try:
        points, diameters = from_outline(shapes[0]) if len(shapes) == 1 else from_stack(shapes)
    except ValueError as error:
        raise at_line(source, outlines[0].line, str(error)) from None
    lines = np.full(len(points), outlines[0].line)
    bounds = np.array([np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)])
    margin = _MARGIN if len(outlines) == 1 else 0.0  # as NEURON has it
    return Piece(points, diameters, lines, SOMA, -1, 0.5), bounds + [[-margin], [margin]]


def _one_tree(
    source: str | None, branches: list[Branch], soma: Piece | None, repair: frozenset[str]
) -> tuple[list[Branch], tuple[str, ...]]:
    """The branches; without a soma to hold them, those of one tree."""
    roots = [i for i, branch in enumerate(branches) if branch.parent < 0]
    if soma is not None or len(roots) < 2:
        return branches, ()
    if "disconnected" not in repair:
        raise at_line(
            source,
            branches[roots[1]].line,
            f"there is no soma and {len(roots)} trees, must be one cell: add the soma, {ask('disconnected')}",
        )
    tree = list(range(len(branches)))
    for i, branch in enumerate(branches):
        tree[i] = tree[branch.parent] if branch.parent >= 0 else i
    size = Counter(tree)
    best = max(roots, key=lambda root: size[root])
    kept = [i for i in range(len(branches)) if tree[i] == best]
    place = {old: new for new, old in enumerate(kept)}
    for i in kept:
        branches[i].parent = place.get(branches[i].parent, -1)
    return [branches[i] for i in kept], (
        f"disconnected: {len(roots) - 1} trees with {len(branches) - len(kept)} branches were left out",
    )
