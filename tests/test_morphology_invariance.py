"""Morphologies written and read back, and what must not change lengths, areas and places."""

import numpy as np
import pytest

from neurodyn import cells
from neurodyn.cells import Morphology, Section


# --- writing


def same(a: Morphology, b: Morphology, rtol: float = 1e-9) -> None:
    assert [s.type for s in a.sections] == [s.type for s in b.sections]
    assert (a.parents == b.parents).all() and [s.at for s in a.sections[1:]] == [s.at for s in b.sections[1:]]
    np.testing.assert_allclose(a.lengths, b.lengths, rtol=rtol)
    np.testing.assert_allclose(a.areas, b.areas, rtol=rtol)


def test_written_and_read_back():
    tree = Morphology.build(
        [
            Section.cylinder(length=20, diameter=10, type=1, name="soma"),
            Section.tapered(length=40, diameters=(3, 1), type=2, parent="soma", at=0),
            Section.cylinder(length=30, diameter=1, type=3, parent="soma", at=0.5),
            Section.tapered(length=50, diameters=(2, 1.5, 1), type=3, parent="dend[0]"),
            Section.cylinder(length=80, diameter=2, type=3, parent="dend[0]"),
            Section.cylinder(length=100, diameter=4, type=4, parent="soma"),
        ]
    )
    text = tree.to_swc()
    again = cells.from_swc(text, repair="zero_length")
    same(tree, again)
    for one, other in zip(tree.sections[1:], again.sections[1:], strict=True):
        if one.at != 0.5:  # else there is one point more or less at the soma
            assert one.diameters == pytest.approx(other.diameters)
    assert again.to_swc() == text


def test_a_sphere_is_written_as_one_sample():
    text = "1 1 1.0 2.0 3.0 8.0 -1\n2 3 12.0 2.0 3.0 1.0 1\n3 3 30.5 2.0 3.0 0.5 2\n"
    assert cells.from_swc(text).to_swc().split("\n", 1)[1] == text


@pytest.mark.parametrize(
    "sections",
    [
        [
            Section.cylinder(length=20, diameter=10, name="a"),
            Section.cylinder(length=1, diameter=1, parent="a", at=0.3),
        ],
        [
            Section.cylinder(length=20, diameter=10, type=1, name="a"),
            Section.cylinder(length=1, diameter=1, parent="a", at=0.3),
        ],
        [Section.cylinder(length=20, diameter=10, name="a"), Section([[9, 9, 9], [10, 9, 9]], [1, 1], parent="a")],
        [Section.cylinder(length=1, diameter=1, name="a"), Section.cylinder(length=1, diameter=1, parent="a")],
    ],
)
def test_what_cannot_be_written_is_refused(sections):
    with pytest.raises(ValueError, match="cannot be written as SWC"):
        Morphology.build(sections).to_swc()


#: A soma of one sample whose first stem in order of types forks at once; a branch of one sample that is followed by one of its type. Both would be read
#: differently in the order of the sections, and the numbers of the axons are not in that order.
AWKWARD = (
    "1 1 0 0 0 5 -1\n2 4 9 0 0 1 1\n3 4 20 0 0 1 2\n4 2 30 0 0 .5 3\n5 2 41 3 0 .5 4\n6 2 0 9 0 1 1\n7 2 0 20 0 1 6\n8 2 5 12 0 .5 6\n9 2 9 20 0 .5 8\n",
    "1 1 0 0 0 5 -1\n2 1 9 0 0 4 1\n3 1 -9 0 0 4 1\n4 4 9 9 0 1 2\n5 5 9 20 0 1 4\n6 5 9 30 0 1 5\n7 4 0 20 0 1 4\n8 4 -9 30 0 .5 7\n",
)


@pytest.mark.parametrize("text", AWKWARD)
def test_what_was_read_is_written_and_numbered_as_it_was(text):
    cell = cells.from_swc(text)
    again = cells.from_swc(cell.to_swc())
    assert again == cell and again.names == cell.names


def test_what_goes_on_alone_is_named():
    sections = [
        Section.cylinder(length=9, diameter=1, name=name, parent=parent)
        for name, parent in (("a", None), ("b", "a"), ("c", "a"), ("d", "c"))
    ]
    with pytest.raises(ValueError, match="4 sections would come back as 3: 'd' alone goes on from the end of 'c'"):
        Morphology.build(sections).to_swc()


# --- what must not change anything


def samples(morphology_text: str) -> np.ndarray:
    return np.array([line.split() for line in morphology_text.splitlines() if not line.startswith("#")], float)


