"""What is measured in a recording: steps, passive properties, spikes; and pictures of it."""

import dataclasses
import math
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from neurodyn.io import DataError, ProtocolStep, Recording, read_abf
from neurodyn.plot.recording import f_i, recording as draw


DATA = os.environ.get("NEURODYN_DATA")
DT = 0.05


def pulses(*steps: tuple[float, float, float], length: float = 400.0, dt: float = DT) -> np.ndarray:
    """A command with a level between each start and stop, ms."""
    times = dt * np.arange(round(length / dt))
    command = np.zeros(times.size)
    for start, stop, level in steps:
        command[(times >= start - 1e-9) & (times < stop - 1e-9)] = level
    return command


def clamped(command: np.ndarray, response: np.ndarray | None = None, **fields) -> Recording:
    """A current clamp of these sweeps."""
    command = np.atleast_2d(command)
    response = np.full(command.shape, -65.0) if response is None else np.atleast_2d(response)
    return Recording("x", **{"dt": DT, "command": command, "command_unit": "pA", "response": response, **fields})


def plain(steps) -> list[tuple[int, float, float, float]]:
    return [(s.sweep, s.start, s.stop, s.amplitude) for s in steps]


def test_a_recording_shows_what_it_holds():
    shown = repr(clamped(pulses((100, 300, 50)), notes=("x: converted",)))
    for part in (
        "current clamp  1 sweeps of 8000 samples",
        "0 to 399.95 ms, every 0.05 ms",
        "0 to 50 pA",
        "x: converted",
    ):
        assert part in shown
    assert "2, 1 to 3 ms" in repr(Recording("x", spikes=np.array([1.0, 3.0])))
    assert "<table>" in clamped(np.ones(3))._repr_html_()


# --- Steps ---


def test_steps_of_a_calculated_command():
    command = np.stack([pulses((100, 300, level), (320, 380, -20)) + 5.0 for level in (-50.0, 0.0, 50.0)])
    assert plain(clamped(command, start=10.0).steps()) == [
        (0, 110.0, 310.0, -50.0),
        (0, 330.0, 390.0, -20.0),
        (1, 330.0, 390.0, -20.0),
        (2, 110.0, 310.0, 50.0),
        (2, 330.0, 390.0, -20.0),
    ]


def test_steps_of_a_measured_command():
    random = np.random.default_rng(0)
    clean = np.stack([pulses((100, 300, level)) for level in (-100.0, -50.0, 0.0, 50.0, 100.0)])
    filtered = np.stack([np.convolve(row, np.ones(6) / 6, "same") for row in clean])
    for command in (clean, filtered):
        noisy = command + random.normal(0.0, 2.0, command.shape) + np.sin(0.314 * DT * np.arange(command.shape[1]))
        steps = clamped(noisy).steps()
        assert [s.sweep for s in steps] == [0, 1, 3, 4]
        np.testing.assert_allclose([s.amplitude for s in steps], [-100, -50, 50, 100], atol=1.5)
        np.testing.assert_allclose([(s.start, s.stop) for s in steps], [(100, 300)] * 4, atol=0.2)
        assert len({(s.start, s.stop) for s in steps}) == 1  # so that repeats are repeats


def test_a_level_that_does_not_change_is_parted_where_most_sweeps_change():
    command = np.stack([pulses((100, 200, -50), (200, 300, level)) for level in (-50.0, 0.0, 50.0)])
    steps = plain(clamped(command).steps())
    assert [s[1:3] for s in steps if s[0] == 0] == [(100.0, 200.0), (200.0, 300.0)]
    longer = np.stack([pulses((100, stop, -50)) for stop in (200, 250, 300)])  # a step of growing length is one
    assert plain(clamped(longer).steps()) == [(0, 100, 200, -50), (1, 100, 250, -50), (2, 100, 300, -50)]


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("length", [4.0, 40.0, 300.0])
def test_ramps_are_no_steps(noise, length):
    times = DT * np.arange(8000)
    ramp = np.interp(times, [50, 50 + length], [0, 100])
    wave = 50 * np.sin(2 * np.pi * times / 100)
    for command in (ramp, np.where(times < 50 + length, ramp, 0), wave, np.round(ramp / 0.05) * 0.05):
        command = command + noise * np.random.default_rng(0).normal(size=command.size)
        assert clamped(command).steps() == ()


def test_a_step_after_a_ramp_and_short_pulses():
    times = DT * np.arange(8000)
    command = np.interp(times, [50, 150], [0, 80]) * (times < 150) + pulses((200, 300, -40), (350, 351, 500))
    assert plain(clamped(command).steps()) == [(0, 200, 300, -40), (0, 350, 351, 500)]
    train = pulses(*((t, t + 2, 300.0) for t in range(10, 390, 10)))
    assert len(clamped(train).steps()) == 38


