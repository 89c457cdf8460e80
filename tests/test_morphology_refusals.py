"""Morphology files that are refused: every error with its line, what is no file, and files that are damaged in any way."""

import gzip
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest
from morphology_files import DATA, GOOD, MORE, POINTS, STRUCTURE, TEXTS, write_h5

from neurodyn.cells import MorphologyError, from_swc, read


# --- SWC: every error with its line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "<text>: has no samples"),
        ("# id\n\n   \n", "<text>: has no samples: it holds comments and blank lines only"),
        ("1 1 0 0 0 1", ":1: '1 1 0 0 0 1' has 6 columns, must have 7: id type x y z radius parent"),
        ("1 1 0 0 0 1 -1 9", ":1: .* has 8 columns"),
        ("1 1 0 0 0 1 -1\n\nrubbish\n", ":3: 'rubbish' has 1 columns"),
        ("1 1 0,5 0 0 1 -1", ":1: sample 1: x = '0,5' is not a number"),
        ("1 1 0 0 0 1_0 -1", ":1: .* has characters that no number has"),
        ("1 1 0 0 0 ١ -1", ":1: .* has characters that no number has"),
        ("1 1 0 0 0 \x001 -1", ":1: .* has characters that no number has"),
        ("1.5 1 0 0 0 1 -1", ":1: id = '1.5' is not allowed: must be an integer"),
        ("1 a 0 0 0 1 -1", ":1: type = 'a' is not allowed: must be an integer"),
        ("1 1 0 0 0 1 -", ":1: parent = '-' is not allowed: must be an integer"),
        ("-1 1 0 0 0 1 -1", ":1: sample -1: id = -1 is not allowed"),
        ("1 -2 0 0 0 1 -1", ":1: sample 1: type = -2 is not allowed: must be an integer from 0"),
        ("1 4294967296 0 0 0 1 -1", ":1: sample 1: type = 4294967296 is not allowed: .* to 2147483647"),
        ("cell.swc", ":1: .cell.swc. has 1 columns, .* parted by blanks or tabs, and read.path. reads a file"),
        (b"1 1 0 0 0 1 -1", "text of type bytes is not allowed: must be a string"),
        ("1 1 nan 0 0 1 -1", ":1: sample 1: x = nan um is not allowed: must be finite"),
        ("1 1 0 1e400 0 1 -1", ":1: sample 1: y = inf um is not allowed"),
        ("1 1 0 0 -1e8 1 -1", ":1: sample 1: z = -1e.08 um is not allowed: .* within 1e.07 um; is the unit um"),
        ("1 1 0 0 0 -1 -1", ":1: sample 1: radius = -1 um is not allowed: .* between 0.001 and 500 um$"),
        ("1 1 0 0 0 0 -1", ":1: sample 1: radius = 0 um .*; or ask for it: repair=.radius."),
        ("1 1 0 0 0 nan -1", ":1: sample 1: radius = nan um"),
        ("1 1 0 0 0 1e6 -1", ":1: sample 1: radius = 1e.06 um .*is the unit um"),
        ("1 1 0 0 0 1 -1\n# c\n1 3 5 0 0 1 1", ":3: sample 1: the id stands on line 1 already"),
        ("1 1 0 0 0 1 -1\n2 3 5 0 0 1 2", ":2: sample 2: is its own parent"),
        (
            "1 1 0 0 0 1 -1\n2 3 5 0 0 1 7",
            ":2: sample 2: parent = 7 is not allowed: there is no such sample; .*disconnected",
        ),
        ("1 1 0 0 0 1 -2", ":1: sample 1: parent = -2 is not allowed: only -1 stands for none"),
        ("1 1 0 0 0 1 0", ":1: sample 1: parent = 0 is not allowed"),
        ("1 1 0 0 0 1 2\n2 1 5 0 0 1 1", ":1: no sample has parent -1"),
        ("1 1 0 0 0 1 -1\n2 3 5 0 0 1 3\n3 3 9 0 0 1 2", ":2: sample 2: is its own ancestor .2 -> 3 -> 2."),
        ("1 1 0 0 0 1 -1\n2 3 5 0 0 1 -1", ":2: 2 samples have no parent, one must: 1 .line 1., 2 .line 2."),
        (
            "1 1 0 0 0 1 -1\n2 3 5 0 0 1 1\n3 1 9 0 0 1 2",
            ":3: sample 3: is of type 1 .soma. and carried by sample 2 of type 3",
        ),
        ("1 3 0 0 0 1 -1\n2 3 0 0 0 1 1", ":2: the section of type 3 that ends at .0, 0, 0. is 0 um long"),
        (
            "1 1 0 0 0 1 -1\n2 1 9 0 0 1 1\n3 3 9 0 0 1 2\n",
            ":3: the section of type 3 .* must be at least 1e-06 um: .*zero_length",
        ),
        ("1 1 0 0 0 1 -1\n2 1 9 0 0 1 1\n3 3 9 1e-9 0 1 2\n", ":3: the section of type 3 .* is 1e-09 um long"),
    ],
)
def test_swc_errors_name_the_line(text, message):
    with pytest.raises(MorphologyError, match=message):
        from_swc(text)


