"""The SWC format: seven columns that name a sample, its type, place, radius and parent (Cannon, Turner, Pyapali & Wheal 1998)."""

import array
import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from .files import MorphologyError, at_line, split_ends
from .morphology import Morphology
from .pieces import finish
from .repair import ask, check_numbers, check_repairs, mend_radii, radii_note
from .tree import pieces_of


_COLUMNS = "id type x y z radius parent"
_WHOLE = re.compile(r"([+-]?\d{1,40})(\.0*)?")
_SCALE = re.compile(r"#[ \t]*SCALE[ \t:=]+(\S+)[ \t]+(\S+)[ \t]+(\S+)", re.IGNORECASE)
_LARGEST_TYPE = 2**31 - 1


@dataclasses.dataclass
class Samples:
    """The samples of a file in its order: ids, types, places (n, 3), radii, ids of the parents, lines."""

    ids: list[int]
    types: np.ndarray
    points: np.ndarray
    radii: np.ndarray
    parents: list[int]
    lines: np.ndarray

    def take(self, order: Sequence[int] | np.ndarray) -> "Samples":
        order = np.asarray(order, int)
        ids, parents = ([values[i] for i in order.tolist()] for values in (self.ids, self.parents))
        return Samples(ids, self.types[order], self.points[order], self.radii[order], parents, self.lines[order])


def from_swc(text: str, *, repair: str | Sequence[str] = (), source: str | None = None) -> Morphology:
    """A morphology from text in the SWC format.

    Every line that is not blank and not a comment (from `#` to its end) holds seven numbers: id, type, x, y, z, radius (um) and the id of the parent,
    -1 for the root. Columns are parted by blanks or tabs. Ids are any different integers >= 0 (`12.0` is read as 12) and need no order: where
    parents stand before their children the order of the lines is kept, else samples are taken depth first, the soma's before others.

    Sections, their types and places are those of NEURON's Import3d (9.0.2): a section ends where the tree branches or the type changes. A soma of one
    sample is a cylinder of length and diameter 2 radius along x; one of three, of which the first is the middle and the others lie on its surface (NeuroMorpho.Org),
    is the same; one of more is the row of cones through its samples, from the first on; where it branches, it has several sections. Sections
    begin at the sample that carries them, with its diameter, but those on a soma with the diameter of their own first sample, and those on a
    soma of one sample, on the inside of one, or where one branches, at their own first sample.
    As there, a run of samples is cut into two sections where the lines leave it and come back to it, and a scale in the header is not applied (it is noted).
    Other than there the first two samples of a soma stay together wherever their lines stand, no section mixes types, and branches of one sample are not
    lost.

    **Arguments:** `text`; `repair`, the names of repairs to make, see `read`; `source`, what errors call the text.

    **Raises:** `MorphologyError` with the line, the value and what is allowed.
    """
    wanted = check_repairs(repair)
    if not isinstance(text, str):
        raise MorphologyError(
            f"text of type {type(text).__name__} is not allowed: must be a string; read(path) reads files"
        )
    lines = split_ends(text.removeprefix("\ufeff")).split("\n")
    samples = _parse(source, lines)
    index = _index(source, samples)
    samples, repairs = _one_tree(source, samples, index, wanted)
    samples.radii, mended = mend_radii(samples.radii, wanted)
    check_numbers(source, lambda i: f"sample {samples.ids[i]}", samples.lines, samples.points, samples.radii)
    samples, parents = _ordered(source, samples)
    _check_soma(source, samples, parents)
    pieces = pieces_of(samples.types, samples.points, 2 * samples.radii, parents, samples.lines)
    return finish(source, pieces, wanted, (*repairs, *radii_note(mended)), _notes(text, lines, len(samples.ids)))


def _notes(text: str, lines: list[str], count: int) -> tuple[str, ...]:
    """A last line without an end, and a scale other than 1."""
    notes = []
    if lines[-1] != "":
        notes.append(f"line {len(lines)} has no end: if the file was cut short, it was after {count} samples")
    scale = _SCALE.search(text)
    if scale and not all(_is_number(factor) and float(factor) == 1 for factor in scale.groups()):
        notes.append(f"the header has {scale[0]!r}, which is not applied: the numbers are taken for um as they stand")
    return tuple(notes)


