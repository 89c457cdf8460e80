"""Reading morphologies: against NEURON and MorphIO, every error with its line, repairs, and files that are damaged in any way."""

import json
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from neurodyn import cells
from neurodyn.cells import MorphologyError, from_swc, read


DATA = Path(os.environ.get("NEURODYN_DATA", "/nowhere")) / "morphologies"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs NEURODYN_DATA")
#: What NEURON 9.0.2 makes of texts and files; reference/README.md says how it was made.
NEURON = json.loads((Path(__file__).parent / "reference" / "neuron_import.json").read_text())
TEXTS, SECTIONS = NEURON["texts"], NEURON["sections"]
GOOD = TEXTS["branched_soma.swc"]


def place(name: str, folder: Path) -> Path:
    if name not in TEXTS:
        return DATA / name
    (folder / name).write_text(TEXTS[name])
    return folder / name


# --- against NEURON


def in_single_precision(section: cells.Section) -> cells.Section:
    """The section as NEURON has it: it stores points in single precision and subtracts them so."""
    steps = np.diff(section.points.astype(np.float32), axis=0).astype(float)
    points = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    return cells.Section(points, section.diameters.astype(np.float32).astype(float))


def theirs(name: str | None) -> str | None:
    return name and name.replace("type_", "dend_")  # NEURON's name for the types that have none


def compare(name: str, morphology: cells.Morphology) -> None:
    rows = {row[0]: row[1:] for row in SECTIONS[name]}
    assert sorted(map(theirs, morphology.names)) == sorted(rows)
    for i, section in enumerate(morphology.sections):
        parent, at, points, length, area, start, end, *thirds = rows[theirs(section.name)]
        ours = morphology.sections[section.parent].name if section.parent >= 0 else None
        assert (theirs(ours), section.at if ours else None, len(section.points)) == (parent, at, points), section.name
        single = in_single_precision(section)
        # The ends of a sphere are computed from rounded numbers there.
        sphere = i == 0 and points == 3 and len(set(section.diameters)) == 1
        assert single.length == pytest.approx(length, rel=1e-7 if sphere else 1e-9), section.name
        assert single.area == pytest.approx(area, rel=1e-6), section.name
        assert cells.integrate(single, np.linspace(0, 1, 4))[0] == pytest.approx(np.array(thirds), rel=1e-6)
        assert morphology.path_distance(i, [0, 1]) == pytest.approx(np.array([start, end]), rel=1e-5)


@pytest.mark.parametrize("name", list(TEXTS))
def test_texts_as_neuron_reads_them(name, tmp_path):
    compare(name, read(place(name, tmp_path)))


@with_data
@pytest.mark.parametrize("name", [name for name in SECTIONS if name not in TEXTS])
def test_sample_files_as_neuron_reads_them(name):
    morphology = read(DATA / name)
    compare(name, morphology)
    # The order is NEURON's too: sections of a type follow one another.
    assert [theirs(section.name) for section in morphology.sections] == [row[0] for row in SECTIONS[name]]


# --- against MorphIO, and the formats against each other


def neurites(morphology: cells.Morphology) -> list[tuple]:
    """Type, length and area of the sections that no soma carries."""
    inner = [s for s in morphology.sections if s.parent >= 0 and morphology.sections[s.parent].type != 1]
    return sorted((s.type, round(s.length, 3), round(s.area, 2)) for s in inner)


@with_data
@pytest.mark.parametrize(
    "name",
    [
        "arbor_NMO_49821_pyramidal.swc",
        "brian2_mp_ma_40984_gc2.CNG.swc",
        "morphio_simple.swc",
        "neurom_bio_neuron-000.asc",
    ],
)
def test_sections_are_those_of_morphio(name):
    morphio = pytest.importorskip("morphio")
    morphio.set_maximum_warnings(0)
    ours, converted = read(DATA / name), cells.from_morphio(morphio.Morphology(DATA / name))
    assert len(ours.sections) == len(converted.sections)
    for a, b in zip(neurites(ours), neurites(converted), strict=True):
        assert a == pytest.approx(b, abs=0.02)
    assert converted.lengths.sum() == pytest.approx(ours.lengths.sum(), rel=1e-5)
    assert converted.areas.sum() == pytest.approx(ours.areas.sum(), rel=1e-5)


