"""Pictures of cells: where things are drawn, and what is refused."""

import shutil
import weakref

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from PIL import Image

import neurodyn as nd
from neurodyn.cells import Cell, Compartments, Morphology, On, Section
from neurodyn.channels import HCurrent, Leak
from neurodyn.plot.along import branch_lines, distances_from, way_to
from neurodyn.plot.cell_drawn import Drawn
from neurodyn.plot.cell_outline import outlines, pieces
from neurodyn.plot.cell_view import cell_size
from neurodyn.plot.video import write_video


@pytest.fixture(scope="module")
def shape() -> Morphology:
    """A soma like a ball, a trunk that bends and tapers and forks, a dendrite in the middle of the soma and one in the middle of a branch, and an axon on its
    other end."""
    trunk = Section([[20, 0, 0], [60, 0, 30], [60, 80, 30]], [4, 3, 2], 4, "soma", 1.0, "trunk")
    return Morphology.build(
        [
            Section([[0, 0, 0], [20, 0, 0]], [20, 20], 1, None, 1.0, "soma"),
            trunk,
            Section([[60, 80, 30], [60, 180, 30]], [2, 2], 4, "trunk", 1.0, "left"),
            Section([[60, 80, 30], [140, 80, 30]], [2, 1], 4, "trunk", 1.0, "right"),
            Section([[100, 80, 30], [100, 80, -30]], [2, 2], 4, "right", 0.5, "deep"),
            Section([[10, 30, 0], [10, 90, 0]], [1, 1], 3, "soma", 0.5, "dend[0]"),
            Section([[0, 0, 0], [-50, 0, 0]], [1, 1], 2, "soma", 0.0, "axon[0]"),
        ]
    )


@pytest.fixture(scope="module")
def parts(shape):
    return Compartments.per_section(shape, 3)


@pytest.fixture(scope="module")
def cell(parts):
    inputs = {"electrode": nd.cells.CurrentClamp("left(0.5)")}
    return Cell(parts, {"leak": Leak(), "h": On("right,dendrite", HCurrent())}, inputs=inputs)


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax, kind=PolyCollection):
    return next(c for c in ax.collections if type(c) is kind)


def polygon_area(points) -> float:
    x, y = points.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


# --- outlines


def test_the_cones_of_a_compartment_have_its_area(parts):
    cut = pieces(parts.layout)
    for k in range(parts.layout.size):
        own = slice(cut.begin[k], cut.end[k] + 1)
        height = np.linalg.norm(np.diff(cut.points[own], axis=0), axis=1)
        r = cut.radii[own]
        area = np.pi * ((r[1:] + r[:-1]) * np.hypot(height, np.diff(r))).sum()
        if parts.layout.section[k] == 0:
            assert area == pytest.approx(
                4 * np.pi * 10**2 / 3, rel=5e-3
            )  # each third of a ball's axis has a third of its area
        else:
            assert area == pytest.approx(float(parts.area[k]), rel=1e-12)


def test_outlines_are_as_wide_as_the_branch(parts):
    cut, layout = pieces(parts.layout), parts.layout
    shapes, depth = outlines(cut, [0, 1])
    left, deep = layout.locate("left(0.5)"), layout.locate("deep(0.5)")
    np.testing.assert_allclose(np.ptp(shapes[left], axis=0), [2.0, 100 / 3])
    np.testing.assert_allclose([shapes[left][:, 0].mean(), shapes[left][:, 1].mean()], [60.0, 130.0])
    # A branch along the line of sight is a disc; from the side it is as long as it is.
    np.testing.assert_allclose(np.ptp(shapes[deep], axis=0), [2.0, 2.0], rtol=1e-12)
    np.testing.assert_allclose(np.ptp(outlines(cut, [0, 2])[0][deep], axis=0), [2.0, 20.0])
    # The thirds of the ball make up its disc.
    soma = sum(polygon_area(shapes[k]) for k in range(3))
    assert soma == pytest.approx(np.pi * 10**2, rel=0.01)
    assert depth[left] == 30 and depth[layout.locate("deep(0)")] == 20 and depth[layout.locate("deep(1)")] == -20
    # Seen along y from below, what has less y is nearer.
    assert np.argmin(outlines(cut, [0, 2])[1]) == layout.locate("left(1)")


