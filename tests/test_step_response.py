"""The response to a step as the target: its gradient, silence, what is unknown, and a template found again in its own recording."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import neurodyn as nd
from neurodyn._parameter import parameters, replace_leaves
from neurodyn._simulate import rest_state
from neurodyn.fitting import Electrode, StepResponse
from neurodyn.fitting.objectives.step_response import held_rest, soft_l1
from neurodyn.fitting.task import Task
from neurodyn.io import DataError, ProtocolStep, Recording
from neurodyn.templates import RecordingFit, StepScores, adaptive_threshold, fit_recording, regular_spiking
from neurodyn.templates.recorded import part_steps
from neurodyn.templates.responses import step_responses


SCALE = dict(capacitance=150.0, input_resistance=150.0, rest=-64.0)
CELLS = {make.__name__: make().scaled(**SCALE) for make in (regular_spiking, adaptive_threshold)}
COARSE = nd.FixedStep(0.1)


def response(amplitude=150.0, stop=40.0, spikes=(12.0, 30.0), **options) -> StepResponse:
    values = np.full(601, -62.0) + np.where(np.arange(601) < 250, 0.02 * np.arange(601), 0.0)
    options = {"start": 5.0, "stop": stop, "spikes": spikes, "method": COARSE, "room": 6} | options
    return StepResponse(amplitude, values, 0.1, **options)


@pytest.mark.parametrize(
    ("name", "amplitude", "spikes"),
    [
        pytest.param("regular_spiking", 200.0, (12.0, 30.0), marks=pytest.mark.slow),
        ("regular_spiking", -50.0, ()),
        pytest.param("adaptive_threshold", 200.0, (12.0, 30.0), marks=pytest.mark.slow),
    ],
)
def test_gradient_is_that_of_differences(name, amplitude, spikes):
    cell = CELLS[name]
    paths = [path for path in cell.trainable if not path.endswith(".e")][:3]
    objective = response(amplitude, spikes=spikes, baseline=5.0, electrode=Electrode(resistance=12.0))
    start = {path: jnp.asarray(parameters(cell.model)[path].value) for path in paths}

    @jax.jit
    def loss(values):
        return objective.loss(replace_leaves(cell.model, values), 0.0)

    reverse, forward = jax.grad(loss)(start), jax.jacfwd(loss)(start)
    for path in paths:
        h = 1e-6 * float(start[path])
        up, down = (loss(start | {path: start[path] + sign * h}) for sign in (1, -1))
        assert float(reverse[path]) == pytest.approx(float(forward[path]), rel=1e-9)
        assert float(reverse[path]) == pytest.approx(float((up - down) / (2 * h)), rel=2e-4, abs=1e-6)


@pytest.mark.slow
def test_a_spike_too_many_or_too_few():
    cell = CELLS["adaptive_threshold"]
    fires, silent = response(400.0, spikes=()), response(-50.0, spikes=(12.0, 30.0))
    weight = np.sqrt(6.0)
    own = np.asarray(fires.simulate(cell.model).spikes.times) - 5.0
    own = np.where(own < 35.0, own, np.inf)
    assert np.isfinite(own[0])
    times = weight * np.asarray(soft_l1(jnp.asarray(np.where(np.isfinite(own), (own - 35.0) / 15.0, 0.0))))
    np.testing.assert_allclose(fires.misfit(cell.model)[:6], times, rtol=1e-9)
    late = weight * np.asarray(soft_l1(jnp.asarray([(95.0 - 7) / (1 + 0.07 * 7), (95.0 - 25) / (2 + 0.025 * 25)])))
    np.testing.assert_allclose(silent.misfit(cell.model)[:6], [*late, 0, 0, 0, 0], rtol=1e-9)


def test_onset_and_peak_of_each_spike():
    """A run compared with itself has none off; where its voltage is moved they are off by as much."""
    cell = CELLS["regular_spiking"].model
    own = response(400.0, spikes=()).simulate(cell)
    times, v = np.asarray(own.spikes.times), np.asarray(own.v)
    times = times[np.isfinite(times) & (times < 40.0)]
    assert times.size >= 2

    def shapes(values, spikes=times):
        weights = dict.fromkeys(("times", "below", "approach", "between", "after"), 0.0) | {"onset": 1.0, "peak": 1.0}
        options: dict[str, Any] = dict(start=5.0, stop=40.0, spikes=spikes, method=COARSE, room=6, weights=weights)
        objective = StepResponse(400.0, values, 0.2, t0=0.0, **options)
        return np.asarray(objective.measured(cell)).reshape(2, 6)

    np.testing.assert_allclose(shapes(v), 0.0, atol=1e-6)
    lower = np.where(v > 0.0, v - 10.0, v)  # smaller spikes that begin as they do
    onset, peak = shapes(lower)
    np.testing.assert_allclose(onset, 0.0, atol=1e-6)
    np.testing.assert_allclose(peak, [*np.full(times.size, 10.0 / 5.0), *np.zeros(6 - times.size)], atol=1e-6)
    onset, peak = shapes(v - 3.0)
    np.testing.assert_allclose(onset[: times.size], 3.0 / 1.5, atol=1e-6)
    # One that the model lacks has no shape, and what was not recorded counts for nothing.
    assert (shapes(v, [*times, 39.9])[:, times.size :] == 0).all()
    unknown = v.copy()
    unknown[np.abs(own.ts - times[0]) < 1.5] = np.nan
    assert (shapes(unknown)[:, 0] == 0).all()


def test_soft_l1_is_accurate_where_it_is_small():
    x = np.array([0.0, 1e-7, 1e-3, 1.0, 1e3])
    np.testing.assert_allclose(soft_l1(jnp.asarray(x)) ** 2, 2 * (np.sqrt(1 + x**2) - 1), rtol=1e-3, atol=1e-14)
    assert float(soft_l1(jnp.asarray(1e-6, jnp.float32))) == pytest.approx(1e-6, rel=1e-6)
    assert float(jax.grad(soft_l1)(0.0)) == 1.0


def test_what_is_unknown_counts_for_nothing():
    cell, values = CELLS["regular_spiking"], np.full(601, -63.0)
    values[500:] = np.nan
    known = StepResponse(-50.0, values, 0.1, start=5.0, stop=40.0, method=COARSE)
    below = np.asarray(known.misfit(cell.model))[16 : 16 + 13]
    assert (below[:10] != 0).all() and (below[10:] == 0).all()


@pytest.mark.slow
@pytest.mark.slow
def test_sweeps_of_one_shape_are_one_batch():
    sweeps = [response(100.0), response(200.0, spikes=()), response(-50.0, spikes=(), noise=0.3, baseline=2.0)]
    cell = CELLS["regular_spiking"]
    task = Task.of(cell.model, sweeps, list(cell.trainable), bounds=cell.bounds)
    assert task.groups == ((0, 1, 2),)
    apart = sum(float(sweep.loss(cell.model, 0.0)) for sweep in sweeps)
    assert float(task.loss(task.encode(), jnp.asarray(0.0))) == pytest.approx(apart, rel=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_rest_under_a_holding_current(name):
    model = CELLS[name].model
    close, exact = held_rest(model, jnp.asarray(2.0)), rest_state(model, 2.0)
    assert float(close["v"]) == pytest.approx(float(exact["v"]), abs=0.01)


def test_the_electrode_is_taken_off():
    plain, charged = response(), response(electrode=Electrode(resistance=20.0, junction=-3.0))
    off = np.asarray(plain.membrane() - charged.membrane())
    inside = (charged.times > 0.1) & (charged.times < 34.9)
    np.testing.assert_allclose(off[inside], 0.02 * 150.0 - 3.0, atol=1e-9)
    np.testing.assert_allclose(off[charged.times < -0.1], -3.0, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(stop=80.0), "start = 5 and stop = 80 ms are not allowed: must lie in this order between 0 and 60 ms"),
        (dict(grid=0.15), "grid = 0.15 ms is not allowed: must be a multiple of the spacing of the values, 0.1 ms"),
        (dict(method=nd.FixedStep(0.07)), "must be a multiple of the step of method, 0.07 ms"),
        (dict(weights={"pek": 1.0}), "weights['pek'] is not allowed: must be of times, below"),
        (dict(weights={"peak": -1.0}), "weights['peak'] = -1 is not allowed"),
        (dict(room=1), "room = 1 is not allowed: must be >= 2, the number of spikes"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError) as caught:
        response(**options)
    assert message in str(caught.value)


# Recordings ---------------------------------------------------------------------------------------------------------------------


def recorded(levels=(-100.0, -40.0, 40.0, 150.0, 250.0), second: bool = True) -> Recording:
    """A recording of the integrate-and-fire template: a step of 150 ms, a test pulse, and the step again."""
    cell, dt, drop = CELLS["adaptive_threshold"].model, 0.1, 0.01
    times = dt * np.arange(9001)

    def at(first, last):
        return (times >= first) & (times < last)

    commands = np.array([a * (at(100, 250) | (second & at(650, 800))) - 100.0 * at(500, 650) for a in levels])

    @jax.jit
    def run(command):
        stimulus = nd.Samples(command, dt)
        return nd.simulate(cell, stimulus, 900.0, dt=dt, y0="rest", max_spikes=100)

    voltages = []
    for command in commands:
        solution = run(jnp.asarray(command))
        v = np.array(solution.v)
        spikes = np.asarray(solution.spikes.times)
        for t in spikes[np.isfinite(spikes)]:
            v[round(t / dt)] = 20.0
        voltages.append(v + drop * command)
    return Recording("made", dt, commands, "pA", np.array(voltages))


@pytest.fixture(scope="module")
def made() -> Recording:
    return recorded()


def test_steps_become_responses(made):
    cell = CELLS["adaptive_threshold"]
    train, hold_out = part_steps(made)
    assert {s.start for s in train} == {100.0, 500.0} and {s.start for s in hold_out} == {650.0}
    lanes = step_responses(made, train, cell, made.passive())
    # The pulses are averaged: no sweep fires shortly before one.
    assert [float(lane.amplitude) for lane in lanes] == [-100.0, -40.0, 40.0, 150.0, 250.0, -100.0]
    assert float(lanes[-1].noise) == pytest.approx(1 / np.sqrt(5), rel=1e-6)
    assert np.isfinite(np.asarray(lanes[3].spikes)).sum() > 0
    task = Task.of(cell.model, lanes, list(cell.trainable), bounds=cell.bounds)
    assert len(task.groups) == 1
    # What is left at the model that made the recording comes from the grid and from holding currents that are measured.
    point = task.encode()
    own = float(task.loss(point, jnp.asarray(0.0)))
    moved = float(task.loss(point | {"threshold": point["threshold"] + 0.2}, jnp.asarray(0.0)))
    assert own < 25 < moved


def test_what_cannot_be_parted(made):
    steps = made.steps()
    with pytest.raises(ValueError, match="the step at 100 ms of sweep 0 is not allowed: it is in train too"):
        part_steps(made, steps[:1], steps[:1])
    second = [s for s in steps if s.start == 650.0]
    with pytest.raises(DataError, match="no step to fit comes from 100 ms or more at the holding level"):
        step_responses(made, second, CELLS["adaptive_threshold"], made.passive())


def test_picture_of_a_fitted_cell(made):
    cell = CELLS["adaptive_threshold"]
    trained, held_out = part_steps(made)
    stand_in: Any = SimpleNamespace(model=cell.model)
    found = RecordingFit(made, made.passive(), cell, stand_in, trained, held_out)
    axes = nd.plot.recording_fit(found, (0, 4), Figure().subplots(2, 1))
    for ax, sweep in zip(axes, (0, 4), strict=True):
        data, model = ax.lines
        times, voltage = np.asarray(data.get_xdata()), np.asarray(data.get_ydata())
        np.testing.assert_array_equal(voltage, made.response[sweep][np.searchsorted(made.times, times)])
        ours = np.interp(times, np.asarray(model.get_xdata()), np.asarray(model.get_ydata()))
        assert np.median(np.abs(ours - voltage)) < 1.0  # the model that made the recording
        shaded = ax.patches[0].get_extents().transformed(ax.transData.inverted())
        assert (shaded.x0, shaded.x1) == pytest.approx((650.0, 800.0))
    assert axes[1].get_title(loc="left") == "steps of 250, -100, 250 pA"
    with pytest.raises(ValueError, match="sweeps: 9 is not allowed: must be one of 0, 1, 2, 3, 4"):
        nd.plot.recording_fit(found, (9,))
    with pytest.raises(ValueError, match="axes: 1 are not allowed: must be 2"):
        nd.plot.recording_fit(found, (0, 1), [Figure().subplots()])


@pytest.mark.slow
def test_what_is_determined_of_a_model_that_resets(made):
    """It is fitted with resets at the ends of steps, which have no derivatives, and looked at with exact ones."""
    cell = CELLS["adaptive_threshold"]
    trained, held_out = part_steps(made)
    lanes = step_responses(made, trained, cell, made.passive())
    fit = nd.fit(cell.model, lanes, trainable=["threshold", "capacitance"], steps=1, starts=1, key=jax.random.key(0))
    found = RecordingFit(made, made.passive(), cell, fit, trained, held_out)
    with pytest.raises(ValueError, match="fitted with GridReset"):
        nd.fitting.curvature(found.fit)
    determined = nd.fitting.curvature(found.differentiable)
    assert determined.names == ("capacitance", "threshold") and determined.rank == 2
    assert (determined.alone > 0).all() and (determined.alone <= determined.together).all()
    assert 0.01 < determined.alone[1] < 1.0  # mV of the threshold


def test_scores():
    step = ProtocolStep(0, 100.0, 200.0, 50.0)
    data, model = np.array([10.0, 30, 50, 70, 90]), np.array([11.0, 29, 52.5, 70, 85])
    scores = StepScores((step,), (data,), (model,))
    assert scores.coincidence(2.0) == pytest.approx(0.5)
    assert scores.coincidence(2.0) == pytest.approx(nd.analysis.coincidence_factor(data, model, 100.0, 2.0))
    silent = StepScores((step,), (np.zeros(0),), (np.zeros(0),))
    assert silent.coincidence() == 1.0 and silent.summary()["levels"] == 0
    assert "spike counts off by at most one in 1 of 1 levels" in repr(scores)


@pytest.mark.slow
def test_regular_spiking_fits_a_recorded_cell():
    """Training scores only; a short search."""
    pytest.importorskip("pyabf")
    pytest.importorskip("cma")
    path = Path(os.environ.get("NEURODYN_DATA", "")) / "recordings" / "171116sh_0018.abf"
    if not path.exists():
        pytest.skip("NEURODYN_DATA has no 171116sh_0018.abf")
    with jax.enable_x64(False):
        found = fit_recording(
            nd.io.read(path), adaptive_threshold(), key=jax.random.key(0), generations=100, attempts=1
        )
        summary = found.training.summary()
        passive = found.measured_passive()
    assert summary["coincidence_10_ms"] > 0.5 and summary["counts_within_1"] >= 9 and summary["latency_error"] < 0.2
    assert passive.input_resistance == pytest.approx(found.passive.input_resistance, rel=0.15)