@with_data
def test_one_cell_in_two_formats():
    pytest.importorskip("h5py")
    asc, h5 = read(DATA / "neurom_bio_neuron-000.asc"), read(DATA / "neurom_bio_neuron-000.h5")
    assert [s.name for s in asc.sections] == [s.name for s in h5.sections]
    assert (asc.parents == h5.parents).all()
    np.testing.assert_allclose(asc.lengths, h5.lengths, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(asc.areas, h5.areas, rtol=1e-4, atol=1e-4)


@with_data
def test_round_trip_of_a_real_cell():
    cell = read(DATA / "brian2_mp_ma_40984_gc2.CNG.swc")
    again = from_swc(cell.to_swc())
    np.testing.assert_allclose(cell.lengths, again.lengths, rtol=1e-12)
    np.testing.assert_allclose(cell.areas, again.areas, rtol=1e-12)


@pytest.mark.parametrize("name", list(TEXTS))
def test_round_trip_of_texts(name, tmp_path):
    cell = read(place(name, tmp_path))
    again = from_swc(cell.to_swc(), repair="zero_length" if name.endswith("asc") else ())
    assert [(s.type, s.at) for s in cell.sections[1:]] == [(s.type, s.at) for s in again.sections[1:]]
    assert (cell.parents == again.parents).all()
    np.testing.assert_allclose(cell.areas, again.areas, rtol=1e-9)


@with_data
def test_reading_and_cutting_up_is_fast():
    start = time.process_time()
    cell = read(DATA / "jaxley_ca1_n120.swc")
    middle = time.process_time()
    edges = np.linspace(0, 1, 5)
    area = sum(float(cells.integrate(section, edges)[0].sum()) for section in cell.sections)
    end = time.process_time()
    assert area == pytest.approx(cell.areas.sum(), rel=1e-12)
    assert middle - start < 0.3 and end - middle < 0.3


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
        ("1 4294967296 0 0 0 1 -1", ":1: sample 1: type = 4294967296 is not allowed"),
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


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: "\ufeff" + t,
        lambda t: t.replace(" ", "\t"),
        lambda t: t.replace(" ", "   ").replace("\n", "  \n\n"),
        lambda t: "# a comment: µm, é\n" + t.replace("\n", " # and more\n"),
        lambda t: "\n".join(f"{line.split()[0]}.000 {line.split(' ', 1)[1]}" for line in t.splitlines()) + "\n",
        lambda t: t.rstrip("\n"),
    ],
    ids=["CRLF", "CR", "BOM", "tabs", "spaces", "comments", "ids as floats", "no end of line"],
)
def test_swc_variants_that_are_read(change, tmp_path):
    path = tmp_path / "cell.SWC"
    path.write_bytes(change(GOOD).encode())
    cell, plain = read(path), from_swc(GOOD)
    assert (cell.lengths == plain.lengths).all() and (cell.parents == plain.parents).all()
    assert cell.source == str(path) and not cell.repairs
    assert len(cell.notes) == (1 if change(GOOD)[-1] == "3" or change(GOOD)[-1] == "7" else 0), cell.notes


def test_latin_1_in_a_comment(tmp_path):
    path = tmp_path / "cell.swc"
    path.write_bytes("# Hönigsperger, µm\n".encode("latin-1") + GOOD.encode())
    assert len(read(path).sections) == len(SECTIONS["branched_soma.swc"])


def test_large_ids():
    text = f"{2**63} 1 0 0 0 5 -1\n{2**70} 3 9 0 0 1 {2**63}\n7 3 20 0 0 1 {2**70}\n"
    assert from_swc(text).lengths.tolist() == [10, 11]


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


def test_what_is_unusual_is_noted():
    cell = from_swc(TEXTS["types.swc"])
    assert "the types 0, 7, 12 are not among 1 to 4" in cell.notes[0]
    assert "sections of type 2 are carried by sections of type 3" in cell.notes[1]
    assert cell.region("type_7").size == 1 and cell.region("type_0").size == 1
    assert "there is no soma" in from_swc(TEXTS["no_soma_run.swc"]).notes[0]
    assert "steps of the diameter" in from_swc(TEXTS["steps.swc"]).notes[0]
    wide = "1 1 0 0 0 60 -1\n2 3 90 0 0 40 1\n3 3 900 0 0 40 2\n"
    assert "is the unit um?" in from_swc(wide).notes[0]


# --- repairs


def test_unknown_repairs_are_refused_with_the_list():
    with pytest.raises(
        ValueError, match="repair = 'all' .* 'zero_length' .* 'duplicate_points' .* 'disconnected' .* 'radius'"
    ):
        from_swc(GOOD, repair=("all",))