def test_a_file_cut_short_anywhere_is_refused_or_says_so():
    kept = 0
    for end in range(len(GOOD)):
        try:
            cell = from_swc(GOOD[:end], source="cell.swc")
        except MorphologyError as error:
            assert str(error).startswith("cell.swc:")
            continue
        kept += 1
        assert GOOD[end - 1] == "\n" or "if the file was cut short" in cell.notes[0]
    assert kept < len(GOOD) / 3


# --- ASC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("; nothing\n", "has neither a soma nor a branch"),
        ("((Dendrite)\n(0 0 0 1)\n(1 0 0 1)\n", ":1: '.' is never closed"),
        ("((Dendrite) (0 0 0 1) (1 0 0 1))\n)", ":2: '.' is not allowed here: no bracket is open"),
        ('("CellBody\n(0 0 0 1))', ":1: has a string that does not end on its line"),
        ("((Dendrite) (0 0 0 1)\n (1 0 0 1..5))", ":2: has '1..5.*, which is neither a number"),
        ("((Dendrite) (0 0 0 1)\n (nan 0 0 1))", ":2: nan is not allowed: must be a finite number"),
        ("((Dendrite) (0 0 0 1)\n (1 0 0))", ":2: a point has 3 numbers, must have 4: x"),
        ("((Dendrite) (0 0 0 1)\n (1 0 0 1 5))", ":2: a point has 5 numbers"),
        ("((Dendrite) (0 0 0 1)\n (1 0 0 -1))", ":2: point 1 of section 0: radius = -0.5 um is not allowed"),
        ("((Dendrite) (0 0 0 1)\n (1e400 0 0 1))", ":2: point 1 of section 0: x = inf um"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1)\n ((6 0 0 1) | ))", ":2: a branch has no points"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1)\n ((6 0 0 1) | (7 0 0 1)) (8 0 0 1))", ":2: '.' is not allowed here"),
        ("((Dendrite) (0 0 0 1) | (5 0 0 1))", ":1: '.' is not allowed here"),
        ("word", ":1: 'word' is not allowed here"),
        ("(1 2 3 4)", ":1: '1' is not allowed here"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1) <(Class 1)\n)", ":1: '<' is never closed"),
        (
            "((Axon) (0 0 0 1) (5 0 0 1) <(5 1 0 1)\n)\n((Dendrite) (0 9 0 1) <(0 9 1 1)> (0 30 0 1))",
            ":1: '<' is never closed, .* before its branch ends",
        ),
        ("((Dendrite)\n ((0 0 0 1) (5 0 0 1) | (9 9 0 1) (9 30 0 1)))", ":2: a branch has no points"),
        ("((Dendrite) (0 0 0 1))", ":1: the section of type 3 that ends at .0, 0, 0. is 0 um long"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1))\n((Axon) (0 0 0 1) (5 0 0 1))", ":2: there is no soma and 2 trees"),
        ('("CellBody" (0 0 0 1)\n(1 0 0 1))', ":1: the outline of a soma has 2 points"),
        ('("CellBody" (0 0 0 1) (1 0 0 1) (2 0 0 1))', ":1: the outline of the soma has no"),
        ('("Soma" (0 0) (1 0) (1 1))\n("Soma" (50 0) (51 0) (51 1))', ":2: the outline of another soma"),
    ],
)
def test_asc_errors_name_the_line(text, message, tmp_path):
    path = tmp_path / "cell.asc"
    path.write_text(text)
    with pytest.raises(MorphologyError, match=message):
        read(path)


