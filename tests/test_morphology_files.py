"""Reading morphologies: against NEURON and MorphIO, variants of the formats, repairs, and size."""

import random
import time

import numpy as np
import pytest
from morphology_files import DATA, GOOD, MORE, POINTS, SECTIONS, STRUCTURE, TEXTS, place, with_data, write_h5

from neurodyn import cells
from neurodyn.cells import MorphologyError, from_swc, read


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
    assert again.names == cell.names
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


# --- SWC: variants and notes


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: "\ufeff" + t,
        lambda t: "\ufeff# a comment\n" + t,
        lambda t: t.replace(" ", "\t"),
        lambda t: t.replace(" ", "   ").replace("\n", "  \n\n"),
        lambda t: "# a comment: µm, é\n" + t.replace("\n", " # and more\n"),
        lambda t: "\n".join(f"{line.split()[0]}.000 {line.split(' ', 1)[1]}" for line in t.splitlines()) + "\n",
        lambda t: t.rstrip("\n"),
    ],
    ids=["CRLF", "CR", "BOM", "BOM of a comment", "tabs", "spaces", "comments", "ids as floats", "no end of line"],
)
def test_swc_variants_that_are_read(change, tmp_path):
    path = tmp_path / "cell.SWC"
    path.write_bytes(change(GOOD).encode())
    cell, plain, text = read(path), from_swc(GOOD), from_swc(change(GOOD))
    assert (cell.lengths == plain.lengths).all() and (cell.parents == plain.parents).all()
    assert text == plain and read(str(path)) == plain
    assert cell.source == str(path) and not cell.repairs
    assert len(cell.notes) == (1 if change(GOOD)[-1] == "3" or change(GOOD)[-1] == "7" else 0), cell.notes


def test_latin_1_in_a_comment(tmp_path):
    path = tmp_path / "cell.swc"
    path.write_bytes("# Hönigsperger, µm\n".encode("latin-1") + GOOD.encode())
    assert len(read(path).sections) == len(SECTIONS["branched_soma.swc"])


def test_large_ids():
    text = f"{2**63} 1 0 0 0 5 -1\n{2**70} 3 9 0 0 1 {2**63}\n7 3 20 0 0 1 {2**70}\n"
    assert from_swc(text).lengths.tolist() == [10, 11]


def test_what_is_unusual_is_noted():
    cell = from_swc(TEXTS["types.swc"])
    assert "the types 0, 7, 12 are not among 1 to 4" in cell.notes[0]
    assert "sections of type 2 are carried by sections of type 3" in cell.notes[1]
    assert cell.region("type_7").size == 1 and cell.region("type_0").size == 1
    assert "there is no soma" in from_swc(TEXTS["no_soma_run.swc"]).notes[0]
    assert "steps of the diameter" in from_swc(TEXTS["steps.swc"]).notes[0]
    many = "1 1 0 0 0 5 -1\n" + "".join(
        f"{2 * i} {i} {i} 9 0 1 1\n{2 * i + 1} {i} {i} 19 0 1 {2 * i}\n" for i in range(5, 99)
    )
    assert all(len(note) < 300 for note in from_swc(many).notes)
    assert from_swc("# SCALE 1.0 1 1.000\n" + GOOD).notes == ()
    assert (
        "'# SCALE 0.5 0.5 1', which is not applied: the numbers are taken for um"
        in from_swc("# c\n# SCALE 0.5 0.5 1\n" + GOOD).notes[0]
    )
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


def test_many_trees_are_told_apart_in_no_time():
    text = (
        "".join(f"{i} 3 {i} 0 0 1 {i - 1 if i % 2 else -1}\n" for i in range(1000, 20_000))
        + "1 1 0 0 0 5 -1\n2 3 0 9 0 1 1\n3 3 0 19 0 1 2\n"
    )
    start = time.process_time()
    cell = from_swc(text, repair="disconnected")
    assert time.process_time() - start < 1
    assert cell.lengths.tolist() == [10, 10]
    assert cell.repairs == ("disconnected: 9500 trees with 19000 samples were left out, the one of sample 1 kept",)
    largest = from_swc(text.replace("1 1 0", "1 2 0") + "4 3 0 29 0 1 3\n", repair="disconnected")
    assert [section.type for section in largest.sections] == [2, 3] and "sample 1 kept" in largest.repairs[0]