def _parse(source: str | None, lines: list[str]) -> Samples:
    ids, types, parents, numbers, places = [], [], [], array.array("d"), array.array("q")
    for number, line in enumerate(lines, start=1):
        data = line.partition("#")[0].replace("\t", " ")
        cells = data.split()
        if not cells:
            continue
        if not (data.isascii() and data.isprintable()) or "_" in data:
            raise at_line(
                source, number, f"{_shown(line)} has characters that no number has, must be seven numbers: {_COLUMNS}"
            )
        if len(cells) != 7:
            hint = "; columns are parted by blanks or tabs" if len(cells) == 1 else ""
            hint += ", and read(path) reads a file" if hint and not source else ""
            raise at_line(source, number, f"{_shown(line)} has {len(cells)} columns, must have 7: {_COLUMNS}{hint}")
        try:
            ids.append(int(cells[0]))
            types.append(int(cells[1]))
            parents.append(int(cells[6]))
        except ValueError:
            del ids[len(places) :], types[len(places) :], parents[len(places) :]
            for column, name, values in ((0, "id", ids), (1, "type", types), (6, "parent", parents)):
                values.append(_whole(source, number, name, cells[column]))
        try:
            numbers.extend((float(cells[2]), float(cells[3]), float(cells[4]), float(cells[5])))
        except ValueError:
            bad = next(i for i in range(2, 6) if not _is_number(cells[i]))
            raise at_line(
                source, number, f"sample {ids[-1]}: {_COLUMNS.split()[bad]} = {_shown(cells[bad])} is not a number"
            ) from None
        places.append(number)
        if ids[-1] < 0 or not 0 <= types[-1] <= _LARGEST_TYPE:
            name, value = ("id", ids[-1]) if ids[-1] < 0 else ("type", types[-1])
            raise at_line(
                source,
                number,
                f"sample {ids[-1]}: {name} = {value} is not allowed: must be an integer from 0"
                + (f" to {_LARGEST_TYPE}" if name == "type" else ""),
            )
    if not ids:
        raise at_line(
            source, 0, f"has no samples: it holds comments and blank lines only; every sample is a line of {_COLUMNS}"
        )
    table = np.array(numbers).reshape(-1, 4)
    return Samples(ids, np.array(types), table[:, :3], table[:, 3], parents, np.array(places))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(source: str | None, line: int, name: str, text: str) -> int:
    match = _WHOLE.fullmatch(text)
    if not match:
        raise at_line(source, line, f"{name} = {_shown(text)} is not allowed: must be an integer")
    return int(match[1])


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _index(source: str | None, samples: Samples) -> dict[int, int]:
    """The place of every id."""
    index = {id: i for i, id in enumerate(samples.ids)}
    if len(index) < len(samples.ids):
        first: dict[int, int] = {}
        for i, id in enumerate(samples.ids):
            if first.setdefault(id, i) != i:
                raise at_line(
                    source,
                    int(samples.lines[i]),
                    f"sample {id}: the id stands on line {samples.lines[first[id]]} already, must be different from all others",
                )
    return index


def _one_tree(
    source: str | None, samples: Samples, index: dict[int, int], repair: frozenset[str]
) -> tuple[Samples, tuple[str, ...]]:
    """The samples, of which one is the root and has parent -1."""
    roots = []
    for i, (id, parent) in enumerate(zip(samples.ids, samples.parents, strict=True)):
        line = int(samples.lines[i])
        if parent == id:
            raise at_line(
                source, line, f"sample {id}: is its own parent, must be carried by another sample or by -1, the root"
            )
        if parent == -1:
            roots.append(i)
        elif parent not in index:
            if "disconnected" not in repair:
                known = "there is no such sample" if parent >= 0 else "only -1 stands for none"
                raise at_line(
                    source,
                    line,
                    f"sample {id}: parent = {parent} is not allowed: {known}; correct it, {ask('disconnected')}",
                )
            roots.append(i)
    if not roots:
        raise at_line(source, int(samples.lines[0]), "no sample has parent -1, one must: the root")
    if len(roots) == 1 and samples.parents[roots[0]] == -1:
        return samples, ()
    if "disconnected" not in repair:
        where = ", ".join(f"{samples.ids[i]} (line {samples.lines[i]})" for i in roots[:4]) + (
            ", ..." if len(roots) > 4 else ""
        )
        raise at_line(
            source,
            int(samples.lines[roots[1]]),
            f"{len(roots)} samples have no parent, one must: {where}; connect them, {ask('disconnected')}",
        )
    return _largest(source, samples, index, roots)