def test_a_bend_is_drawn_without_a_gap(parts):
    cut = pieces(parts.layout)
    shapes, _ = outlines(cut, [0, 1])
    first, second = parts.layout.locate("trunk(0.1)"), parts.layout.locate("trunk(0.5)")
    half = len(shapes[first]) // 2
    np.testing.assert_array_equal(shapes[first][half - 1 : half + 1], shapes[second][[0, -1]])


def test_an_outline_that_turns_back_does_not_cross_itself():
    # As seen it goes 10 um forth, 6 back, 16 forth, 2 um wide.
    zigzag = Morphology.build([Section([[0, 0, 0], [10, 0, 0], [4, 0, 30], [20, 0, 50]], [2, 2, 2, 2])])
    for count in (1, 5):
        cut = pieces(Compartments.per_section(zigzag, count).layout)
        assert sum(map(polygon_area, outlines(cut, [0, 1])[0])) == pytest.approx(2 * (10 + 6 + 16))


def test_a_ball_in_space_is_round(parts):
    # The balls around the points of the soma reach to its surface, and nowhere beyond it.
    cut = pieces(parts.layout)
    own = cut.section == 0
    np.testing.assert_allclose(np.abs(cut.points[own, 0] - 10.0) + cut.balls[own], 10.0)
    assert cut.balls[own].max() == pytest.approx(10.0)
    np.testing.assert_array_equal(cut.balls[~own], cut.radii[~own])


# --- the picture of a cell


def test_regions(shape, ax):
    assert nd.plot.cell(shape, ax=ax) is ax
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["soma", "axon", "dendrite", "apical"]
    colours = [h.get_color() for h in ax.get_legend().legend_handles]
    assert len(set(colours)) == 4 and ax.get_aspect() == 1.0 and not ax.axison
    collection = drawn(ax)
    assert len(collection.get_paths()) == 7
    # The soma is painted last, and the axes hold everything.
    np.testing.assert_allclose(collection.get_facecolor()[-1, :3], matplotlib.colors.to_rgb(colours[0]))
    low, high = ax.viewLim.min, ax.viewLim.max
    points = np.concatenate([path.vertices for path in collection.get_paths()])
    assert (points.min(0) >= low).all() and (points.max(0) <= high).all()
    # The dendrite of the soma begins outside of it: a line says that they belong together.
    (gap,) = drawn(ax, LineCollection).get_segments()
    np.testing.assert_allclose(gap, [[10, 0], [10, 30]])


def test_colours_of_ones_own(shape, ax):
    nd.plot.cell(shape, ax=ax, colour={"apical": "red"}, scale_bar=False)
    faces = drawn(ax).get_facecolor()
    assert (faces[:, :3] == [1.0, 0.0, 0.0]).all(axis=1).sum() == 4 and not ax.artists
    with pytest.raises(
        ValueError, match=r"colour\['apic'\] is not allowed: the regions are soma, axon, dendrite, apical"
    ):
        nd.plot.cell(shape, ax=ax, colour={"apic": "red"})


@pytest.mark.parametrize("view", ["xy", "yz", "3d"])
def test_values_stand_where_they_belong(parts, view):
    ax = Figure().add_subplot(projection="3d" if view == "3d" else None)
    values = np.arange(21.0)
    values[5] = np.nan
    nd.plot.cell(parts, values, ax=ax, view=view, label="voltage (mV)", limits=(0.0, 40.0))
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "voltage (mV)" and bar.get_ylim() == (0.0, 40.0)
    if view == "3d":
        collection = ax.collections[0]
        middle = {
            k: np.mean(s, axis=0) for k, s in zip(collection.get_array().tolist(), collection._segments3d, strict=True)
        }
        np.testing.assert_allclose(middle[7.0], [60, 130, 30])
    else:
        collection = drawn(ax)
        shapes = {
            k: path.vertices for k, path in zip(collection.get_array().tolist(), collection.get_paths(), strict=True)
        }
        np.testing.assert_allclose(np.ptp(shapes[7.0], axis=0).max(), 100 / 3)
    assert collection.get_array().mask.sum() >= 1
    assert set(collection.get_array().compressed()) == set(values[np.isfinite(values)])