def test_zero_length():
    text = "1 1 0 0 0 5 -1\n2 1 9 0 0 5 1\n3 2 9 0 0 1 2\n4 3 20 0 0 1 3\n5 3 20 9 0 1 3\n6 3 20 9 1e-8 2 5\n7 3 20 30 0 2 6\n"
    with pytest.raises(MorphologyError, match=":3: "):
        from_swc(text)
    cell = from_swc(text, repair="zero_length")
    assert cell.parents.tolist() == [-1, 0, 0] and [s.at for s in cell.sections[1:]] == [1, 1]
    assert cell.lengths == pytest.approx([9, 11, np.hypot(11, 9) + 21])
    assert cell.repairs == (
        "zero_length: 2 points at the place of the one before were merged with it, 1 sections without length taken out",
    )
    assert cell.sections[2].diameters.tolist() == [2, 2, 4]


def test_duplicate_points_change_no_area():
    text = "1 1 0 0 0 5 -1\n2 3 9 0 0 1 1\n3 3 15 0 0 1 2\n4 3 15 0 0 1 3\n5 3 20 0 0 2 4\n"
    plain, mended = from_swc(text), from_swc(text, repair=["duplicate_points"])
    assert (plain.lengths == mended.lengths).all() and (plain.areas == mended.areas).all()
    assert len(plain.sections[1].points) == 4 and len(mended.sections[1].points) == 3
    assert "1 points" in mended.repairs[0] and not plain.repairs


def test_disconnected_keeps_the_tree_with_the_soma():
    text = "".join(f"{100 + i} 3 {i} 5 0 1 {99 + i if i else -1}\n" for i in range(30)) + GOOD + "900 2 0 0 0 1 899\n"
    with pytest.raises(MorphologyError, match="sample 900: parent = 899"):
        from_swc(text)
    cell = from_swc(text, repair="disconnected")
    assert (cell.lengths == from_swc(GOOD).lengths).all()
    assert cell.repairs == ("disconnected: 2 trees with 31 samples were left out, the one of sample 1 kept",)
    with pytest.raises(MorphologyError, match="is its own ancestor"):
        from_swc(text + "901 3 0 0 0 1 902\n902 3 0 0 0 1 901\n", repair="disconnected")


def test_radius():
    text = "1 1 0 0 0 5 -1\n2 3 9 0 0 0 1\n3 3 15 0 0 1e-5 2\n"
    cell = from_swc(text, repair=("radius", "zero_length"))
    assert cell.sections[1].diameters.tolist() == [0.1, 0.1]
    assert cell.repairs == ("radius: 2 radii below 0.001 um were set to 0.05 um",)
    with pytest.raises(MorphologyError, match="radius = -1 um"):
        from_swc(text.replace("1e-5", "-1"), repair="radius")


@with_data
def test_the_sample_files_that_are_damaged():
    for name, message in {
        "neurom_Neuron_missing_parents.swc": r":40: sample 6: parent = 5 is not allowed: there is no such sample",
        "neurom_Neuron_disconnected_components.swc": r":40: 5 samples have no parent",
        "morphio_multiple_soma.swc": r":11: 2 samples have no parent, one must: 1 .line 2., 10 .line 11.",
    }.items():
        with pytest.raises(MorphologyError, match=f"{name}{message}"):
            read(DATA / name)
    for name in ("neurom_Neuron_missing_parents.swc", "neurom_Neuron_disconnected_components.swc"):
        assert "4 trees with" in read(DATA / name, repair=("disconnected", "zero_length")).repairs[0]
    zero = read(DATA / "neurom_Neuron_zero_length_segments.swc", repair="zero_length")
    assert "8 points" in zero.repairs[0] and len(zero.sections) == 85


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
        ("((Dendrite) (0 0 0 1)\n (1 0 0))", ":2: a point has 3 numbers, must have 4"),
        ("((Dendrite) (0 0 0 1)\n (1 0 0 1 5))", ":2: a point has 5 numbers"),
        ("((Dendrite) (0 0 0 1)\n (1 0 0 -1))", ":2: point 1 of section 0: radius = -0.5 um is not allowed"),
        ("((Dendrite) (0 0 0 1)\n (1e400 0 0 1))", ":2: point 1 of section 0: x = inf um"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1)\n ((6 0 0 1) | ))", ":2: a branch has no points"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1)\n ((6 0 0 1) | (7 0 0 1)) (8 0 0 1))", ":2: '.' is not allowed here"),
        ("((Dendrite) (0 0 0 1) | (5 0 0 1))", ":1: '.' is not allowed here"),
        ("word", ":1: 'word' is not allowed here"),
        ("(1 2 3 4)", ":1: '1' is not allowed here"),
        ("((Dendrite) (0 0 0 1) (5 0 0 1) <(Class 1)\n)", ":1: '<' is never closed"),
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


