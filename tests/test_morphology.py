"""Sections, trees of sections, what is computed on them, and building them by hand."""

import dataclasses

import numpy as np
import pytest

from neurodyn import cells
from neurodyn.cells import Morphology, Section


@pytest.fixture(scope="module")
def cell() -> Morphology:
    """A soma, a trunk that forks, a basal dendrite in the middle of the soma, and an axon on its other end."""
    return Morphology.build(
        [
            Section.cylinder(length=20, diameter=10, type=1, name="soma"),
            Section.cylinder(length=100, diameter=4, type=4, parent="soma", name="trunk"),
            Section.tapered(length=50, diameters=(2, 1), type=4, parent="trunk", name="left"),
            Section.cylinder(length=80, diameter=2, type=4, parent="trunk", name="right"),
            Section.cylinder(length=30, diameter=1, type=3, parent="soma", at=0.5),
            Section.cylinder(length=40, diameter=1, type=2, parent="soma", at=0),
            Section.cylinder(length=10, diameter=1, type=7, parent="axon[0]", at=0.25),
        ]
    )


def crooked(seed: int = 0, n: int = 12, name: str = "dend[0]") -> Section:
    generator = np.random.default_rng(seed)
    return Section(generator.normal(size=(n, 3)).cumsum(0) * 5, generator.uniform(0.5, 3, n), 3, -1, 1.0, name)


# --- a section


def test_a_cone_in_closed_form():
    cone = Section([[0, 0, 0], [3, 4, 12]], [4, 2])
    slant = np.hypot(13, 1)
    assert cone.length == 13
    assert cone.area == pytest.approx(np.pi * (2 + 1) * slant, rel=1e-14)
    assert cone.volume == pytest.approx(np.pi * 13 / 3 * (4 + 2 + 1), rel=1e-14)
    assert cone.arc.tolist() == [0, 13]


def test_arrays_are_copied_and_read_only():
    points = np.array([[0.0, 0, 0], [1, 0, 0]])
    section = Section(points, [1, 1])
    points[1, 0] = 7
    assert section.length == 1
    with pytest.raises(ValueError, match="read-only"):
        section.points[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        section.type = 2  # pyright: ignore


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": [[0, 0, 0]]}, r"points \(1, 3\) and diameters \(2,\)"),
        ({"points": [[0, 0], [1, 1]]}, r"points \(2, 2\)"),
        ({"points": "text"}, "must be arrays of numbers"),
        ({"points": [[0, 0, 0], [np.nan, 0, 0]]}, "points .* must be finite"),
        ({"points": [[0, 0, 0], [0, 0, 0]]}, "has no length"),
        ({"diameters": [1, 0]}, "diameter = 0.0 um .* must be finite and > 0"),
        ({"diameters": [1, -2]}, "diameter = -2.0 um"),
        ({"diameters": [1, np.inf]}, "diameter = inf um"),
        ({"diameters": [np.nan, 1]}, "diameter = nan um"),
        ({"type": -1}, "type = -1 .* must be an SWC tag"),
        ({"type": 1.5}, "type = 1.5"),
        ({"type": True}, "type = True"),
        ({"at": 1.1}, "at = 1.1 .* must be between 0 and 1"),
        ({"at": np.nan}, "at = nan"),
        ({"at": "end"}, "at = 'end'"),
    ],
)
def test_a_section_refuses(change, message):
    fields = {"points": [[0, 0, 0], [1, 0, 0]], "diameters": [1, 1]}
    with pytest.raises(ValueError, match=message):
        Section(**(fields | change))


@pytest.mark.parametrize("length", [0, -1, np.nan, np.inf, True, "1"])
def test_a_cylinder_refuses_a_length(length):
    with pytest.raises(ValueError, match="length = .* of section 'x' is not allowed: must be"):
        Section.cylinder(length=length, diameter=1, name="x")


