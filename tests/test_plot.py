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