def text_of(table: np.ndarray) -> str:
    return "".join(f"{int(r[0])} {int(r[1])} {r[2]!r} {r[3]!r} {r[4]!r} {r[5]!r} {int(r[6])}\n" for r in table.tolist())


@pytest.fixture(scope="module")
def forest() -> str:
    """A tree of 400 samples with two soma sections."""
    generator = np.random.default_rng(7)
    parents, types = [-1, 1, 1, 3], [1, 1, 1, 1]
    while len(parents) < 400:
        for _ in range(int(generator.integers(1, 8))):
            parents.append(len(parents))
            types.append(types[-1] if types[-1] != 1 else 3)
        parents.append(int(generator.integers(1, len(parents) + 1)))
        carrier = types[parents[-1] - 1]
        types.append(carrier if carrier != 1 else int(generator.integers(2, 6)))
    n = len(parents)
    places = np.round(generator.normal(size=(n, 3)) * 60, 3)
    radii = np.round(generator.uniform(0.2, 4, n), 3)
    return text_of(np.column_stack([np.arange(1, n + 1), types, places, radii, parents]))


def test_ids_may_be_any(forest):
    table = samples(forest)
    ids = np.random.default_rng(1).permutation(10 * len(table))[: len(table)] + 1
    names = dict(zip(table[:, 0], ids, strict=True)) | {-1.0: -1}
    other = table.copy()
    other[:, 0] = [names[i] for i in table[:, 0]]
    other[:, 6] = [names[i] for i in table[:, 6]]
    a, b = cells.from_swc(forest), cells.from_swc(text_of(other))
    same(a, b, 0)
    assert [s.name for s in a.sections] == [s.name for s in b.sections]


def test_the_order_of_lines_matters_to_no_length_and_area(forest):
    lines = forest.splitlines(keepends=True)
    order = np.random.default_rng(2).permutation(len(lines))
    a, b = cells.from_swc(forest), cells.from_swc("".join(lines[i] for i in order))
    assert b.lengths.sum() == pytest.approx(a.lengths.sum(), rel=1e-12)
    assert b.areas.sum() == pytest.approx(a.areas.sum(), rel=1e-12)


def test_mirror_shift_and_rotation(forest):
    a = cells.from_swc(forest)
    table = samples(forest)
    mirrored, moved = table.copy(), table.copy()
    mirrored[:, 3] *= -1
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    moved[:, 2:5] = table[:, 2:5] @ rotation.T + [300.0, -20.0, 77.0]
    same(a, cells.from_swc(text_of(mirrored)), 1e-14)
    same(a, cells.from_swc(text_of(moved)), 1e-9)
    for section, x in ((5, 0.3), (17, 0.9)):
        assert cells.from_swc(text_of(moved)).path_distance(section, x) == pytest.approx(a.path_distance(section, x))


def test_distances_go_on_where_sections_meet(forest):
    cell = cells.from_swc(forest)
    for section in cell.sections[1:]:
        assert cell.path_distance(section.name, 0) == cell.path_distance(section.parent, section.at)


def test_parts_of_a_cell_add_up(forest):
    cell = cells.from_swc(forest)
    tree = cell.subtree("dend[3]")
    rest = cell.without("dend[3]")
    assert 1 < len(tree) < len(cell.sections) and cell.sections[tree[0]].name == "dend[3]"
    assert rest.areas.sum() + cell.areas[tree].sum() == pytest.approx(cell.areas.sum(), rel=1e-13)
    assert set(rest.names) == set(cell.names) - {cell.sections[i].name for i in tree}
    for section in rest.sections[1:]:
        assert cell.sections[cell.section(section.name).parent].name == rest.sections[section.parent].name
        assert rest.path_distance(section.name, 1) == cell.path_distance(section.name, 1)
    assert rest.notes[-1] == f"{len(tree)} sections were taken out"


def test_points_on_a_straight_cone_may_be_merged():
    fine = "1 1 0 0 0 8 -1\n" + "".join(f"{i} 3 {10 + 3 * i} {4 * i} 0 {3 - 0.1 * i!r} {i - 1}\n" for i in range(2, 12))
    coarse = f"1 1 0 0 0 8 -1\n2 3 16 8 0 {3 - 0.1 * 2!r} 1\n3 3 43 44 0 {3 - 0.1 * 11!r} 2\n"
    a, b = cells.from_swc(fine), cells.from_swc(coarse)
    same(a, b)
    edges = np.linspace(0, 1, 6)
    for one, other in zip(cells.integrate(a.sections[1], edges), cells.integrate(b.sections[1], edges), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