# --- areas and resistances of parts


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_against_quadrature(seed):
    section = crooked(seed)
    edges = np.array([0, 0.1, 0.35, 0.5, 0.95, 1])
    areas, resistances = cells.integrate(section, edges)
    halves = np.sort(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2])) * section.length
    for i, (a, b) in enumerate(zip(halves[:-1], halves[1:], strict=True)):
        knots = np.concatenate([[a], section.arc[(section.arc > a) & (section.arc < b)], [b]])
        total = 0.0
        for s0, s1 in zip(knots[:-1], knots[1:], strict=True):
            nodes, weights = np.polynomial.legendre.leggauss(40)
            s = (s0 + s1) / 2 + (s1 - s0) / 2 * nodes
            r = np.interp(s, section.arc, section.diameters / 2)
            total += float((weights / (np.pi * r**2)).sum() * (s1 - s0) / 2)
        assert resistances[i] == pytest.approx(total, rel=1e-9)
    assert areas.sum() == pytest.approx(section.area, rel=1e-13)
    whole, both = cells.integrate(section, [0, 1])
    assert whole[0] == pytest.approx(section.area, rel=1e-13)
    assert both.sum() == pytest.approx(resistances.sum(), rel=1e-13)


def test_parts_of_a_cone_in_closed_form():
    cone = Section([[0, 0, 0], [12, 0, 0]], [4, 1])
    areas, resistances = cells.integrate(cone, [0, 1 / 3, 1])
    assert areas == pytest.approx(np.pi * np.array([2 + 1.5, 1.5 + 0.5]) * np.hypot([4, 8], [0.5, 1.0]), rel=1e-14)
    ends = np.array([2, 1.75, 1.5, 1.0, 0.5])
    assert resistances == pytest.approx(np.array([2, 2, 4, 4]) / (np.pi * ends[1:] * ends[:-1]), rel=1e-14)
    assert cells.diameter_at(cone, [0, 0.5, 1]).tolist() == [4, 2.5, 1]


def test_a_step_of_the_diameter_has_a_ring_and_no_resistance():
    step = Section([[0, 0, 0], [2, 0, 0], [2, 0, 0], [4, 0, 0]], [4, 4, 2, 2])
    areas, resistances = cells.integrate(step, [0, 0.25, 0.5, 0.75, 1])
    ring = np.pi * (4 - 1)
    assert areas == pytest.approx(np.pi * np.array([4, 4, 2, 2]) + [0, ring, 0, 0])
    assert resistances == pytest.approx(0.5 / (np.pi * np.repeat([4, 1], 4)))
    assert areas.sum() == pytest.approx(step.area, rel=1e-14)
    for end in (0, 2):  # at an end too
        step = Section([[0, 0, 0], [end, 0, 0], [2, 0, 0]], [4, 2, 2] if end == 0 else [4, 4, 2])
        areas, _ = cells.integrate(step, [0, 0.5, 1])
        assert areas.sum() == pytest.approx(step.area, rel=1e-14)
        assert areas[0 if end == 0 else 1] == pytest.approx(ring + np.pi * (2 if end == 0 else 4))


@pytest.mark.parametrize("edges", [[0.0], [0.5, 0.5], [1, 0], [[0, 1]], [0, 1.5], [np.nan, 1], [-0.1, 1]])
def test_edges_that_are_refused(edges):
    with pytest.raises(ValueError, match="is not allowed|are not allowed"):
        cells.integrate(crooked(), edges)


# --- a tree


def test_lengths_areas_parents_and_order(cell):
    assert cell.lengths == pytest.approx([20, 100, 50, 80, 30, 40, 10])
    assert cell.parents.tolist() == [-1, 0, 1, 1, 0, 0, 5]
    assert cell.areas[[0, 1]] == pytest.approx(np.pi * np.array([200, 400]))
    assert cell.branch_order.tolist() == [0, 1, 2, 2, 1, 1, 1]
    assert [s.name for s in cell.sections[4:]] == ["dend[0]", "axon[0]", "type_7[0]"]
    assert cell.section("right").length == pytest.approx(80)
    assert repr(cell) == f"<Morphology: 7 sections, 330 um, {cell.areas.sum():.6g} um2>"
    for array in (cell.lengths, cell.areas, cell.parents, cell.branch_order, cell.region("all")):
        assert not array.flags.writeable


