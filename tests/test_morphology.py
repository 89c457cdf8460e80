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
        ({"points": [[0, 0, 0], [1e-200, 0, 0]]}, "has no length"),
        ({"points": [[0, 0, 0], [1e200, 0, 0]]}, "has a length that is no number"),
        ({"name": 3}, "name = 3 .* must be a string"),
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


@pytest.mark.parametrize("diameters", ["ab", 3, ["a", "b"], [[1, 2]], [1], object()])
def test_a_cone_refuses_diameters(diameters):
    with pytest.raises(ValueError, match="diameters.* of section 'x'.* are not allowed: must be"):
        Section.tapered(length=1, diameters=diameters, name="x")


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
        ({"axon", "soma"}, [0, 5]),
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
        (None, "must be a region"),
        (1, "must be a region"),
        (lambda s: False, "holds for none of 7 sections"),
    ],
)
def test_selections_that_are_refused(cell, selection, message):
    with pytest.raises(ValueError, match=message):
        cell.region(selection)
    if isinstance(selection, str):
        with pytest.raises(ValueError, match="section .* is not allowed"):
            cell.section(selection)


def test_a_section_named_like_a_region():
    sections = [stick("soma", type=1), stick("axon", "soma", type=3), stick("b", "soma", type=2)]
    with pytest.raises(
        ValueError,
        match="selection 'axon' is not allowed: it is a region of 1 sections and the name of a section of another",
    ):
        Morphology.build(sections).region("axon")
    assert Morphology.build(sections[:2]).region("axon").tolist() == [1]


@pytest.mark.parametrize("section", [-1, 7, 1.0, True, None, "7", []])
def test_sections_that_are_not_there(cell, section):
    with pytest.raises(
        ValueError, match="section.* is not allowed: (must be a name or an index from 0 to 6|no section matches)"
    ):
        cell.path_distance(section, 0.5)


def test_subtrees(cell):
    assert cell.subtree("trunk").tolist() == [1, 2, 3]
    assert cell.subtree("left, axon").tolist() == [2, 5, 6]
    assert not cell.subtree("all").flags.writeable
    rest = cell.without("axon")
    assert list(rest.names) == ["soma", "trunk", "left", "right", "dend[0]"] and len(cell.sections) == 7
    assert cell.without(lambda s: s.diameters[0] == 2).names == {
        "soma": 0,
        "trunk": 1,
        "dend[0]": 2,
        "axon[0]": 3,
        "type_7[0]": 4,
    }
    for selection in ("soma", "all"):
        with pytest.raises(ValueError, match="it holds the root section, which carries all others"):
            cell.without(selection)


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
        (None, "sections of type NoneType are not allowed"),
        (stick("a"), "sections of type Section are not allowed"),
        ([stick("a"), stick("b", stick("a"))], "parent of type Section of section 'b' is not allowed: must be a name"),
    ],
)
def test_what_building_refuses(sections, message):
    with pytest.raises(ValueError, match=message):
        Morphology.build(sections)


def test_a_morphology_wants_indices_in_order():
    a, b = stick("a", -1), stick("b", 0)
    assert len(Morphology((a, b)).sections) == 2
    assert Morphology((a, stick("b", np.int64(0), at=np.int32(1)))) == Morphology((a, b))
    for sections in (a, None, (a, "b"), (b, a), (a, stick("b", "a")), (a, stick("b", 1)), (), (a, stick("a", 0))):
        with pytest.raises(ValueError, match="(is|are) not allowed"):
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