def test_a_recording_without_steps():
    assert clamped(np.zeros(100)).steps() == ()
    assert clamped(np.ones(3)).steps() == ()
    with pytest.raises(DataError, match="x: has no command"):
        Recording("x", dt=DT, response=np.full((1, 100), -65.0)).steps()


# --- Passive properties ---


def charging(
    command: np.ndarray, r: float, c: float, series: float, rest: float = -65.0, sag: float = 0.0
) -> np.ndarray:
    """The exact voltage, mV, of a membrane of r Mohm and c pF behind a series resistance, with a conductance that slowly takes `sag` of it back."""
    response = []
    for row in np.atleast_2d(command):
        v, x = np.zeros(row.size), np.zeros(row.size)
        decay, slow = math.exp(-DT / (1e-3 * r * c)), math.exp(-DT / 100.0)
        for i in range(1, row.size):
            v[i] = decay * v[i - 1] + (1 - decay) * 1e-3 * r * row[i - 1]
            x[i] = slow * x[i - 1] + (1 - slow) * v[i - 1]
        response.append(rest + v - sag * x + 1e-3 * series * row)
    return np.stack(response)


@pytest.mark.parametrize(("r", "c", "series"), [(100, 200, 13), (300, 50, 30), (50, 100, 5), (500, 80, 20)])
def test_a_passive_membrane_is_recovered(r, c, series):
    command = pulses((100, 100 + 8e-3 * r * c, -50), length=150 + 8e-3 * r * c)
    found = clamped(command, charging(command, r, c, series)).passive()
    assert found.membrane_resistance == pytest.approx(r, rel=0.01)
    assert found.input_resistance == pytest.approx(r + series, rel=0.01)
    assert found.peak_resistance == pytest.approx(r + series, rel=0.01)
    assert found.tau == pytest.approx(1e-3 * r * c, rel=0.01)
    assert found.capacitance == pytest.approx(c, rel=0.01)
    assert found.series_resistance == pytest.approx(series, rel=0.02)
    assert found.sag_ratio == pytest.approx(1.0, rel=0.01)
    assert found.rest == pytest.approx(-65.0)
    assert found.repeats == 1 and not found.flags


def test_repeats_with_noise_and_drift_are_averaged():
    command = np.tile(pulses((100, 300, -50)), (10, 1))
    response = charging(command[:1], 100, 200, 10) - np.linspace(0, 2, 10)[:, None]
    response = response + np.random.default_rng(0).normal(0.0, 0.1, command.shape)
    response[3, 5000] = 30.0  # a spike in the fourth sweep
    found = clamped(command, response).passive()
    assert found.repeats == 9 and 3 not in {s.sweep for s in found.steps}
    assert found.membrane_resistance == pytest.approx(100, rel=0.02)
    assert found.tau == pytest.approx(20, rel=0.03)
    assert found.series_resistance == pytest.approx(10, abs=1)
    assert found.rest_drift == pytest.approx(-2.0, abs=0.05)
    assert found.rests.shape == (10,) and found.rest == pytest.approx(-66.0, abs=0.05)


def test_sag_does_not_enter_the_capacitance():
    command = pulses((100, 900, -50), length=1000)
    found = clamped(command, charging(command, 100, 200, 0, sag=0.3)).passive()
    assert found.sag_ratio == pytest.approx(found.input_resistance / found.peak_resistance)
    assert 0.7 < found.sag_ratio < 0.95
    assert found.input_resistance == pytest.approx(70, rel=0.01)
    assert found.capacitance == pytest.approx(200, rel=0.05)


def test_the_step_that_stands_out_is_taken_unless_told():
    command = np.stack([pulses((100, 200, level), (300, 380, -30)) for level in (-50, -25, 0, 25)])
    recording = clamped(command, charging(command, 100, 50, 0))
    assert recording.passive().steps[0].start == 300 and recording.passive().repeats == 4
    first = recording.steps()[0]
    assert recording.passive(first).steps == (first,)
    assert repr(recording.passive()).endswith("300 to 380 ms, average of 4")
    assert "<table>" in recording.passive()._repr_html_()


