"""Pictures: drawn where asked, returned, and showing what they should."""

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure

import neurodyn as nd


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="module")
def run(hh):
    return nd.simulate(hh, nd.Step(10.0), 20.0, record=["v", "i_na"])


def test_trace_of_a_solution_and_of_a_pair(run, ax):
    assert nd.plot.trace(run, ax, label="model") is ax
    nd.plot.trace((run.ts, run.v), ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), ax.lines[1].get_ydata())
    assert ax.get_xlabel() == "time (ms)" and ax.get_ylabel() == "voltage (mV)"
    nd.plot.trace(run, ax, record="i_na")
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), np.asarray(run.ys["i_na"]))


def test_trace_up_to_the_peak_of_each_spike(ax):
    # A model that resets passes its peak between two records; of two units the second.
    spikes = nd.Spikes(np.asarray([[0.5, np.inf], [1.5, np.inf]]), np.asarray([1, 1]))
    values = np.asarray([[0.0, 5.0], [1.0, 6.0], [2.0, 3.0]])
    run = nd.Solution(np.arange(3.0), {"v": values}, spikes, 0, None)
    nd.plot.trace(run, ax, unit=1, peak=20.0)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.0, 1.0, 1.5, 2.0])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [5.0, 6.0, 20.0, 3.0])
    nd.plot.trace(run, ax, unit=0)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.0, 1.0, 2.0])


def test_raster_leaves_padding_out(ax):
    nd.plot.raster({"data": [1.0, 5.0], "model": [2.0, np.inf]}, ax)
    assert [len(c.get_positions()) for c in ax.collections] == [2, 1]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["data (2)", "model (1)"]


def test_loss_and_parameters(hh, run):
    objective = nd.fitting.VoltageTrace(nd.Step(10.0), run.v, 0.025, y0=None)
    settings = dict(trainable=["na.g", "k.n.shift"], steps=3, starts=2, check_rank=False)
    fit = nd.fit(hh, objective, key=jax.random.key(0), **settings)
    loss, parameters = Figure().subplots(1, 2)
    nd.plot.loss(fit, loss)
    assert len(loss.lines) == 3 and loss.get_yscale() == "log"  # two starts, and the best again
    nd.plot.parameters(fit, parameters, truth={"na.g": 120.0})
    assert [t.get_text() for t in parameters.get_yticklabels()] == ["na.g", "k.n.shift (mV)"]


def test_pictures_refuse_what_they_cannot_draw(ax):
    names = "recording_fit recording f_i loss parameters rank uncertainty profile posterior gradient_health"
    for name in f"{names} phase_plane bifurcation f_i_curve raster trace".split():
        with pytest.raises(ValueError, match="of type NoneType .* not allowed: must be"):
            getattr(nd.plot, name)(None)
    for wrong in (ax.figure, [ax], Figure().add_subplot(projection="3d")):
        with pytest.raises(ValueError, match="ax .*is not allowed: must be"):
            nd.plot.raster({"data": [1.0]}, wrong)


def test_raster_of_many_units(ax):
    nd.plot.raster(np.asarray([[1.0, 5.0], [2.0, np.inf], [np.inf, np.inf]]), ax)
    assert [len(c.get_positions()) for c in ax.collections] == [2, 1, 0] and ax.get_ylabel() == "unit"


@pytest.fixture
def stand_ins():
    """What the analysis returns, without running it: a phase plane, two fixed points, an f-I curve and a branch with a fold and a Hopf point."""
    analysis = nd.analysis
    x, y = np.linspace(-2.0, 2.0, 21), np.linspace(-1.0, 3.0, 11)
    dx, dy = np.broadcast_to(x - x**3 / 3, (11, 21)) - y[:, None], x[None, :] - 0.8 * y[:, None] + 0.7
    plane = analysis.PhasePlane(x, y, dx, dy, np.asarray(0.0), ("v", "k.w"))
    kinds = {"stable node": -1.2, "saddle": 0.3}
    points = [analysis.FixedPoint({"v": v, "k": {"w": 0.5}}, 0.0, np.zeros(2), kind) for kind, v in kinds.items()]
    curve = analysis.FICurve(np.asarray([2.0, 1.0]), np.asarray([40.0, 0.0]), np.asarray([50.0, 0.0]), None, None)
    drive, v = np.asarray([0.0, 1.0, 2.0, 1.0, 2.0, 3.0]), np.arange(6.0)
    fold = analysis.SaddleNode(2.1, {"v": 2.5})
    hopf = analysis.Hopf(2.5, {"v": 4.5}, 12.0, -0.1)
    stable = np.asarray([True, True, True, False, False, True])
    return plane, points, curve, analysis.Branch(drive, {"v": v}, None, stable, (fold, hopf), True)


