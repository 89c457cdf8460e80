"""The text format of Neurolucida (ASC): nested lists of points."""

import dataclasses
import re
from typing import NamedTuple

import numpy as np

from .files import MorphologyError, at_line, split_ends
from .section import APICAL, AXON, DENDRITE


_TOKEN = re.compile(
    r"""[ \t,]+ | ;[^\n]* | (?P<line>\n) | (?P<image>\(\s*Thumbnail\b(?:[^()]++|\([^()]*+\))*+\)) | (?P<mark>[()|<>])
    | (?P<string>"[^"\n]*") | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])) | (?P<word>[A-Za-z][\w.\-+:/\\%]*)""",
    re.VERBOSE,
)
_TREES = {"axon": AXON, "dendrite": DENDRITE, "apical": APICAL}
_SOMAS = ("cellbody", "cell body", "soma")


@dataclasses.dataclass
class Branch:
    """An unbranched run of points x, y, z, diameter, with their lines; `parent` is the index of the branch that carries it, -1 for none."""

    type: int
    parent: int
    line: int
    points: list[tuple[float, ...]]
    lines: list[int]

    def array(self) -> np.ndarray:
        return np.array(self.points).reshape(-1, 4)


@dataclasses.dataclass
class Outline:
    """An outline of a soma: its points, shape (n, 3), and the line where it begins."""

    points: np.ndarray
    line: int


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse_asc(text: str, source: str | None = None) -> tuple[list[Branch], list[Outline]]:
    """The branches, parents before children, and the outlines of the soma in a text.

    An outline is of the soma by its name or by the property `CellBody`, which NEURON passes over. Outlines of other things, markers, spines, texts,
    images and properties are passed over.

    **Raises:** `MorphologyError` with the line.
    """
    tokens = _tokens(source, split_ends(text))
    reader = _Reader(source, tokens)
    while reader.here.kind != "end":
        reader.item()
    return reader.branches, reader.outlines


def _tokens(source: str | None, text: str) -> list[_Token]:
    tokens, place, line, depth = [], 0, 1, []
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            piece = text[place : place + 20].split("\n")[0]
            what = (
                "a string that does not end on its line"
                if piece.startswith('"')
                else f"{piece!r}, which is neither a number nor a word nor a bracket"
            )
            raise at_line(source, line, f"has {what}")
        place, kind = match.end(), match.lastgroup
        if kind in ("line", "image"):
            line += match[0].count("\n")
        elif kind is not None:
            mark = match[kind]
            if kind == "word" and mark.lower() in ("nan", "inf", "infinity"):
                raise at_line(source, line, f"{mark} is not allowed: must be a finite number")
            if mark == "(":
                depth.append(line)
            elif mark == ")":
                if not depth:
                    raise at_line(source, line, "')' is not allowed here: no bracket is open")
                depth.pop()
            tokens.append(_Token(mark if kind == "mark" else kind, mark, line))
    if depth:
        raise at_line(source, depth[-1], "'(' is never closed, must have its ')': the file may be cut short")
    tokens.append(_Token("end", "the end", line))
    return tokens