# --- HDF5


def changed(row: int, column: int, value: int) -> np.ndarray:
    structure = STRUCTURE.copy()
    structure[row, column] = value
    return structure


@pytest.mark.parametrize(
    ("points", "structure", "message"),
    [
        (
            POINTS,
            changed(2, 0, 1000),
            "first point = 1000 in row 2 of /structure is not allowed: must be 0 in the first row, ascending",
        ),
        (POINTS, changed(2, 0, -5), "first point = 4 in row 1|first point = -5 in row 2"),
        (POINTS, changed(2, 0, 3), "first point = 4 in row 1"),
        (POINTS, changed(0, 0, 1), "first point = 1 in row 0"),
        (None, changed(2, 2, 2), "parent = 2 in row 2 .* must be -1 or an earlier row"),
        (None, changed(2, 2, 3), "parent = 3 in row 2"),
        (None, changed(2, 2, -7), "parent = -7 in row 2"),
        (None, changed(2, 1, -3), "type = -3 in row 2"),
        (None, changed(2, 1, 1), "type = 1 in row 2 .* 1 .soma. in the first row only"),
        (POINTS.ravel(), STRUCTURE, r"/points has shape \(24,\) and type float64, must be numbers of shape \(n, 4\)"),
        (POINTS[:, :3], STRUCTURE, r"/points has shape \(6, 3\)"),
        (POINTS.astype("S4"), STRUCTURE, "/points has shape .* type .S4"),
        (POINTS * np.nan, STRUCTURE[:2], "an outline of the soma: x = nan um"),
        (POINTS, STRUCTURE[:2].astype(float), "/structure has shape .* type float64, must be integers"),
        (POINTS - [0, 0, 0, 9.0], STRUCTURE[:2], "point 0 of section 1: radius = -4 um"),
    ],
)
def test_h5_errors(points, structure, message, tmp_path):
    points = np.concatenate([POINTS, MORE]) if points is None else points
    with pytest.raises(MorphologyError, match=message):
        read(write_h5(tmp_path / "cell.h5", points, structure))


def test_h5_follows_no_link(tmp_path):
    h5py = pytest.importorskip("h5py")
    other = write_h5(tmp_path / "other.h5", POINTS, STRUCTURE[:2])
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        file["points"] = h5py.ExternalLink(other, "points")
        file["structure"] = STRUCTURE[:2]
    with pytest.raises(MorphologyError, match="has no table /points of its own"):
        read(path)


def test_h5_without_h5py_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "cell.h5").write_bytes(b"x")
    with pytest.raises(ImportError, match=r"pip install 'neurodyn\[morph\]'"):
        read(tmp_path / "cell.h5")


# --- what is no file


def test_what_is_not_a_file(tmp_path):
    (tmp_path / "empty.swc").touch()
    (tmp_path / "folder.swc").mkdir()
    os.mkfifo(tmp_path / "pipe.swc")
    (tmp_path / "wide.swc").write_bytes(GOOD.encode("utf-16"))
    (tmp_path / "bare.swc").write_bytes(GOOD.encode("utf-16-le"))
    for name in ("packed.swc", "packed.asc"):
        (tmp_path / name).write_bytes(gzip.compress(GOOD.encode()))
    with open(tmp_path / "huge.swc", "wb") as file:
        file.truncate(2**40)
    for name, message in {
        "missing.swc": "cannot be read .No such file",
        "empty.swc": "is empty",
        "folder.swc": "is a directory",
        "pipe.swc": "is a device or a pipe",
        "huge.swc": "has 1099511627776 bytes, must be at most",
        "wide.swc": "UTF-16 or UTF-32, or no text; save it as UTF-8",
        "bare.swc": "UTF-16 or UTF-32",
        "packed.swc": "is compressed .gzip.; unpack it",
        "packed.asc": "is compressed",
        "packed.swc.gz": "has the suffix '.gz'",
        "nul\0.swc": "cannot be read",
        "cell.txt": "has the suffix '.txt', must be one of .swc, .asc, .h5",
        "cell": "has the suffix ''",
    }.items():
        with pytest.raises(MorphologyError, match=f"{name}: .*{message}"):
            read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "cell.swc"
    path.write_text(GOOD)
    path.chmod(0)
    with pytest.raises(MorphologyError, match="permission denied"):
        read(path)


