"""What `simulate` refuses before it computes: the message names the argument, the value, its unit and what is allowed."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd


NAN, INF = float("nan"), float("inf")
STEP = nd.Step(10.0)


def refused(message: str, *args, **kwargs) -> None:
    with pytest.raises(ValueError, match=message):
        nd.simulate(*args, **kwargs)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"t1": 0.0}, "t1 = 0 ms is not allowed: must be > t0 = 0 ms"),
        ({"t1": -5.0}, "t1 = -5 ms is not allowed: must be > t0 = 0 ms"),
        ({"t1": 5.0, "t0": 5.0}, "t1 = 5 ms is not allowed: must be > t0 = 5 ms"),
        ({"t1": NAN}, "t1 = nan ms is not allowed: must be a finite Python number"),
        ({"t1": INF}, "t1 = inf ms is not allowed"),
        ({"t1": "5"}, "t1 = '5' ms is not allowed"),
        ({"t1": True}, "t1 = True ms is not allowed"),
        ({"t0": -INF}, "t0 = -inf ms is not allowed"),
        ({"dt": 0.0}, "dt = 0.0 ms is not allowed: must be a finite Python number > 0"),
        ({"dt": -0.025}, "dt = -0.025 ms is not allowed"),
        ({"dt": NAN}, "dt = nan ms is not allowed"),
        ({"dt": "0.1"}, "dt = '0.1' ms is not allowed"),
        ({"dt": -1.0, "method": nd.Adaptive()}, "dt = -1.0 ms is not allowed"),
        ({"every": 0}, "every = 0 is not allowed: must be a whole number >= 1"),
        ({"every": 1.5}, "every = 1.5 is not allowed"),
        ({"max_spikes": -1}, "max_spikes = -1 is not allowed: must be a whole number >= 0"),
        ({"ts": [0.0, 2.0, 5.5]}, r"ts\[2\] = 5.5 ms is not allowed: must be within \[t0, t1\] = \[0, 5\] ms"),
        ({"ts": [-0.1, 2.0]}, r"ts\[0\] = -0.1 ms is not allowed: must be within"),
        ({"ts": [0.0, NAN]}, r"ts\[1\] = nan ms is not allowed: must be within"),
        ({"ts": [0.0, 2.0, 1.0]}, r"ts\[2\] = 1 ms is not allowed: must be > ts\[1\] = 2 ms"),
        ({"ts": [0.0, 2.0, 2.0]}, r"ts\[2\] = 2 ms is not allowed: must be > ts\[1\] = 2 ms"),
        ({"ts": []}, r"ts of shape \(0,\) is not allowed: must be one-dimensional and not empty"),
        ({"ts": np.ones((2, 2))}, r"ts of shape \(2, 2\) is not allowed"),
        ({"record": "na.q"}, "no state or observable matches 'na.q'; did you mean 'na.m'"),
        ({"y0": "reset"}, "y0 = 'reset' is not allowed: must be None, 'rest' or a state"),
        ({"method": "fixed"}, "method = 'fixed' is not allowed: must be nd.FixedStep"),
        ({"stimulus": 10.0}, "stimulus = 10.0 is not allowed: must be a stimulus such as nd.Step"),
    ],
)
def test_arguments(hh, arguments, message):
    arguments = {"model": hh, "stimulus": STEP, "t1": 5.0} | arguments
    refused(message, **arguments)


def test_model_must_be_a_neuron():
    refused("model = Leak is not allowed: must be a neuron", nd.channels.Leak(), STEP, 5.0)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: nd.FixedStep(-1.0), "FixedStep.dt = -1.0 ms is not allowed: must be a finite Python number > 0"),
        (lambda: nd.Adaptive(rtol=0.0), "Adaptive.rtol = 0.0 is not allowed: must be a finite Python number > 0"),
        (lambda: nd.Adaptive(atol=NAN), "Adaptive.atol = nan"),
        (lambda: nd.Adaptive(max_step=-1.0), "Adaptive.max_step = -1.0 ms is not allowed: must be a Python number > 0"),
        (lambda: nd.Adaptive(max_steps=0), "Adaptive.max_steps = 0 is not allowed: must be a whole number >= 1"),
    ],
)
def test_methods(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("x64, rtol, limit", [(True, 1e-15, "1e-14"), (False, 1e-9, "6e-06")])
def test_tolerance_below_precision(x64, rtol, limit):
    with jax.enable_x64(x64):
        message = rf"Adaptive.rtol = {rtol:g} is not allowed in float{'64' if x64 else '32'}: must be >= {limit}"
        refused(message, nd.HodgkinHuxley(), nd.Step(10.0), 5.0, method=nd.Adaptive(rtol=rtol))


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("na.m", 1.01, "y0.na.m = 1.01 is not allowed: must be finite and >= 0 and <= 1"),
        ("k.n", -0.01, "y0.k.n = -0.01 is not allowed: must be finite and >= 0 and <= 1"),
        ("na.h", NAN, "y0.na.h = nan is not allowed: must be finite"),
        ("v", INF, "y0.v = inf mV is not allowed: must be finite"),
        ("v", jnp.ones(3), r"y0.v of shape \(3,\) is not allowed: must have shape \(\)"),
        ("k.n", jnp.ones(2), r"y0.k.n of shape \(2,\) is not allowed: must have shape \(\)"),
    ],
)
def test_initial_states(hh, path, value, message):
    state = hh.init()
    *outer, name = path.split(".")
    inner = state
    for key in outer:
        inner = inner[key]
    inner[name] = jnp.asarray(value)
    refused(re.escape(message) if "shape" not in message else message, hh, STEP, 5.0, y0=state)


def test_initial_states_of_other_models(hh):
    cell = nd.PointCell({"k": nd.channels.Potassium()})
    refused("y0.k.n = 2 is not allowed", cell, STEP, 5.0, y0={"v": jnp.asarray(-65.0), "k": {"n": jnp.asarray(2.0)}})
    clamped = nd.Clamped(hh)
    gates = {"na": {"m": jnp.asarray(0.1), "h": jnp.asarray(0.5)}, "k": {"n": jnp.asarray(7.0)}}
    refused("y0.k.n = 7 is not allowed", clamped, nd.Step(-65.0), 5.0, y0=gates)
    resting = {"v": jnp.asarray(-65.0), "refractory": jnp.asarray(-1.0)}
    refused("y0.refractory = -1 ms is not allowed: must be finite and >= 0", nd.LIF(), STEP, 5.0, y0=resting)


def test_state_of_another_model(hh):
    refused("y0 is not allowed: has v, must have k.n, na.h, na.m, v", hh, STEP, 5.0, y0={"v": jnp.asarray(-65.0)})
    refused("y0 is not allowed: has no leaves, must have refractory, v", nd.LIF(), STEP, 5.0, y0={})
    refused("y0 is not allowed: has .*, must have refractory, v", nd.LIF(), STEP, 5.0, y0=hh.init())


def test_initial_state_of_another_precision_is_cast_and_reported(hh):
    state = hh.init() | {"v": np.float32(-65.0)}
    with pytest.warns(UserWarning, match="y0.v: an array of float32 was cast to float64"):
        run = nd.simulate(hh, STEP, 1.0, y0=state)
    assert run.ok and run.v.dtype == jnp.float64
    assert nd.simulate(hh, STEP, 1.0, y0=hh.init() | {"v": -65.0}).ok


@pytest.mark.parametrize("path, value", [("na.g", -1.0), ("k.n.alpha.rate", NAN), ("capacitance", 0.0)])
def test_models_changed_behind_our_back(hh, path, value):
    """`tree_at` and the like go round the checks of a model: they are made again before a run."""
    from neurodyn._parameter import replace_leaves

    broken = replace_leaves(hh, {path: jnp.asarray(value)})
    refused(rf"model\.{path} = {value:g}.* is not allowed: must be", broken, STEP, 5.0)
    refused(r"stimulus\.amplitude = nan is not allowed", hh, replace_leaves(STEP, {"amplitude": jnp.asarray(NAN)}), 5.0)


def test_shapes_that_would_broadcast(hh):
    batch = nd.replace(hh, {"na.g": jnp.ones(3), "k.g": jnp.ones((2, 1))})
    message = r"state '.*' has shape \(\) but its rate of change has shape .*na.g \(3,\).*k.g \(2, 1\).*use jax.vmap"
    refused(message if not jax.config.jax_numpy_rank_promotion == "raise" else ".*", batch, STEP, 5.0)
    single = nd.replace(hh, {"na.g": jnp.ones(3)})
    refused(
        r"state 'v' has shape \(\) but its rate of change has shape \(3,\).*na.g \(3,\).*use jax.vmap",
        single,
        STEP,
        5.0,
    )
    refused(r"rate of change has shape \(4,\).*the drive \(4,\)", hh, nd.Step(jnp.ones(4)), 5.0)


def test_temperature_that_is_not_a_number_is_not_blamed_on_a_channel():
    with pytest.raises(ValueError, match="HodgkinHuxley.temperature = nan degC"):
        nd.HodgkinHuxley(temperature=NAN)
    with pytest.raises(ValueError, match="PointCell.temperature = nan degC"):
        nd.PointCell({"leak": nd.channels.Leak()}, temperature=NAN)


@pytest.mark.parametrize("units", ["density", "absolute"])
def test_units(units):
    assert nd.HodgkinHuxley(units=units).units == units
    with pytest.raises(ValueError, match="units = 'SI' is not allowed: must be 'density' or 'absolute'"):
        nd.HodgkinHuxley(units="SI")


@pytest.mark.parametrize(
    "dt, every, expected", [(0.1, 1, 51), (0.025, 1, 201), (0.3, 1, 18), (0.025, 7, 29), (99.0, 1, 2)]
)
def test_number_of_records_and_end_time(dt, every, expected):
    """floor(steps / every) + 1 records with steps = ceil(5 / dt), whatever the step."""
    run = nd.simulate(nd.LIF(), nd.Step(1.0), 5.0, dt=dt, every=every)
    assert run.ts.shape == run.v.shape == (expected,)
    if every == 1:
        assert float(run.ts[-1]) == pytest.approx(5.0, abs=1e-12)


def test_p3_volts_for_millivolts_are_pointed_out():
    with pytest.warns(UserWarning, match="Sodium.e = 0.05 mV looks like volts: 0.05 V is 50 mV"):
        nd.channels.Sodium(e=0.05)
    with pytest.warns(UserWarning, match="Leak.e = -0.065 mV looks like volts"):
        nd.replace(nd.channels.Leak(), {"e": -0.065})
    nd.channels.Leak(e=0.0)  # a reversal at zero is one