@pytest.mark.parametrize("repair", ["zero_length", "duplicate_points"])
def test_samples_that_are_there_twice_within_a_section_change_nothing(repair):
    rows = [line.split() for line in TEXTS["random_0.swc"].splitlines()]
    types, parents = {row[0]: row[1] for row in rows}, [row[6] for row in rows]
    doubled, ids = [], {"-1": -1}
    for id, type, *numbers, parent in rows:
        doubled.append(f"{len(doubled) + 1} {type} {' '.join(numbers)} {ids[parent]}\n")
        if parents.count(id) == 1 and type == types.get(parent) != "1":
            doubled.append(f"{len(doubled) + 1} {type} {' '.join(numbers)} {len(doubled)}\n")
        ids[id] = len(doubled)
    plain, mended = from_swc(TEXTS["random_0.swc"]), from_swc("".join(doubled), repair=repair)
    assert mended.repairs and mended.names == plain.names
    np.testing.assert_allclose(mended.lengths, plain.lengths, rtol=1e-12)
    np.testing.assert_allclose(mended.areas, plain.areas, rtol=1e-12)


@pytest.mark.parametrize("repair", [None, True, 3, [["radius"]], [None]])
def test_repairs_that_are_no_names(repair):
    with pytest.raises(ValueError, match="repair = .* is not allowed: must be"):
        from_swc(GOOD, repair=repair)


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

SOMA = "(-6 -2 0 0) (2 -7 0 0) (6.5 -3 0 0) (7 2.5 0 0) (3 6 0 0) (-7 3 0 0)"
TREE = "((Dendrite) (3 6 0 2) (9 22 1 1.5))\n"


@pytest.mark.parametrize(
    "text",
    [
        f'("Contour 1" (Color RGB (9, 255, 9)) (Closed) (CellBody) {SOMA})\n' + TREE,
        f'("soma" (MBFObjectType 5) {SOMA})\n' + TREE,
        f"((CellBody) {SOMA})\n" + TREE.replace("Dendrite", "dendrite"),
        f'("Cell Body" {SOMA})((Color Red) (Dendrite) <(Class 1 "x") (3 5 0 1)> (3 6 0 2) (9 22 1 1.5))',
        f'(Thumbnail (Cols 2) (Rows 2)\n (00FF12 9a0E11\n 1234 ffffff))\n(Sections S1 "a")("Pia" (0 0) (9 9))("CellBody" {SOMA}){TREE}((Axon))',
        f'("CellBody" {SOMA}){TREE.replace("(3 6", "Generated (Cross (Color Red) (1 2 3 4)) (3 6")}',
    ],
    ids=["property", "name", "list", "spine first", "thumbnail", "marker first"],
)
def test_asc_variants_that_are_read(text, tmp_path):
    path = tmp_path / "cell.ASC"
    path.write_text(text)
    plain = tmp_path / "plain.asc"
    plain.write_text(f'("CellBody" (CellBody) {SOMA})\n{TREE}')
    assert read(path) == read(plain) and len(read(path).sections) == 2


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


@pytest.mark.parametrize(("points", "structure"), [(">f4", ">i2"), ("f2", "u8"), ("i4", "i1")])
def test_h5_of_any_number_type(points, structure, tmp_path):
    path = write_h5(tmp_path / "cell.h5", POINTS.astype(points), STRUCTURE[:2].astype(structure))
    assert read(path) == read(write_h5(tmp_path / "plain.h5", POINTS, STRUCTURE[:2]))


def test_h5(tmp_path):
    points = np.concatenate([POINTS, MORE])
    cell = read(write_h5(tmp_path / "cell.h5", points, STRUCTURE))
    assert cell.parents.tolist() == [-1, 0, 1, 1] and cell.sections[1].at == 0.5
    assert cell.lengths[1:] == pytest.approx([45, np.hypot(3, 30), np.hypot(3, 30)])
    one = read(write_h5(tmp_path / "one.h5", np.array([[0, 0, 0, 8.0], *points[4:6]]), [[0, 1, -1], [1, 3, 0]]))
    assert one.areas[0] == pytest.approx(np.pi * 64)
    none = read(write_h5(tmp_path / "none.h5", points[4:], [[0, 3, -1], [2, 3, 0], [4, 3, 0]]))
    assert none.parents.tolist() == [-1, 0, 0]


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