def test_steps_that_cannot_be_used():
    up = pulses((100, 300, 50))
    with pytest.raises(DataError, match="x: has no hyperpolarising step that comes straight from the holding level"):
        clamped(up).passive()
    stair = pulses((100, 200, 50), (200, 300, -50))  # not from the holding level
    with pytest.raises(DataError, match="no hyperpolarising step"):
        clamped(stair).passive()
    gaps = np.full((1, up.size), math.nan)
    with pytest.raises(DataError, match="no hyperpolarising step"):
        clamped(-up, gaps).passive()
    with pytest.raises(DataError, match=r"in uA/cm2, must be in pA"):
        clamped(-up, command_unit="uA/cm2").passive()
    with pytest.raises(DataError, match="has no current"):
        Recording("x", dt=DT, response=gaps).passive()
    with pytest.raises(
        DataError, match=r"x: is a voltage clamp \(current in pA, command in mV\), must be a current clamp"
    ):
        clamped(-up, clamp="voltage", command_unit="mV").passive()


def test_what_does_not_charge_is_flagged():
    command = pulses((100, 300, -50))
    line = -65.0 + 0.05 * np.cumsum(command) * DT / 10
    assert clamped(command, line).passive().flags == ("not exponential",)
    short = clamped(command, charging(command, 500, 200, 0)).passive()
    assert short.flags == ("shorter than 5 tau",)
    assert short.tau == pytest.approx(100, rel=0.01)


# --- Spikes ---

RISE, FALL = 0.5, 1.0  # ms


def spiking(times_of_onset: list[float], length: float = 400.0, start: float = 0.0) -> np.ndarray:
    """Rest at -60 mV; from each onset a straight rise to 40 mV, a straight fall to -80 mV, and a way back in 20 ms."""
    times = start + DT * np.arange(round(length / DT))
    v = np.full(times.size, -60.0)
    for t in times_of_onset:
        points = [t, t + RISE, t + RISE + FALL, t + RISE + FALL + 20]
        inside = (times >= t - 1e-9) & (times <= points[-1])
        v[inside] = np.interp(times[inside], points, [-60, 40, -80, -60])
    return v


def test_features_of_known_spikes():
    command = pulses((100, 300, 50))
    (found,) = clamped(command, spiking([120, 170, 250])).features().steps
    assert (found.count, found.flags) == (3, ())
    assert found.rate == pytest.approx(15.0)
    np.testing.assert_allclose(found.intervals, [50, 80])
    # The central difference reaches 100 mV/ms at the onset already.
    assert found.latency == pytest.approx(20.0)
    for spike, onset in zip(found.spikes, [120, 170, 250], strict=True):
        assert spike.onset == pytest.approx(onset) and spike.onset_v == pytest.approx(-60)
        assert spike.peak_time == pytest.approx(onset + RISE) and spike.peak == pytest.approx(40)
        assert spike.height == pytest.approx(100)
        assert spike.half_width == pytest.approx(0.5 * RISE + 50 / 120 * FALL)
        assert spike.ahp == pytest.approx(20) and not spike.clipped


def test_slope_and_threshold_can_be_chosen():
    recording = clamped(pulses((100, 300, 50)), spiking([120]))
    assert recording.features(slope=150.0).steps[0].count == 1  # 200 mV/ms
    assert recording.features(slope=250.0).steps[0].count == 0
    assert recording.features(threshold=45.0).steps[0].count == 0
    with pytest.raises(ValueError, match=r"slope = -1 mV/ms is not allowed: must be finite and > 0"):
        recording.features(slope=-1.0)


def test_no_spike():
    (found,) = clamped(pulses((100, 300, 50))).features().steps
    assert (found.count, found.rate, found.spikes, found.flags) == (0, 0.0, (), ())
    assert math.isnan(found.latency) and found.intervals.shape == (0,)


def of_step(v: np.ndarray, start: float, stop: float, begin: float = 0.0):
    recording = clamped(np.zeros(v.size), v, start=begin)
    return recording.features([ProtocolStep(0, start, stop, 50.0)]).steps[0]


def test_a_step_outside_the_recording():
    v = spiking([120, 250])
    for start, stop, count in ((-50, 200, 1), (200, 500, 1), (-50, 500, 2), (500, 600, 0), (-50, -10, 0)):
        found = of_step(v, start, stop)
        assert "outside the recording" in found.flags and math.isnan(found.rate) and found.count == count
        assert not found.latency < 0 and (math.isnan(found.latency) or start >= 0)
    ulp = of_step(v, np.nextafter(0.0, -1.0), np.nextafter(400.0, 500.0))  # by rounding only
    assert ulp.flags == () and ulp.rate == pytest.approx(5.0)