def test_one_value_for_each_section(parts, ax):
    nd.plot.cell(parts, np.arange(7), ax=ax, legend=False)
    assert np.bincount(drawn(ax).get_array().astype(int)).tolist() == [3] * 7


def test_marks(shape, ax):
    nd.plot.cell(shape, ax=ax, marks={"electrode": "soma", "synapses": ["left(1)", "trunk(0)"]})
    assert [t.get_text() for t in ax.texts] == ["electrode", "synapses"]
    places = [np.ravel(line.get_xydata()) for line in ax.lines]
    np.testing.assert_allclose(places, [[10, 0], [60, 180], [20, 0]], atol=0.1)
    assert len({line.get_marker() for line in ax.lines}) == 2
    with pytest.raises(ValueError, match="lef.*close to it are 'left'"):
        nd.plot.cell(shape, ax=ax, marks="lef(0.5)")


def test_a_cylinder_has_room_in_its_axes(ax):
    # Marks and the scale bar are inside, though it is 2 um wide; and a ball asks for a picture as high as it is wide.
    rod = nd.cells.cylinder(1000.0, 2.0, name="rod")
    nd.plot.cell(rod, ax=ax, marks="rod(0.5)")
    (low, high), (bar,) = ax.get_ylim(), ax.artists
    assert high - low >= 160.0 and (low + high) / 2 == pytest.approx(0.0)
    ax.figure.draw_without_rendering()
    bar_at = ax.transData.inverted().transform(bar.get_window_extent())[:, 1]
    assert bar_at.max() < -1.0
    ball = Morphology.build([Section([[0, 0, 0], [20, 0, 0]], [20, 20], 1, None, 1.0, "soma")])
    width, height = cell_size(pieces(Compartments.per_section(ball, 1).layout), "xy")
    assert width == pytest.approx(height, rel=0.1)


def test_one_value_has_a_scale(parts, ax):
    nd.plot.cell(parts, np.full(21, -65.0) + 1e-14 * np.arange(21), ax=ax)
    assert drawn(ax).get_clim() == pytest.approx((-65.65, -64.35))


def test_what_is_not_finite_is_grey(parts, ax):
    values = np.arange(21.0)
    values[[3, 4, 5]] = np.nan, np.inf, -np.inf
    nd.plot.cell(parts, values, ax=ax)
    assert drawn(ax).get_array().mask.sum() == 3 and drawn(ax).get_clim() == (0.0, 20.0)


def test_the_scale_bar_is_true(shape, ax):
    nd.plot.cell(shape, ax=ax)
    (bar,) = ax.artists
    line = bar.size_bar.get_children()[0]
    assert line.get_width() == 20.0 and bar.txt_label.get_text() == "20 µm"


def test_widths_in_space_are_those_of_the_picture(shape):
    # In a picture that is laid out already a branch is as many points wide as it is um, times the scale.
    ax = nd.plot.cell(shape, view="3d")
    plt.close(ax.figure)
    lines = ax.collections[0]
    widths = np.asarray(lines.get_linewidths())
    ax.figure.draw_without_rendering()
    seen = np.linalg.norm(np.diff(lines.get_segments(), axis=1)[:, 0], axis=1)
    scale = (
        np.linalg.norm(ax.transData.transform([[1.0, 0.0]]) - ax.transData.transform([[0.0, 0.0]])) * 72 / ax.figure.dpi
    )
    left = max(
        range(len(seen)), key=lambda i: abs(np.diff(lines._segments3d[i][:, 1]))[0]
    )  # 100 um, across the line of sight
    assert widths[left] / 2.0 == pytest.approx(seen[left] * scale / 100, rel=0.15)  # perspective