def _largest(
    source: str | None, samples: Samples, index: dict[int, int], roots: list[int]
) -> tuple[Samples, tuple[str, ...]]:
    """The tree with the soma, or the largest."""
    parents = [index.get(parent, -1) for parent in samples.parents]
    order = np.array(_depth_first(samples, parents, roots))
    if len(order) < len(parents):
        raise _cycle(source, samples, parents, set(order.tolist()))
    starts = np.flatnonzero(np.isin(order, roots))  # where the trees begin, which follow one another
    trees, somata = np.split(order, starts[1:]), np.logical_or.reduceat(samples.types[order] == 1, starts)
    best = max(range(len(trees)), key=lambda k: (somata[k], len(trees[k])))
    samples.parents[roots[best]] = -1
    kept = samples.take(np.sort(trees[best]))
    lost = len(samples.ids) - len(kept.ids)
    return kept, (
        f"disconnected: {len(roots) - 1} trees with {lost} samples were left out, the one of sample {samples.ids[roots[best]]} kept",
    )


def _depth_first(samples: Samples, parents: list[int], roots: list[int]) -> list[int]:
    """The samples of one tree after the other; in each the soma's before others and else in the order of their lines."""
    soma = (samples.types == 1).tolist()
    children: list[list[int]] = [[] for _ in parents]
    for i, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(i)
    order, stack = [], roots[::-1]
    while stack:
        i = stack.pop()
        order.append(i)
        stack.extend(sorted(reversed(children[i]), key=soma.__getitem__))
    return order


def _ordered(source: str | None, samples: Samples) -> tuple[Samples, list[int]]:
    """The samples with parents before their children, and the places of the parents."""
    index = {id: i for i, id in enumerate(samples.ids)}
    parents = [index.get(parent, -1) for parent in samples.parents]
    if parents[0] == -1 and all(parent < i for i, parent in enumerate(parents)):
        return samples, parents
    order = _depth_first(samples, parents, [parents.index(-1)])
    if len(order) < len(parents):
        raise _cycle(source, samples, parents, set(order))
    place = {old: new for new, old in enumerate(order)}
    return samples.take(order), [place.get(parents[i], -1) for i in order]


def _cycle(source: str | None, samples: Samples, parents: list[int], reached: set[int]) -> MorphologyError:
    """The error for samples that no root reaches."""
    seen, i = {}, next(i for i in range(len(parents)) if i not in reached)
    while i not in seen:
        seen[i] = len(seen)
        i = parents[i]
    cycle = [j for j in seen if seen[j] >= seen[i]]
    shown = (
        " -> ".join(str(samples.ids[j]) for j in [*cycle, i]) if len(cycle) <= 5 else f"by way of {len(cycle)} samples"
    )
    return at_line(
        source,
        int(samples.lines[i]),
        f"sample {samples.ids[i]}: is its own ancestor ({shown}), the parents must lead to the root",
    )


def _check_soma(source: str | None, samples: Samples, parents: list[int]) -> None:
    """A soma must hold the root, and be connected."""
    for i in np.flatnonzero(samples.types == 1).tolist():
        if i and samples.types[parents[i]] != 1:
            raise at_line(
                source,
                int(samples.lines[i]),
                f"sample {samples.ids[i]}: is of type 1 (soma) and carried by sample {samples.ids[parents[i]]} of type {samples.types[parents[i]]}; "
                "a soma must hold the root of the file and be in one piece",
            )