def test_spikes_across_the_edges_of_a_step():
    v = spiking([99.9, 299.8])
    found = of_step(v, 100, 300)  # the first began before it, the second ends after it
    assert (found.count, found.flags) == (1, ())
    assert found.latency == pytest.approx(199.8)
    assert found.spikes[0].peak == pytest.approx(40) and math.isnan(found.spikes[0].ahp)
    assert found.spikes[0].half_width == pytest.approx(0.5 * RISE + 50 / 120 * FALL)
    above = of_step(v, 100.3, 300.4)
    assert set(above.flags) == {"begins in a spike", "ends in a spike"} and above.count == 1


def test_a_recording_that_begins_or_ends_in_a_spike():
    first = of_step(spiking([-0.3]), 0, 400)
    assert (first.count, first.flags) == (0, ("begins in a spike",)) and math.isnan(first.latency)
    rising = of_step(spiking([-0.1]), 0, 400)  # begins in the upstroke, below the threshold
    assert rising.count == 0
    last = of_step(spiking([100, 399.6]), 0, 400)
    assert set(last.flags) == {"ends in a spike", "cut short"} and last.count == 2
    assert math.isnan(last.spikes[1].peak) and math.isnan(last.spikes[1].height) and last.intervals[0] > 0


def test_gaps_and_clipped_spikes():
    v = spiking([120, 200])
    assert of_step(np.minimum(v, 20.0), 100, 300).flags == ("clipped",)
    v[4100] = math.nan
    found = of_step(v, 100, 300)
    assert found.flags == ("gaps",) and math.isnan(found.rate) and found.count == 2
    assert np.isfinite(found.spikes[0].height)


def test_what_is_slow_or_an_artefact_is_no_spike():
    times = DT * np.arange(8000)
    slow = -60 + 80 * np.exp(-(((times - 200) / 20) ** 2))
    assert of_step(slow, 0, 400).count == 0
    jump = spiking([120]) + pulses((100, 300, 4.0))  # 80 mV/ms, uncorrected series resistance
    assert of_step(jump, 100, 300).latency == pytest.approx(20.0)


def test_firing_rates():
    levels = [-50, 25, 50, 50.1, 100]
    command = np.stack([pulses((100, 300, level), (320, 380, -20)) for level in levels])
    onsets = [[], [], [120], [120, 160], [110, 150, 190]]
    features = clamped(command, np.stack([spiking(times) for times in onsets])).features()
    assert features.windows == ((100, 300), (320, 380))
    curve = features.f_i()
    np.testing.assert_allclose(curve.currents, [-50, 25, 50.05, 100])
    np.testing.assert_allclose(curve.rates, [0, 0, 7.5, 15])
    np.testing.assert_allclose(curve.onsets, [0, 0, 12.5, 25])
    np.testing.assert_array_equal(curve.repeats, [1, 1, 2, 1])
    np.testing.assert_array_equal(features.f_i(1).repeats, [5])
    with pytest.raises(ValueError, match="window = 2 is not allowed: must be 0 to 1"):
        features.f_i(2)
    with pytest.raises(DataError, match="has no steps"):
        dataclasses.replace(features, steps=()).f_i()
    assert "latency (ms)" in repr(features) and "100 to 300 ms" in repr(curve)
    assert "<table>" in features._repr_html_() and "<table>" in curve._repr_html_()


def test_features_of_what_is_not_there():
    with pytest.raises(DataError, match="x: has no sweep 1, must be 0 to 0"):
        clamped(np.zeros(100)).features([ProtocolStep(1, 0, 1, 1.0)])
    with pytest.raises(DataError, match="x: has no voltage"):
        Recording("x", dt=DT, command=np.zeros((1, 100))).features()


# --- A real cell ---


def real(name: str) -> Recording:
    if not DATA:
        pytest.skip("NEURODYN_DATA is not set")
    pytest.importorskip("pyabf")
    path = Path(DATA) / "recordings" / name
    if not path.exists():
        pytest.skip(f"{name} is not under NEURODYN_DATA")
    return read_abf(path)


def test_the_protocol_of_a_real_recording():
    steps = real("171116sh_0018.abf").steps()
    levels = [float(level) for level in range(-100, 301, 25)]
    for window, wanted in (
        ((146.85, 646.85), levels),
        ((1146.85, 1646.85), [-100.0] * 17),
        ((1646.85, 2146.85), levels),
    ):
        found = {s.sweep: s.amplitude for s in steps if (s.start, s.stop) == window}
        assert found == {i: level for i, level in enumerate(wanted) if level}
    assert len(steps) == 16 + 17 + 16
    assert real("171116sh_0013.abf").steps() == () == real("17o05027_ic_ramp.abf").steps()