def test_what_a_picture_refuses(parts, ax):
    figures = plt.get_fignums()
    for wrong, message in (
        (dict(values=np.zeros(20)), r"values of shape \(20,\) .* must be numbers of shape \(21,\).* 7 sections"),
        (dict(values=np.zeros((2, 21))), r"values of shape \(2, 21\)"),
        (dict(values=np.zeros(21), limits=(1.0, 0.0)), r"limits = \(1.0, 0.0\)"),
        (dict(values=np.zeros(21), limits="ab"), "limits = 'ab' is not allowed: must be two finite numbers"),
        (dict(values=np.zeros(21), limits=5.0), "limits = 5.0"),
        (dict(values=np.zeros(21), limits=(0.0, np.inf)), "limits = "),
        (dict(values=np.zeros(21), cmap="virids"), "cmap = 'virids'"),
        (dict(values=np.zeros(21), cmap=["red"]), "cmap = "),
        (dict(values=np.zeros(21), colour="red"), "colour = 'red' is not allowed besides values"),
        (dict(values=[[1.0], [1.0, 2.0]]), "differ in length"),
        (dict(values=nd.Solution(np.arange(2.0), {"v": np.zeros((2, 21))}, None, 0, None)), "type Solution"),
        (dict(colour="blu"), "colour = 'blu' is not allowed"),
        (dict(colour=3), "colour = 3 is not allowed"),
        (dict(colour={"soma": "blu"}), r"colour\['soma'\] = 'blu'"),
        (dict(view=["xy"]), "view = "),
        (dict(marks=[1]), "places of '1' = 1"),
        (dict(view="zx"), "view = 'zx' is not allowed: must be one of xy, xz, yz, 3d"),
        (dict(view="3d"), "projection='3d'"),
        (dict(marks=3), "places = 3"),
        (dict(marks={"a": []}), "one or more"),
    ):
        with pytest.raises(ValueError, match=message):
            nd.plot.cell(parts, ax=ax, **wrong)
        if wrong != dict(view="3d"):  # allowed where axes may be made
            with pytest.raises(ValueError, match=message):
                nd.plot.cell(parts, **wrong)
    assert plt.get_fignums() == figures
    with pytest.raises(ValueError, match="shape = 'cell' is not allowed"):
        nd.plot.cell("cell", ax=ax)
    for wrong in (ax.figure, [ax], "ax"):
        with pytest.raises(ValueError, match="must be one matplotlib axes"):
            nd.plot.cell(parts, ax=wrong)


# --- along the cell


def test_the_way_to_a_place(parts):
    layout = parts.layout
    at, away, borders = way_to(layout, layout.morphology.names["deep"], 1.0)
    names = [layout.name_of(k).split("(")[0] for k in at]
    assert names == ["soma"] * 2 + ["trunk"] * 3 + ["right"] * 2 + ["deep"] * 3
    np.testing.assert_allclose(away[:2], [0, 20 / 3])
    np.testing.assert_allclose(away[2:5], 10 + 130 * np.asarray([1, 3, 5]) / 6)
    # Half of `right`: its middle compartment carries, at 40 um, where `deep` begins.
    np.testing.assert_allclose(away[5:], [140 + 80 / 6, 180, 190, 210, 230])
    np.testing.assert_allclose([begin for begin, _ in borders], [0, 10, 140, 180])
    # Through the beginning of the soma the other way, and into its middle.
    np.testing.assert_allclose(way_to(layout, 6, 0.5)[1], [0, 20 / 3, 10 + 50 / 6, 35])
    np.testing.assert_allclose(way_to(layout, 5, 0.0)[1], [0, 10])
    # The compartment that carries `deep` is in the middle of the rest of `right`, but the way leaves where that begins.
    halves = Compartments.per_section(layout.morphology, 2).layout
    np.testing.assert_allclose(way_to(halves, 4, 0.0)[1][-3:], [160, 180, 195])