def test_asc_of_many_levels(tmp_path):
    path, n = tmp_path / "deep.asc", 3000
    levels = "".join(f"( ({i} 0 0 1) ({i + 1} 0 0 1)\n" for i in range(1, n))
    path.write_text("((Dendrite) (0 0 0 1) (1 0 0 1)\n" + levels + ")" * n)
    assert read(path).lengths.sum() == pytest.approx(n)


def test_asc_disconnected(tmp_path):
    path = tmp_path / "cell.asc"
    path.write_text("((Axon) (0 0 0 1) (5 0 0 1))\n((Dendrite) (0 0 0 1) (5 0 0 1) ((9 0 0 1) | (9 9 0 1)))")
    cell = read(path, repair="disconnected")
    assert [s.name for s in cell.sections] == ["dend[0]", "dend[1]", "dend[2]"]
    assert cell.repairs == ("disconnected: 1 trees with 1 branches were left out",)


# --- HDF5

POINTS = np.array([[-5, -4, 0, 0], [5, -4, 0, 0], [6, 5, 0, 0], [-6, 3, 0, 0], [0, 5, 0, 1], [0, 50, 0, 1]], float)
MORE = np.array([[0, 50, 0, 1], [3, 80, 0, 0.5], [0, 50, 0, 1], [-3, 80, 0, 0.5]], float)
STRUCTURE = np.array([[0, 1, -1], [4, 3, 0], [6, 3, 1], [8, 3, 1]])


def write_h5(path: Path, points, structure) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["points"] = points
        file["structure"] = structure
    return path


def changed(row: int, column: int, value: int) -> np.ndarray:
    structure = STRUCTURE.copy()
    structure[row, column] = value
    return structure


def test_h5(tmp_path):
    points = np.concatenate([POINTS, MORE])
    cell = read(write_h5(tmp_path / "cell.h5", points, STRUCTURE))
    assert cell.parents.tolist() == [-1, 0, 1, 1] and cell.sections[1].at == 0.5
    assert cell.lengths[1:] == pytest.approx([45, np.hypot(3, 30), np.hypot(3, 30)])
    one = read(write_h5(tmp_path / "one.h5", np.array([[0, 0, 0, 8.0], *points[4:6]]), [[0, 1, -1], [1, 3, 0]]))
    assert one.areas[0] == pytest.approx(np.pi * 64)
    none = read(write_h5(tmp_path / "none.h5", points[4:], [[0, 3, -1], [2, 3, 0], [4, 3, 0]]))
    assert none.parents.tolist() == [-1, 0, 0]


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
        (POINTS, STRUCTURE[:2].astype(float), "/structure has shape .* type float64"),
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


# --- size


@pytest.mark.slow
def test_a_million_samples():
    r = random.Random(0)
    parents = [i - 1 if i % 10 else max(1, i - r.randrange(1, 5000)) for i in range(1_000_001)]
    lines = (f"{i} 3 {i % 1000}.5 {i // 1000}.25 0 0.5 {parents[i]}\n" for i in range(2, 1_000_001))
    text = "1 1 0 0 0 5 -1\n" + "".join(lines)
    start = time.process_time()
    cell = from_swc(text)
    assert time.process_time() - start < 10
    assert len(cell.sections) > 100_000


@pytest.mark.parametrize("n", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_chain_of_many_sections(n):
    fork = (
        f"{2 * i + 1} 3 {i} 0 0 1 {max(2 * i - 1, 2)}\n{2 * i + 2} 3 {i} 5 0 1 {max(2 * i - 1, 2)}\n"
        for i in range(1, n + 1)
    )
    text = "1 1 0 0 0 5 -1\n2 3 0 9 0 1 1\n" + "".join(fork)
    start = time.process_time()
    cell = from_swc(text)
    assert time.process_time() - start < 10
    assert cell.branch_order.max() > n - 3 and cell.starts.max() > n - 3


def test_a_chain_of_a_hundred_thousand_samples_in_any_order():
    lines = [f"{i} 3 {i} 0 0 1 {i - 1}\n" for i in range(2, 100_001)]
    random.Random(0).shuffle(lines)
    assert from_swc("".join(lines) + "1 1 0 0 0 1 -1\n").lengths[1] == 99_998
    with pytest.raises(MorphologyError, match="by way of 99999 samples"):
        from_swc("1 1 0 0 0 1 -1\n" + "".join(lines).replace("2 3 2 0 0 1 1\n", "2 3 2 0 0 1 100000\n"))