# --- damage of every kind

STRANGE = (
    "nan",
    "1e400",
    "-1",
    str(2**63),
    "0",
    "inf",
    "1_0",
    "١",
    "1,5",
    "1e-400",
    "--1",
    "0x10",
    "1.5.2",
    "",
    '"',
    "(",
    ")",
    "|",
    "<",
    ";",
    "#",
)


def damaged(raw: bytes, r: random.Random) -> bytes:
    lines, data, kind = raw.decode("latin-1").split("\n"), bytearray(raw), r.randrange(8)
    if kind == 0:  # bits flipped
        for _ in range(r.choice((1, 3, 10))):
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        return bytes(data)
    if kind == 1:  # cut short
        return bytes(data[: r.randrange(len(data))])
    if kind == 2:  # bytes from elsewhere
        i, j = sorted(r.randrange(len(data)) for _ in range(2))
        k = r.randrange(len(data))
        data[i:j] = data[k : k + r.randrange(200)]
        return bytes(data)
    if kind == 3:  # bytes from nowhere
        i = r.randrange(len(data))
        data[i:i] = r.randbytes(r.randrange(1, 20))
        return bytes(data)
    i = r.randrange(len(lines))
    cells_of_line = lines[i].split(" ")
    if kind == 4:  # columns in another order
        r.shuffle(cells_of_line)
    elif kind == 5:  # another number
        cells_of_line[r.randrange(len(cells_of_line))] = r.choice(STRANGE)
    elif kind == 6:  # another encoding
        return raw.decode("latin-1").encode(r.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")))
    lines[i] = " ".join(cells_of_line)
    if kind == 7:  # lines in another order, or missing
        r.shuffle(lines)
        lines = lines[r.randrange(3) :]
    return "\n".join(lines).encode()


def survive(folder: Path, suffix: str, raw: list[bytes], seeds: range) -> None:
    """Every damaged file is read, or refused by the one error; nothing takes long."""
    path, refused = folder / f"cell{suffix}", 0
    for seed in seeds:
        r = random.Random(seed)
        path.write_bytes(damaged(r.choice(raw), r))
        start = time.process_time()
        try:
            cell = read(path, repair=r.choice(((), ("zero_length",), ("disconnected", "radius", "duplicate_points"))))
        except MorphologyError as error:
            refused += 1
            assert str(error).startswith(f"{path}:")
        else:
            assert (cell.lengths > 0).all() and np.isfinite(cell.areas).all()
            assert cell.summary().regions[-1].sections == len(cell.sections)
        assert time.process_time() - start < 2, seed
    assert len(seeds) / 5 < refused < len(seeds)


def material(suffix: str, folder: Path) -> list[bytes]:
    if suffix == ".h5":
        return [write_h5(folder / "whole.h5", np.concatenate([POINTS, MORE]), STRUCTURE).read_bytes()]
    return [text.encode() for name, text in TEXTS.items() if name.endswith(suffix)]


@pytest.mark.parametrize("suffix", [".swc", ".asc", ".h5"])
def test_damaged_files(suffix, tmp_path):
    survive(tmp_path, suffix, material(suffix, tmp_path), range(300))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".swc", ".asc", ".h5"])
def test_two_thousand_damaged_files(suffix, tmp_path):
    raw = material(suffix, tmp_path)
    if DATA.is_dir() and suffix != ".h5":
        raw += [path.read_bytes() for path in sorted(DATA.glob(f"*{suffix}")) if path.stat().st_size < 1e5]
    survive(tmp_path, suffix, raw, range(1000, 3000))