def test_distances_are_those_of_the_tree(parts):
    layout = parts.layout
    np.testing.assert_allclose(distances_from(layout, layout.root), layout.distance)
    both = np.stack([distances_from(layout, k) for k in range(layout.size)])
    np.testing.assert_allclose(both, both.T, atol=1e-12)
    assert (np.diag(both) == 0).all()
    left, right, axon = (layout.locate(site) for site in ("left(0)", "right(0)", "axon[0](1)"))
    assert both[left, right] == pytest.approx(100 / 6 + 80 / 6)
    assert both[axon, right] == pytest.approx(50 * 5 / 6 + 20 + 130 + 80 / 6)


def test_path(parts, ax):
    values = np.asarray(parts.distance) ** 2
    assert nd.plot.path(parts, values, "left(1)", ax=ax, label="peak (mV)") is ax
    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xdata()[1:] ** 2, line.get_ydata()[1:])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("path distance from the soma (µm)", "peak (mV)")
    assert [x.get_xdata()[0] for x in ax.lines[1:]] == [10, 140]  # where sections begin
    assert [t.get_text() for t in ax.texts] == ["apical"]


def test_path_of_several_rows_and_places(parts, ax):
    rows = np.stack([np.zeros(21), np.ones(21), np.arange(21.0), np.zeros(21)])
    nd.plot.path(parts, rows, "left", ax=ax, labels=["a", "b", "c", "d"])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b", "c", "d"]
    grouped, other = Figure().subplots(2)
    nd.plot.path(parts, rows[2], {"tufts": ["left(1)", "right(1)"], "basal": "dend[0](1)"}, ax=grouped)
    assert [t.get_text() for t in grouped.get_legend().get_texts()] == ["tufts", "basal"]
    colours = [line.get_color() for line in grouped.lines]
    assert colours[0] == colours[1] != colours[2]
    nd.plot.path(parts, rows[2], {"tuft": "left(1)", "basal": "dend[0](1)"}, ax=other, branches=True)
    assert [line.get_label() for line in other.lines] == ["tuft", "basal"]
    assert len(drawn(other, LineCollection).get_segments()) == 7
    for wrong, message in (
        (dict(values=rows, to=["left", "right"]), r"values of shape \(4, 21\) are not allowed for 2 places"),
        (dict(values=rows), "for all places"),
        (dict(values=rows, to="left", branches=True), "branches = True is not allowed"),
        (dict(values=rows, to="left", labels=["a"]), "labels: 1 are not allowed: must be 4"),
        (dict(values=rows, to="left", labels="abcd"), "labels = 'abcd' is not allowed"),
        (dict(values=rows[0], to=["left", "right"], labels=["a"]), "labels are not allowed for 2 places"),
        (dict(values=rows[:0], to="left"), r"values of shape \(0, 21\)"),
        (dict(values=rows[:, :5], to="left"), r"values of shape \(4, 5\)"),
        (dict(values=rows[0], to="left(2)"), "position must be a number between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            nd.plot.path(parts, ax=ax, **wrong)


def test_all_branches_hang_together(parts, ax):
    layout, values = parts.layout, np.arange(21.0)
    lines = branch_lines(layout, layout.distance, values)
    carriers = [
        layout.locate(site) for site in ("soma(1)", "trunk(1)", "trunk(1)", "right(0.5)", "soma(0.5)", "soma(0)")
    ]
    assert len(lines[0]) == 3 and [line[0, 1] for line in lines[1:]] == carriers
    nd.plot.path(parts, values, ax=ax)
    assert [len(s) for s in drawn(ax, LineCollection).get_segments()] == [3, *[4] * 6]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["soma", "axon", "dendrite", "apical"]


# --- attenuation


def test_attenuation_of_an_exponential(cell, ax):
    # Of a Cell with one electrode: from there, which is `left(0.5)`.
    away = distances_from(cell.layout, cell.layout.locate("left(0.5)"))
    peak = -65.0 - 20.0 * np.exp(-away / 100.0)
    v = np.stack([np.full(21, -65.0), peak, (peak - 65) / 2])
    run = nd.Solution(np.arange(3.0), {"v": v}, None, 0, None)
    assert nd.plot.attenuation(cell, run, ax=ax) is ax
    nd.plot.attenuation(cell, peak, -65.0, ax=ax)
    for lines in (c for c in ax.collections if isinstance(c, LineCollection)):
        points = np.concatenate(lines.get_segments())
        np.testing.assert_allclose(points[:, 1], np.exp(-points[:, 0] / 100.0))
    assert ax.get_xlabel() == "path distance from left(0.5) (µm)" and ax.get_ylim()[0] == 0.0
    with pytest.raises(ValueError, match="rest = None is not allowed for values at one time"):
        nd.plot.attenuation(cell, peak, ax=ax)
    with pytest.raises(ValueError, match=r"deflection = 0 mV at 'soma\(0.5\)'"):
        nd.plot.attenuation(cell, peak, peak, at="soma", ax=ax)
    with pytest.raises(ValueError, match=r"rest of shape \(3,\)"):
        nd.plot.attenuation(cell, peak, np.zeros(3), ax=ax)


def test_attenuation_passes_over_what_is_not_finite(parts, ax):
    v = np.stack([np.zeros(21), -np.arange(1.0, 22.0)])
    v[:, 3], v[1, 4] = np.nan, -np.inf
    nd.plot.attenuation(parts, v, ax=ax)
    points = np.concatenate(drawn(ax, LineCollection).get_segments())
    assert np.isfinite(ax.get_ylim()).all()
    assert np.nanmin(points[:, 1]) == 1 / 2  # the soma's first third to the middle one


def test_one_compartment_is_a_dot(ax):
    ball = Morphology.build([Section([[0, 0, 0], [20, 0, 0]], [20, 20], 1, None, 1.0, "soma")])
    nd.plot.path(ball, [3.0], ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0.0, 3.0]])


