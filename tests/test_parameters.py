"""Parameters: what is refused when a model is built, and `replace`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn._parameter import ParameterInfo, parameters, recheck
from neurodyn.kinetics import Exponential, InfTau


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: nd.HodgkinHuxley(capacitance=0.0), "HodgkinHuxley.capacitance = 0 uF/cm2 .* finite and > 0"),
        (lambda: nd.HodgkinHuxley(capacitance=-1.0), "HodgkinHuxley.capacitance = -1 uF/cm2 .* finite and > 0"),
        (lambda: nd.LIF(tau=0), "LIF.tau = 0 ms is not allowed: must be finite and > 0"),
        (lambda: nd.LIF(tau=-20.0), "LIF.tau = -20 ms is not allowed: must be finite and > 0"),
        (lambda: nd.LIF(refractory=-1.0), "LIF.refractory = -1 ms is not allowed: must be finite and >= 0"),
        (lambda: nd.channels.Leak(g=-0.3), "Leak.g = -0.3 mS/cm2 is not allowed: must be finite and >= 0"),
        (lambda: nd.channels.Sodium(e=5e4), "Sodium.e = 50000 mV .* >= -200 and <= 200"),
        (lambda: nd.HodgkinHuxley(temperature=300.0), "temperature = 300 degC .* >= -5 and <= 60"),
        (lambda: nd.kinetics.Q10(q10=0.0), "Q10.q10 = 0 is not allowed: must be finite and > 0 and < 100"),
        (lambda: nd.LIF(rest=NAN), "LIF.rest = nan mV is not allowed: must be finite"),
        (lambda: nd.LIF(resistance=INF), "LIF.resistance = inf Mohm is not allowed: must be finite and > 0"),
        (lambda: nd.Step(1.0, stop=NAN), "Step.stop = nan ms is not allowed: must be any number"),
        (lambda: nd.Step(1.0, start=-INF), "Step.start = -inf ms is not allowed: must be finite"),
        (lambda: nd.LIF(tau=jnp.asarray([1.0, 2.0, NAN])), r"LIF.tau\[2\] = nan ms"),
        (lambda: nd.LIF(tau=np.where(np.arange(9000) == 8191, -1.0, 1.0)), r"LIF.tau\[8191\] = -1 ms"),
        (lambda: nd.Samples(np.array([[0.0, 1.0], [2.0, NAN]]), 0.1), r"Samples.values\[1, 1\] = nan"),
        (lambda: nd.LIF(reset=-50.0), "LIF.reset = -50.0 mV .* must be < threshold = -50.0 mV"),
        (lambda: nd.Chirp(1.0, 1.0, 9.0, start=5.0, stop=5.0), "Chirp.stop = 5.0 ms .* must be > start = 5.0 ms"),
        (lambda: nd.Samples(np.ones(3), 0.0), "Samples.dt = 0.0 ms .* finite Python number > 0"),
        (lambda: nd.Samples(np.ones(0), 0.1), "Samples.values .* at least one sample"),
        (lambda: nd.Pulses(1.0, 1.0, 5.0, count=0), "Pulses.count = 0 .* whole number >= 1"),
        (lambda: nd.Pulses(1.0, 1.0, 0.0, count=2), "Pulses.period = 0 ms .* > 0"),
        (lambda: nd.OrnsteinUhlenbeck(0.0, 1.0, 5.0, INF, key=jax.random.key(0)), "duration = inf ms .* finite"),
        (lambda: nd.OrnsteinUhlenbeck(0.0, 1.0, 5.0, 9.0, dt="1", key=jax.random.key(0)), "dt = '1' ms .* number > 0"),
        (
            lambda: nd.OrnsteinUhlenbeck(0.0, -1.0, 5.0, 9.0, key=jax.random.key(0)),
            "OrnsteinUhlenbeck.std = -1 .* >= 0",
        ),
    ],
)
def test_impossible_values_are_refused_when_built(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("value", ["20", True, None, 1j, [1.0, 2.0], {"a": 1.0}, nd.Step(1.0), np.array(["a"])])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match=r"LIF\.tau: expected "):
        nd.LIF(tau=value)
    with pytest.raises(TypeError, match="^tau: expected "):
        nd.replace(nd.LIF(), {"tau": value})


@pytest.mark.parametrize("value", [np.int64(3), np.array([1, 2]), jnp.float32(3.0), np.float16(3.0)])
def test_casts_are_reported(value):
    with pytest.warns(UserWarning, match=f"LIF.tau: an array of {value.dtype} was cast to float64"):
        assert nd.LIF(tau=value).tau.dtype == jnp.float64


def test_python_and_numpy_numbers_need_no_cast():
    assert nd.LIF(tau=3).tau.dtype == nd.LIF(tau=np.float64(3)).tau.dtype == jnp.float64


def test_single_precision_session_takes_doubles():
    with jax.enable_x64(False):
        assert nd.LIF(tau=np.float64(3.0)).tau.dtype == nd.LIF().rest.dtype == jnp.float32
        with pytest.warns(UserWarning, match="int64 was cast to float32"):
            nd.LIF(tau=np.int64(3))


def test_replace_by_path_and_pattern(hh):
    new = nd.replace(hh, {"na.g": 100.0, "*.*.shift": 2, "**.midpoint": np.float64(-50.0)})
    values = {path: float(item.value) for path, item in parameters(new).items()}
    assert values["na.g"] == 100.0
    assert [v for path, v in values.items() if path.endswith(".shift")] == [2.0] * 3
    assert [v for path, v in values.items() if path.endswith(".midpoint")] == [-50.0] * 6
    assert float(hh.na.g) == 120.0 and float(hh.na.m.shift) == 0.0  # the model given is not changed
    assert jax.tree_util.tree_structure(new) == jax.tree_util.tree_structure(hh)
    assert all(item.value.dtype == jnp.float64 for item in parameters(new).values())


@pytest.mark.parametrize(
    "path, hint",
    [
        ("na.gg", "'na.g'"),
        ("gna_bar", "there are: capacitance"),
        ("na.m.alhpa.rate", "'na.m.alpha.rate'"),
        ("na", "na."),
    ],
)
def test_replace_unknown_path(hh, path, hint):
    with pytest.raises(ValueError, match=f"no parameter matches '{path}'.*{hint}"):
        nd.replace(hh, {path: 1.0})


@pytest.mark.parametrize(
    "values, message",
    [
        ({"na.g": -1.0}, "na.g = -1 mS/cm2 is not allowed: must be finite and >= 0"),
        ({"*.g": NAN}, "na.g = nan mS/cm2"),
        ({"capacitance": jnp.asarray([1.0, 0.0])}, r"capacitance\[1\] = 0 uF/cm2 .* > 0"),
        ({"na.m.alpha.scale": 0.0}, "channel 'na' .*rate of gate 'm' is nan at -120 mV, must be finite"),
    ],
)
def test_replace_refuses_bad_values(hh, values, message):
    with pytest.raises(ValueError, match=message):
        nd.replace(hh, values)


def test_replace_checks_parameters_against_each_other():
    both = nd.replace(nd.LIF(), {"reset": -40.0, "threshold": -30.0})
    assert float(both.reset) == -40.0
    with pytest.raises(ValueError, match="LIF.reset = -40.0 mV .* must be < threshold"):
        nd.replace(nd.LIF(), {"reset": -40.0})
    with pytest.raises(ValueError, match="LIF.reset"):
        nd.replace(nd.LIF(), {"reset": jnp.asarray([-60.0, -40.0])})
    with pytest.raises(ValueError, match="Chirp.stop"):
        nd.replace(2.0 * nd.Chirp(1.0, 1.0, 9.0, start=0.0, stop=5.0), {"stimulus.stop": -5.0})


def test_replace_may_add_a_batch_axis(hh):
    batch = nd.replace(hh, {"na.g": jnp.asarray([100.0, 120.0]), "k.n.alpha.rate": jnp.asarray([0.01, 0.02])})
    assert batch.na.g.shape == (2,)
    recheck(batch)
    mapped = jax.tree_util.tree_map(lambda x: 0 if x.ndim else None, batch)
    v = jax.vmap(lambda m: m.init()["v"], in_axes=(mapped,))(batch)
    assert v.shape == (2,)


def test_replace_under_transformations(hh):
    def rate(g):
        model = nd.replace(hh, {"na.g": g})
        return model.dynamics(0.0, model.init(), 0.0).slope["v"]

    # d(dv/dt)/dg = -m^3 h (v - e) / C
    y = hh.init()
    expected = -(y["na"]["m"] ** 3) * y["na"]["h"] * (y["v"] - 50.0)
    np.testing.assert_allclose(jax.jit(jax.grad(rate))(120.0), expected, rtol=1e-12)


def test_replace_of_stimulus_fields():
    stimulus = nd.Step(1.0) + nd.Pulses(1.0, 1.0, 5.0, count=3)
    new = nd.replace(stimulus, {"terms.0.start": 7.0, "**.amplitude": 3.0})
    assert float(new.terms[0].start) == 7.0 and float(new.terms[1].amplitude) == 3.0


def test_units_follow_the_description_of_the_cell(hh):
    units = {path: item.info.unit for path, item in parameters(hh.to_absolute(100.0)).items()}
    assert (units["capacitance"], units["na.g"], units["na.m.alpha.rate"]) == ("pF", "nS", "1/(ms mV)")
    with pytest.raises(ValueError, match="capacitance = -1 pF "):
        nd.replace(hh.to_absolute(100.0), {"capacitance": -1.0})


@pytest.mark.parametrize(
    "info, words, inside, outside",
    [
        (ParameterInfo(), "finite", [0.0, -1e300], [NAN, INF]),
        (ParameterInfo(infinite=True), "any number", [INF, -INF], [NAN]),
        (ParameterInfo(lower=0.0), "finite and >= 0", [0.0], [-1e-300, INF]),
        (ParameterInfo(lower=0.0, upper=1.0, exclusive=True), "finite and > 0 and < 1", [0.5], [0.0, 1.0]),
    ],
)
def test_ranges(info, words, inside, outside):
    assert info.range() == words
    assert info.allows(np.asarray(inside)).all() and not info.allows(np.asarray(outside)).any()


def test_undeclared_arrays_are_parameters_without_bounds():
    layer = eqx.nn.Linear(1, 2, key=jax.random.key(0))
    info = parameters(layer)["weight"].info
    assert info.unit == "" and not info.trainable and info.allows(np.asarray([-1e9])).all()


def test_required_fields_are_required():
    with pytest.raises(TypeError, match="missing"):
        Exponential()
    with pytest.raises(TypeError, match="missing"):
        InfTau(-40.0, 9.0)