def test_phase_plane(stand_ins, ax):
    plane, points, _, _ = stand_ins
    trajectory = nd.Solution(np.arange(3.0), {"v": np.arange(3.0), "k.w": np.zeros(3)}, None, 0, None)
    assert nd.plot.phase_plane(plane, ax, points=points, trajectories=trajectory) is ax
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    assert names == ["dv/dt = 0", "dw/dt = 0", "stable node", "saddle"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("voltage (mV)", "k.w")
    assert any(len(line.get_xdata()) == 3 for line in ax.lines)


def test_stream_lines_are_runs(ax):
    # A rotation in axes of very different spans: every stream line stays on an ellipse.
    x, y = np.linspace(-100.0, 100.0, 41), np.linspace(-1.0, 1.0, 41)
    dx, dy = np.broadcast_to(100.0 * y[:, None], (41, 41)), np.broadcast_to(-x[None, :] / 100.0, (41, 41))
    nd.plot.phase_plane(nd.analysis.PhasePlane(x, y, dx, dy, np.asarray(0.0), ("v", "w")), ax, legend=False)
    assert ax.get_legend() is None
    lines = next(c for c in ax.collections if hasattr(c, "get_segments"))
    path = np.concatenate([np.stack([s[:-1], s[1:]], axis=1) for s in lines.get_segments()]) / [100.0, 1.0]
    length = np.linalg.norm(path[:, 1] - path[:, 0], axis=1).sum()
    assert length > 10.0
    assert np.abs(np.diff(np.linalg.norm(path, axis=2), axis=1)).sum() < 0.02 * length


def test_a_trajectory_breaks_off_at_a_reset(stand_ins, ax):
    plane = stand_ins[0]
    v, spikes = np.asarray([0.0, 1.0, 2.0, -1.0]), nd.Spikes(np.asarray([0.5, 2.5, np.inf]), np.asarray(2))
    run = nd.Solution(np.arange(4.0), {"v": v, "k.w": np.zeros(4)}, spikes, 0, None)
    nd.plot.phase_plane(plane, ax, trajectories=run, density=0.0)
    np.testing.assert_array_equal(
        ax.lines[-1].get_xdata(), [0.0, 1.0, 2.0, np.nan, -1.0]
    )  # a spike of a smooth model goes up


def test_f_i_curve(stand_ins, ax):
    nd.plot.f_i_curve(stand_ins[2], ax, onsets=True, unit="nA")
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), [1.0, 2.0])  # in order
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.0, 40.0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("current (nA)", "firing rate (Hz)")
    assert nd.plot.f_i_curve(stand_ins[2], ax, unit="").get_xlabel() == "current"


def test_bifurcation(stand_ins, ax):
    nd.plot.bifurcation(stand_ins[3], ax)
    stable, unstable, last = ax.lines
    assert stable.get_linestyle() == "-" and unstable.get_linestyle() == "--"
    np.testing.assert_array_equal(stable.get_xdata(), [0.0, 1.0, 2.0, 2.1])  # up to the saddle-node
    np.testing.assert_array_equal(unstable.get_xdata(), [2.1, 1.0, 2.0, 2.5])  # and on to the Hopf point
    np.testing.assert_array_equal(last.get_xdata(), [2.5, 3.0])
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    assert names == ["stable", "unstable", "saddle-node", "supercritical Hopf"]
    assert [t.get_text() for t in ax.texts] == ["2.1", "2.5, 12 Hz"]
    assert ax.get_xlabel() == "current (µA/cm²)"