class _Reader:
    """Goes through the tokens once, without recursion."""

    def __init__(self, source: str | None, tokens: list[_Token]):
        self.source, self.tokens, self.place = source, tokens, 0
        self.branches: list[Branch] = []
        self.outlines: list[Outline] = []

    @property
    def here(self) -> _Token:
        return self.tokens[self.place]

    @property
    def following(self) -> _Token:
        return self.tokens[min(self.place + 1, len(self.tokens) - 1)]

    def wrong(self, expected: str) -> MorphologyError:
        return at_line(self.source, self.here.line, f"{self.here.text[:40]!r} is not allowed here: must be {expected}")

    def take(self, kind: str, expected: str) -> _Token:
        token = self.here
        if token.kind != kind:
            raise self.wrong(expected)
        self.place += 1
        return token

    def skip(self) -> None:
        """Past the list that begins here."""
        depth = 0
        while True:
            depth += {"(": 1, ")": -1}.get(self.here.kind, 0)
            self.place += 1
            if depth == 0:
                return

    def item(self) -> None:
        """One list at the top of the file."""
        if self.here.kind != "(":
            raise self.wrong("'('")
        if self.following.kind == "word":
            self.skip()
            return
        start, name = self.place, ""
        self.place += 1
        if self.here.kind == "string":
            name = self.take("string", "a name").text.strip('"').lower()
        elif self.here.kind != "(":
            raise self.wrong("a tree, an outline or a property")
        labels = self.properties()
        if name in _SOMAS or "cellbody" in labels:
            self.outline(self.tokens[start].line)
        elif self.tokens[start + 1].kind == "string" or self.here.kind == ")" or self.is_text():
            self.place = start
            self.skip()
        else:
            self.tree(next((_TREES[label] for label in reversed(labels) if label in _TREES), 0))

    def properties(self) -> list[str]:
        """Past the properties that stand before the points, and their names in lower case."""
        names = []
        while self.here.kind == "(" and self.following.kind in ("word", "string"):
            if self.following.kind == "word":
                names.append(self.following.text.lower())
            self.skip()
        return names

    def outline(self, line: int) -> None:
        points = []
        while self.here.kind == "(":
            if self.following.kind == "number":
                points.append(self.point(2)[:3])
            else:
                self.skip()
        while self.here.kind == "word":
            self.place += 1
        self.take(")", "a point or ')'")
        if len(points) < 3:
            raise at_line(self.source, line, f"the outline of a soma has {len(points)} points, must have at least 3")
        self.outlines.append(Outline(np.array(points), line))

    def point(self, least: int) -> tuple[float, ...]:
        """x, y, z and diameter, of which `least` must be given."""
        line = self.take("(", "'('").line
        numbers = []
        while self.here.kind == "number":
            numbers.append(float(self.here.text))
            self.place += 1
        while self.here.kind in ("word", "string"):
            self.place += 1
        if self.here.kind == "(":  # Bezier control points
            self.skip()
        self.take(")", "a number or ')'")
        if not least <= len(numbers) <= 4:
            allowed = "4" if least == 4 else f"{least} to 4"
            raise at_line(self.source, line, f"a point has {len(numbers)} numbers, must have {allowed}: x y z diameter")
        return (*numbers, *(0.0,) * (4 - len(numbers)))

    def tree(self, type: int) -> None:
        """The points and branchings of a tree, after its properties."""
        frames = [_Frame(-1, self.begin(type, -1))]
        while frames:
            self.step(frames, type)

    def step(self, frames: list["_Frame"], type: int) -> None:
        """One thing inside a tree: the innermost frame holds the branch that is being read, or none once it has branched."""
        frame, token, inside = frames[-1], self.here, self.following.kind
        branch = frame.branch
        if token.kind == "(" and inside == "number" and branch is not None:
            branch.lines.append(token.line)
            branch.points.append(self.point(4))
        elif token.kind == "(" and inside in ("word", "string"):
            self.skip()
        elif token.kind == "(" and branch is not None:
            self.end(branch)
            self.place += 1
            frame.branch = None
            parent = len(self.branches) - 1
            frames.append(_Frame(parent, self.begin(type, parent)))
        elif token.kind == "|" and len(frames) > 1:
            self.end(branch)
            self.place += 1
            frame.branch = self.begin(type, frame.parent)
        elif token.kind == ")":
            self.end(branch)
            self.place += 1
            frames.pop()
        elif token.kind == "<" and branch is not None:
            self.spine()
        elif token.kind == "word":
            self.place += 1
        else:
            raise self.wrong(
                "a point, a branching, '|' or ')'" if branch is not None else "'|' or ')': the branch has branched"
            )

    def begin(self, type: int, parent: int) -> Branch:
        return Branch(type, parent, self.here.line, [], [])

    def end(self, branch: Branch | None) -> None:
        if branch is None:
            return
        if not branch.points:
            raise at_line(
                self.source, branch.line, "a branch has no points, must have one or more before it ends or branches"
            )
        self.branches.append(branch)

    def is_text(self) -> bool:
        """Whether what stands here is a place, and the text that is written there."""
        if self.here.kind != "(" or self.following.kind != "number":
            return False
        end = next(i for i in range(self.place, len(self.tokens)) if self.tokens[i].kind == ")")
        return self.tokens[end + 1].kind == "string"

    def spine(self) -> None:
        """Past a spine, which lies between angle brackets."""
        line, depth = self.here.line, 0
        self.place += 1
        while self.here.kind != ">" or depth > 0:
            depth += {"(": 1, ")": -1}.get(self.here.kind, 0)
            if depth < 0 or self.here.kind in ("<", "end"):
                raise at_line(self.source, line, "'<' is never closed, must have its '>' before its branch ends")
            self.place += 1
        self.place += 1


@dataclasses.dataclass
class _Frame:
    """A bracket that is open: the branch that carries what is in it, and the branch that is being read."""

    parent: int
    branch: Branch | None