# --- films


@pytest.fixture(scope="module")
def run(cell):
    """Five records: the voltage, and the h current in the order in which the cell keeps it."""
    ts = np.asarray([0.0, 1.0, 2.0, 3.0, 4.0])
    v = ts[:, None] + np.zeros(21)
    return nd.Solution(ts, {"v": v, "i_h": np.tile(cell.where("h").astype(float), (5, 1))}, None, 0, None)


def test_a_gif(cell, run, tmp_path):
    figures = plt.get_fignums()
    path = nd.plot.cell_movie(tmp_path / "new" / "film.gif", cell, run, frames=3, fps=10.0, dpi=40.0, at="left(0.5)")
    with Image.open(path) as film:
        assert (
            film.n_frames == 3 and film.info["duration"] == 100 and film.info["comment"] == b"3 frames, one every 2 ms"
        )
        shown = []
        for k in range(3):
            film.seek(k)
            shown.append(np.asarray(film.convert("RGB"), float))
    assert all(np.abs(a - b).max() > 50 for a, b in ((shown[0], shown[1]), (shown[1], shown[2])))
    assert (shown[2][0] == 255).all()  # white stays white
    assert [p.name for p in path.parent.iterdir()] == ["film.gif"] and plt.get_fignums() == figures


def test_currents_stand_where_the_channel_is(cell, run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(Drawn, "show", lambda self, values: seen.append(values))
    nd.plot.cell_movie(tmp_path / "film.gif", cell, run, record="i_h", frames=1, dpi=30.0)
    there = np.isfinite(seen[-1])
    np.testing.assert_array_equal(np.flatnonzero(there), np.sort(cell.where("h")))
    np.testing.assert_array_equal(seen[-1][there], np.flatnonzero(there))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_mp4(parts, tmp_path):
    values = np.arange(4.0)[:, None] + np.zeros(21)
    path = nd.plot.cell_movie(tmp_path / "film.mp4", parts, values, np.arange(4.0), dpi=40.0)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_frames_of_an_mp4_are_made_one_after_the_other(tmp_path, monkeypatch):
    # A stand-in for ffmpeg that only reads: never more than the first frame, the last and the next are there.
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\ncat > /dev/null\nfor last; do :; done\necho film > "$last"\n')
    program.chmod(0o755)
    monkeypatch.setitem(matplotlib.rcParams, "animation.ffmpeg_path", str(program))
    made = []

    def frames():
        for _ in range(100):
            frame = np.zeros((4, 4, 3), np.uint8)
            made.append(weakref.ref(frame))
            assert sum(ref() is not None for ref in made) <= 3
            yield frame

    write_video(tmp_path / "film.mp4", frames(), 10.0, np.zeros((2, 3)), "")
    assert (tmp_path / "film.mp4").read_text() == "film\n" and len(made) == 100


def test_what_a_film_refuses(parts, run, tmp_path, monkeypatch):
    ts, values = np.arange(5.0), np.zeros((5, 21))

    def film(name, values=values, ts=ts, **more):
        nd.plot.cell_movie(tmp_path / name, parts, values, ts, **more)

    monkeypatch.setitem(matplotlib.rcParams, "animation.ffmpeg_path", "no-such-program")
    for wrong, error, message in (
        (lambda: film("film.avi"), ValueError, "film.avi' is not allowed: must end in .gif or .mp4"),
        (lambda: film("film.mp4"), RuntimeError, "needs the program ffmpeg"),
        (lambda: film("film.gif", fps=60.0), ValueError, "fps = 60.0 is not allowed for a GIF"),
        (lambda: film("film.gif", fps=0.001), ValueError, "fps = 0.001 is not allowed for a GIF"),
        (lambda: film("film.gif", frames=0), ValueError, "frames = 0"),
        (lambda: film("film.gif", dpi=1.0), ValueError, "dpi = 1.0 is not allowed: must be 10 to 600"),
        (lambda: film("film.gif", ts=[0, 1, 2, 3, np.inf]), ValueError, "must be finite, ascending times"),
        (lambda: film("film.gif", ts="abcde"), ValueError, "must be finite, ascending times"),
        (lambda: film("film.gif", values=values[:0], ts=ts[:0]), ValueError, r"values of shape \(0, 21\)"),
        (lambda: film("film.gif", values=run), ValueError, "ts are not allowed with a Solution"),
        (lambda: film("film.gif", values=run, ts=None, record="*"), ValueError, "must be one record, not v, i_h"),
        (lambda: film("film.gif", values=run, ts=None, record=None), ValueError, "record = None"),
        (lambda: nd.plot.cell_movie(parts, "film.gif", values, ts), ValueError, "path of type Compartments"),
        (lambda: film("film.gif", view="3d"), ValueError, "view = '3d' is not allowed for a film"),
        (lambda: film("film.gif", ts=None), ValueError, "ts = None"),
        (lambda: film("film.gif", ts=ts[::-1]), ValueError, "must be finite, ascending times"),
        (lambda: film("film.gif", values=values[0]), ValueError, "one for each row"),
        (lambda: film("film.gif", values=run, ts=None, record="i_hh"), ValueError, "did you mean 'i_h'"),
    ):
        with pytest.raises(error, match=message):
            wrong()
    assert not list(tmp_path.iterdir())


def test_a_film_is_written_whole_or_not_at_all(parts, tmp_path):
    path, palette = tmp_path / "film.gif", np.zeros((2, 3))
    path.write_bytes(b"the one before")

    def broken_off():
        yield np.zeros((4, 4, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, broken_off(), 10.0, palette, "")
    assert path.read_bytes() == b"the one before" and [p.name for p in tmp_path.iterdir()] == ["film.gif"]
    # Where it cannot be written no frame is made.
    made = broken_off()
    with pytest.raises(FileExistsError):
        write_video(path / "inside.gif", made, 10.0, palette, "")
    assert next(made).shape == (4, 4, 3)
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(ValueError, match="folder.gif' is not allowed: is a folder"):
        nd.plot.cell_movie(tmp_path / "folder.gif", parts, np.zeros((2, 21)), np.arange(2.0))


def test_a_program_that_fails_says_why(parts, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setitem(matplotlib.rcParams, "animation.ffmpeg_path", str(program))
    with pytest.raises(RuntimeError, match="ffmpeg could not make the film: no such codec"):
        nd.plot.cell_movie(tmp_path / "film.mp4", parts, np.zeros((2, 21)), np.arange(2.0), dpi=30.0)
    assert [p.name for p in tmp_path.iterdir()] == ["ffmpeg"]