def test_path_distances(cell):
    assert cell.path_distance("soma", [0, 0.5, 1]) == pytest.approx([10, 0, 10])
    assert cell.path_distance("left", [0, 1]) == pytest.approx([110, 160])
    assert cell.path_distance(4, 0.5) == pytest.approx(15)
    assert cell.path_distance("type_7[0]", 1) == pytest.approx(10 + 10 + 10)
    with pytest.raises(ValueError, match="x = 2.* must be between 0 and 1"):
        cell.path_distance("left", 2)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("soma", [0]),
        ("apical", [1, 2, 3]),
        ("dendrite", [4]),
        ("basal", [4]),
        ("type_7", [6]),
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("dend[0]", [4]),
        ("*[0]", [4, 5, 6]),
        ("right, axon, soma", [0, 3, 5]),
        (["left", "basal,axon"], None),
        (["left", "basal"], [2, 4]),
        (lambda s: s.length > 45, [1, 2, 3]),
    ],
)
def test_regions(cell, selection, expected):
    if expected is None:
        with pytest.raises(ValueError, match="no section matches"):
            cell.region(selection)
    else:
        assert cell.region(selection).tolist() == expected


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("trunc", "no section matches; the regions are soma, apical, dendrite, axon, type_7; close to it are 'trunk'"),
        ("type_3x", "no section matches"),
        ("dend0", "'dend.0.'"),
        ("", "no section matches"),
        ([], "must be a region"),
        ([1], "must be a region"),
        (lambda s: False, "holds for none of 7 sections"),
    ],
)
def test_selections_that_are_refused(cell, selection, message):
    with pytest.raises(ValueError, match=message):
        cell.region(selection)
    if isinstance(selection, str):
        with pytest.raises(ValueError, match="section .* is not allowed"):
            cell.section(selection)


def test_the_summary_shows_itself_and_loses_no_area(cell):
    summary = cell.summary()
    rows = {row.region: row for row in summary.regions}
    assert list(rows) == ["soma", "axon", "dendrite", "apical", "type_7", "all"]
    assert sum(row.area for name, row in rows.items() if name != "all") == pytest.approx(rows["all"].area, rel=1e-13)
    assert rows["apical"].sections == 3 and rows["apical"].length == pytest.approx(230)
    assert rows["apical"].mean_diameter == pytest.approx((100 * 4 + 50 * 1.5 + 80 * 2) / 230)
    assert rows["all"].largest_distance == pytest.approx(190)
    assert (summary.terminals, summary.branch_points) == (4, 1)
    assert "apical    3" in repr(summary) and "terminals: 4, branch points: 1" in repr(summary)
    assert "<table>" in summary._repr_html_() and "apical" in summary._repr_html_()


# --- building


def test_sections_are_laid_out_from_where_they_are_attached(cell):
    for section in cell.sections[1:]:
        parent = cell.sections[section.parent]
        start = [np.interp(section.at * parent.length, parent.arc, parent.points[:, c]) for c in range(3)]
        assert section.points[0] == pytest.approx(np.array(start))
        assert section.placed
    trunk, left, right = (cell.section(name).points for name in ("trunk", "left", "right"))
    assert trunk[-1, 0] > trunk[0, 0] and left[-1, 0] > left[0, 0]
    assert np.sign(left[-1, 1] - left[0, 1]) == -np.sign(right[-1, 1] - right[0, 1]) != 0
    assert cell.section("axon[0]").points[-1, 0] < -40


def test_order_of_building_does_not_matter():
    sections = [
        Section.cylinder(length=9, diameter=1, parent="b", name="c"),
        Section.cylinder(length=5, diameter=3, parent="a", name="b"),
        Section.cylinder(length=7, diameter=2, name="a"),
    ]
    built = Morphology.build(sections)
    assert [s.name for s in built.sections] == ["a", "b", "c"]
    assert built.parents.tolist() == [-1, 0, 1]
    assert sections[0].parent == "b" and not sections[0].placed


def test_points_of_ones_own_stay():
    own = Section([[5, 5, 5], [6, 6, 6]], [1, 1], parent="a", name="b")
    built = Morphology.build([Section.cylinder(length=1, diameter=1, name="a"), own])
    assert (built.section("b").points == own.points).all()


def test_names_that_are_given_are_not_given_again():
    a = Section.cylinder(length=1, diameter=1, name="dend[1]")
    rest = [Section.cylinder(length=1, diameter=1, parent="dend[1]") for _ in range(2)]
    assert [s.name for s in Morphology.build([a, *rest]).sections] == ["dend[1]", "dend[0]", "dend[2]"]


