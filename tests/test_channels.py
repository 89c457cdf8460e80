"""Channels: one written by a user, and the probe that every channel has to pass."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd
from neurodyn.channels import AbstractChannel, HighVoltageCalcium, Leak, Potassium, SKPotassium, Sodium
from neurodyn.channels.base import probe
from neurodyn.kinetics import (
    AbstractGate,
    AbstractRate,
    AlphaBeta,
    Boltzmann,
    ConstantTime,
    Exponential,
    InfTau,
    Relaxation,
    Sigmoid,
)


# What somebody would type in a notebook: a muscarinic potassium current.
NOTEBOOK_CHANNEL = '''
class MCurrent(nd.AbstractChannel):
    """`g p (v - e)`. Source: Yamada, Koch and Adams (1989)."""

    g: jax.Array = nd.parameter(0.07, unit="mS/cm2", lower=0.0)
    e: jax.Array = nd.parameter(-90.0, unit="mV", lower=-200.0, upper=200.0)
    p: AbstractGate = InfTau(half=-35.0, slope=10.0, tau_peak=1000.0, tau_half=-35.0)

    def current(self, v, x):
        return self.g * x["p"] * (v - self.e)
'''


def test_channel_of_a_user_in_15_lines():
    assert len(NOTEBOOK_CHANNEL.strip().splitlines()) <= 15
    names = {"nd": nd, "jax": jax, "AbstractGate": AbstractGate, "InfTau": InfTau}
    exec(NOTEBOOK_CHANNEL, names)
    channels = {"na": Sodium(), "k": Potassium(), "leak": Leak()}
    cell = nd.PointCell({**channels, "m": names["MCurrent"]()})
    rows = {row.path: row.cells() for row in nd.describe(cell)}
    assert rows["channels.m.g"] == ("channels.m.g", "0.07", "mS/cm2", "finite and >= 0", "yes")
    assert rows["channels.m.p.half"][1:3] == ("-35", "mV")
    run = nd.simulate(cell, nd.Step(10.0, 5.0), 50.0, record=["v", "m.p", "i_m"])
    assert run.ok and np.isfinite(run.v).all() and run.ys["i_m"].shape == run.v.shape
    assert int(run.spikes.count) > 0 and run.ys["m.p"][-1] > run.ys["m.p"][0] + 0.01  # spikes open the slow gate

    def last(g):
        return nd.simulate(nd.replace(cell, {"channels.m.g": g}), nd.Step(10.0), 5.0).v[-1]

    # It is off the path of the first spike, so a small difference is good to many digits.
    h = 1e-5
    np.testing.assert_allclose(jax.grad(last)(0.07), (last(0.07 + h) - last(0.07 - h)) / (2 * h), rtol=1e-6)


class Custom(AbstractChannel):
    """A channel whose current is given as a function, with at most one gate."""

    function: object = eqx.field(static=True)
    gate: AbstractGate | None = None
    g: jax.Array = nd.parameter(1.0)

    def current(self, v, x):
        return self.function(self.g, v, x)


class Constant(AbstractGate):
    """A gate with rates that do not depend on the voltage."""

    opening: jax.Array = nd.parameter()
    total: jax.Array = nd.parameter()

    def rates(self, v, temperature):
        return self.opening + 0 * v, self.total + 0 * v

    def at_temperature(self, temperature):
        return self


def _raise(*_):
    raise ValueError


@pytest.mark.parametrize(
    "channel, message",
    [
        (Custom(lambda g, v, x: g * jnp.ones(3)), r"current has shape \(3,\) for a scalar voltage, must be \(\)"),
        (Custom(lambda g, v, x: g * v[None]), r"current has shape \(1,\)"),
        (
            Custom(lambda g, v, x: g / jnp.where(v == -65.0, 0.0, 1.0) * 0),
            "the current is nan at -65 mV, must be finite",
        ),
        (Custom(lambda g, v, x: jnp.log(v)), "the current is nan at -120 mV"),
        (Custom(lambda g, v, x: jnp.sqrt(jnp.abs(v + 65.0))), "derivative of current is (nan|inf) at -65 mV"),
        (Custom(lambda g, v, x: (v + 40) / (1 - jnp.exp(-(v + 40) / 10))), "the current is nan at -40 mV"),
        (Custom(lambda g, v, x: g * np.exp(v)), r"cannot be evaluated by JAX .*\(TracerArrayConversionError: .*numpy"),
        (Custom(lambda g, v, x: g * float(v)), r"cannot be evaluated by JAX .*\(ConcretizationTypeError"),
        (Custom(lambda g, v, x: v if v > 0 else g), r"cannot be evaluated by JAX .*\(TracerBoolConversionError"),
        (Custom(lambda g, v, x: g * x["q"]), r"cannot be evaluated by JAX .*\(KeyError: 'q'\)"),
        (Custom(lambda g, v, x: None), r"cannot be evaluated by JAX"),
        (Custom(_raise), r"cannot be evaluated by JAX .*\(ValueError: \)"),
        (Custom(lambda g, v, x: g * v, Constant(1.0, 0.0)), "rate of gate 'gate' is 0 1/ms at -120 mV, must be > 0"),
        (Custom(lambda g, v, x: g * v, Constant(1.0, -2.0)), "total rate of gate 'gate' is -2 1/ms at -120 mV"),
        (Custom(lambda g, v, x: x["gate"], InfTau(-40.0, 0.0, 1.0, -40.0)), "is nan at -40 mV"),
        (3.0, r"is not allowed: must be an AbstractChannel"),
    ],
)
def test_faulty_channels_are_refused_by_name(channel, message):
    name = type(channel).__name__
    with pytest.raises(ValueError, match=rf"channel 'mine' \({name}\).*{message}"):
        probe("mine", channel, jnp.asarray(6.3))
    if name == "Custom":
        with pytest.raises(ValueError, match=message):
            nd.PointCell({"mine": channel})
        with pytest.raises(ValueError, match=message):
            nd.HodgkinHuxley(leak=channel)


@pytest.mark.parametrize("name", ["v", "ionic", "1a", "a.b", "", 3])
def test_channel_names_are_identifiers(name):
    with pytest.raises(ValueError, match="channel name .* is not allowed: must be an identifier other than 'v'"):
        nd.PointCell({name: Leak()})


@pytest.mark.parametrize(
    "channels, got", [([Leak()], "list"), (Leak(), "Leak"), (None, "None"), (Leak, "the class Leak, not one made by")]
)
def test_channels_are_given_by_name(channels, got):
    with pytest.raises(ValueError, match=rf"channels: {got}.* is not allowed: must be a dictionary by name, such as"):
        nd.PointCell(channels)


_RATE, _STEADY = Exponential(0.1, -40.0, 10.0), Boltzmann(-40.0, 5.0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Potassium(n=0.5), "Potassium.n: expected AbstractGate, got 0.5"),
        (lambda: Potassium(n=_STEADY), "Potassium.n: expected AbstractGate, got Boltzmann"),
        (lambda: Potassium(n=Boltzmann), r"got the class Boltzmann, not one made by Boltzmann\(\.\.\.\)"),
        (lambda: SKPotassium(z=_RATE), "SKPotassium.z: expected AbstractGate or AbstractIonGate, got Exponential"),
        (lambda: HighVoltageCalcium(1.0, 120.0), "driving_force: expected AbstractDrivingForce, got 120.0"),
        (lambda: AlphaBeta(_RATE, _RATE, q10=3.0), "AlphaBeta.q10: expected Q10 or None, got 3.0"),
        (lambda: AlphaBeta(_RATE, _STEADY), "AlphaBeta.beta: expected AbstractRate, got Boltzmann"),
        (lambda: Relaxation(ConstantTime(5.0), _STEADY), "steady: expected AbstractSteadyState, got ConstantTime"),
        (lambda: Relaxation(_STEADY, 5.0), "Relaxation.time: expected AbstractTimeConstant, got 5.0"),
    ],
)
def test_parts_of_another_kind_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


class Network(AbstractRate):
    """A rate given by a small neural network, exp of its output."""

    mlp: eqx.nn.MLP

    def __call__(self, v):
        return jnp.exp(self.mlp((v[None] + 65.0) / 50.0)[0])


def _neural(scale):
    mlp = eqx.nn.MLP(1, 1, 8, 1, activation=jnp.tanh, key=jax.random.key(0))
    return Network(jax.tree_util.tree_map(lambda x: x * scale if eqx.is_array(x) else x, mlp))


def test_rates_may_be_neural_networks_and_are_probed_too():
    gate = AlphaBeta(_neural(1.0), Sigmoid(1.0, -40.0, 10.0))
    assert nd.simulate(
        nd.PointCell({"leak": Leak(), "x": Custom(lambda g, v, x: x["gate"], gate)}), nd.Step(1.0), 5.0
    ).ok
    with pytest.raises(ValueError, match="total rate of gate 'gate' is (nan|inf) at"):
        probe(
            "x", Custom(lambda g, v, x: x["gate"], AlphaBeta(_neural(1e9), Sigmoid(1.0, -40.0, 10.0))), jnp.asarray(6.3)
        )


def test_batches_and_traced_channels_are_not_probed():
    probe("leak", Leak(g=jnp.ones(3)), jnp.asarray(6.3))
    built = jax.jit(lambda g: nd.HodgkinHuxley(leak=Leak(g=g)).leak.g)(0.3)
    assert float(built) == 0.3


def test_models_may_be_built_inside_a_transformation():
    assert float(jax.jit(lambda: nd.HodgkinHuxley().init()["v"])()) == -65.0


@pytest.mark.parametrize("x64", [True, False])
def test_rates_are_finite_anywhere(x64):
    """Whatever a trial step reaches, and where the formula is 0/0: value, first and second derivative."""
    with jax.enable_x64(x64):
        model = nd.HodgkinHuxley()

        def rates(v):
            return model.na.kinetics(v, {"m": v * 0, "h": v * 0}, model.temperature)

        second = jax.jit(jax.vmap(lambda v: (rates(v), jax.jacrev(rates)(v), jax.jacfwd(jax.jacfwd(rates))(v))))
        leaves = jax.tree_util.tree_leaves(second(jnp.asarray([-1e4, -200.5, 200.5, 1e4, -40.0, -55.0, -65.0])))
    assert all(np.isfinite(x).all() for x in leaves)


def test_rates_of_a_gate_are_untouched_within_200_mV():
    rate = Exponential(0.01, -65.0, 30.0)
    gate = AlphaBeta(rate, rate)
    for v in (-200.0, -120.0, 60.0, 200.0):
        assert float(gate.rates(jnp.asarray(v), jnp.asarray(6.3))[0]) == float(rate(jnp.asarray(v)))