def test_the_membrane_of_a_real_recording():
    found = real("171116sh_0018.abf").passive()
    assert (found.steps[0].start, found.steps[0].amplitude, found.repeats) == (1146.85, -100.0, 17)
    assert found.input_resistance == pytest.approx(102, rel=0.01)
    assert found.peak_resistance == pytest.approx(135, rel=0.01)
    assert found.sag_ratio == pytest.approx(0.76, abs=0.01)
    assert found.series_resistance == pytest.approx(13, abs=1)
    assert found.tau == pytest.approx(37, rel=0.03)
    assert 254 < found.capacitance < 319
    assert found.rests[[0, 1, -1]] == pytest.approx([-62.2, -61.7, -62.9], abs=0.1)
    assert found.rest_drift == pytest.approx(-1.0, abs=0.1)


def test_the_spikes_of_a_real_recording():
    features = real("171116sh_0018.abf").features()
    for window in (0, 2):
        curve = features.f_i(window)
        counts = dict(zip(curve.currents, curve.rates / 2, strict=True))  # of half a second
        assert [counts[level] for level in (25, 50, 100, 200, 300)] == [0, 1, 3, 6, 9]
    assert not any(f.flags for f in features.steps)
    spikes = [spike for f in features.steps for spike in f.spikes]
    assert 70 < min(s.height for s in spikes) and max(s.height for s in spikes) < 101
    assert 1.25 < min(s.half_width for s in spikes) and max(s.half_width for s in spikes) < 2.2


def test_features_agree_with_efel():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        efel = pytest.importorskip("efel")
    recording = real("171116sh_0018.abf")
    efel.reset()
    for name, value in (("DerivativeThreshold", 20.0), ("interp_step", recording.dt), ("strict_stiminterval", True)):
        efel.set_setting(name, value)
    ours = ["onset", "onset_v", "peak_time", "peak", "height"]
    theirs = ["AP_begin_time", "AP_begin_voltage", "peak_time", "peak_voltage", "AP_amplitude"]
    more = ["AP_duration_half_width", "time_to_first_spike", "AHP_depth_abs_slow", "min_AHP_values"]
    for found in recording.features().steps:
        step, spikes = found.step, found.spikes
        if not spikes:
            continue
        trace = {"T": recording.times, "V": recording.response[step.sweep]}
        trace |= {"stim_start": [step.start], "stim_end": [step.stop]}
        by_efel = efel.get_feature_values([trace], theirs + more, raise_warnings=False)[0]
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_allclose([getattr(s, our) for s in spikes], by_efel[their], atol=1e-6)
        assert spikes[0].peak_time - step.start == pytest.approx(by_efel["time_to_first_spike"][0])
        # It counts whole samples, and for the last spike goes on past the end of the step.
        widths = [s.half_width for s in spikes[:-1]]
        np.testing.assert_allclose(widths, by_efel["AP_duration_half_width"][:-1], atol=recording.dt)
        if found.count > 2:  # its slow depth begins at the second spike and looks from 5 ms after the peak on
            lowest = [s.onset_v - s.ahp for s in spikes[1:-1]]
            np.testing.assert_allclose(lowest, by_efel["AHP_depth_abs_slow"], atol=1e-6)
    efel.reset()


# --- Pictures ---


def test_picture_of_a_recording():
    command = np.stack([pulses((100, 300, level)) for level in (-50.0, 0.0, 50.0)])
    recording = clamped(command)
    above, below = axes = Figure(layout="constrained").subplots(2, 1)
    assert list(draw(recording, axes)) == [above, below]
    assert [len(ax.lines) for ax in axes] == [3, 3] and [len(ax.patches) for ax in axes] == [1, 1]
    assert (above.get_ylabel(), below.get_ylabel()) == ("voltage (mV)", "current (pA)")
    assert len({line.get_color() for line in above.lines}) == 3
    with pytest.raises(ValueError, match="3 axes are not allowed: must be 2"):
        draw(recording, Figure().subplots(3))
    with pytest.raises(ValueError, match="x holds no sweeps"):
        draw(Recording("x", spikes=np.ones(1)))


def test_picture_of_one_sweep_without_a_command():
    above, below = draw(Recording("x", dt=DT, response=np.full((1, 100), -65.0)), Figure().subplots(2, 1))
    assert len(above.lines) == 1 and len(below.lines) == 0


def test_picture_of_firing_rates():
    command = np.stack([pulses((100, 300, level), (320, 380, -20)) for level in (25.0, 50.0)])
    features = clamped(command, np.stack([spiking([]), spiking([120])])).features()
    ax = f_i(features, Figure().subplots())
    (line,) = ax.lines  # the second step has one level only
    np.testing.assert_allclose(line.get_xydata(), [[25, 0], [50, 5]])
    assert ax.get_xlabel() == "current (pA)"