def stick(name, parent=None, **more):
    return Section.cylinder(length=1, diameter=1, name=name, parent=parent, **more)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ([], "must be one or more"),
        ([stick("a"), stick("b")], "one section must be the root"),
        ([stick("a"), stick("a", "a")], "name = 'a' is not allowed: 2 sections"),
        ([stick("trunk"), stick("b", "trunc")], "parent = 'trunc' of section 'b' .* close to it are 'trunk'"),
        ([stick("a"), stick("b", 5)], "parent = 5"),
        ([stick("a"), stick("b", True)], "parent = True"),
        ([stick("a"), stick("b", "c"), stick("c", "b")], "'b', 'c' are not allowed: they lead round in a circle"),
        ([stick("a", "a")], "round in a circle"),
        ([stick("a"), 3], "must be a Section"),
    ],
)
def test_what_building_refuses(sections, message):
    with pytest.raises(ValueError, match=message):
        Morphology.build(sections)


def test_a_morphology_wants_indices_in_order():
    a, b = stick("a", -1), stick("b", 0)
    assert len(Morphology((a, b)).sections) == 2
    for sections in ((b, a), (a, stick("b", "a")), (a, stick("b", 1)), (), (a, stick("a", 0))):
        with pytest.raises(ValueError, match="is not allowed"):
            Morphology(sections)


def test_shapes():
    assert cells.cylinder(1000, 1, name="cable").section("cable").area == pytest.approx(1000 * np.pi)
    assert cells.tapered(10, [4, 2, 1]).lengths == pytest.approx([10])
    ball = cells.ball_and_stick(20, 500, 2)
    assert ball.areas == pytest.approx(np.pi * np.array([400, 1000]))
    assert ball.path_distance("dend", 1) == pytest.approx(510)
    assert cells.ball_and_stick(20, 500, 2, soma_length=5).lengths[0] == 5


def test_the_tree_of_rallpack_2():
    tree = cells.branching()
    diameters = np.array([s.diameters[0] for s in tree.sections])
    assert len(tree.sections) == 1023 and diameters[0] == 16 and diameters[-1] == pytest.approx(0.25)
    assert tree.lengths[0] == pytest.approx(32)  # 0.008 of sqrt(16 um 4 ohm m2 / (4 ohm m)) = 4000 um
    children = np.bincount(tree.parents[1:], diameters[1:] ** 1.5)
    assert children == pytest.approx(diameters[: len(children)] ** 1.5)
    space = np.sqrt(diameters * 1e-6 * 4 / 4) * 1e6
    assert tree.lengths / space == pytest.approx(0.008)
    # An equivalent cylinder: the area of every generation is that of a piece of the root's cylinder of the same electrotonic length.
    assert tree.areas.sum() == pytest.approx(10 * tree.areas[0])
    assert tree.summary().terminals == 512


@pytest.mark.parametrize(
    "arguments", [{"depth": -1}, {"depth": 17}, {"depth": 1.0}, {"diameter": 0}, {"resistivity": np.nan}]
)
def test_the_tree_refuses(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} = {value!r}.* is not allowed: must be"):
        cells.branching(**arguments)


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
        [Section.cylinder(length=20, diameter=10, name="a"), stick("b", "a", at=0.3)],
        [Section.cylinder(length=20, diameter=10, type=1, name="a"), stick("b", "a", at=0.3)],
        [Section.cylinder(length=20, diameter=10, name="a"), Section([[9, 9, 9], [10, 9, 9]], [1, 1], parent="a")],
        [stick("a"), stick("b", "a")],
    ],
)
def test_what_cannot_be_written_is_refused(sections):
    with pytest.raises(ValueError, match="cannot be written as SWC"):
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


def test_points_on_a_straight_cone_may_be_merged():
    fine = "1 1 0 0 0 8 -1\n" + "".join(f"{i} 3 {10 + 3 * i} {4 * i} 0 {3 - 0.1 * i!r} {i - 1}\n" for i in range(2, 12))
    coarse = f"1 1 0 0 0 8 -1\n2 3 16 8 0 {3 - 0.1 * 2!r} 1\n3 3 43 44 0 {3 - 0.1 * 11!r} 2\n"
    a, b = cells.from_swc(fine), cells.from_swc(coarse)
    same(a, b)
    edges = np.linspace(0, 1, 6)
    for one, other in zip(cells.integrate(a.sections[1], edges), cells.integrate(b.sections[1], edges), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
