"""Voltage clamp: under a constant command every gate relaxes exponentially, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import Leaky
from helpers import hh_rates

import neurodyn as nd


STEP = nd.Step(-65.0) + nd.Step(45.0, 5.0)  # mV: from -65 to -20 at 5 ms


def _exact(name: str, t: np.ndarray) -> np.ndarray:
    (a0, b0), (a1, b1) = (hh_rates(np.asarray(v))[name] for v in (-65.0, -20.0))
    start, steady = a0 / (a0 + b0), a1 / (a1 + b1)
    return np.where(t < 5, start, steady - (steady - start) * np.exp(-(t - 5) * (a1 + b1)))


@pytest.mark.parametrize("method", [None, nd.Adaptive(rtol=1e-11, atol=1e-11)], ids=["fixed", "adaptive"])
def test_gates_relax_exponentially(hh, method):
    sol = nd.simulate(nd.Clamped(hh), STEP, 20.0, method=method, record=["na.*", "k.*"], every=20)
    for path in ("na.m", "na.h", "k.n"):
        np.testing.assert_allclose(sol.ys[path], _exact(path[-1], np.asarray(sol.ts)), rtol=0, atol=1e-8, err_msg=path)


def test_edge_of_the_command_inside_a_step(hh):
    # The command is averaged over the step that holds the edge, but rates are not linear in it: off by a share of dt, measured 4.5e-4.
    edge = nd.Step(-65.0) + nd.Step(45.0, 5.0125)
    sol = nd.simulate(nd.Clamped(hh), edge, 20.0, record="k.n", every=20)
    np.testing.assert_allclose(sol.ys["k.n"], _exact("n", np.asarray(sol.ts) - 0.0125), atol=1e-3)


def test_clamp_current(hh):
    # Closed form: the ionic current at the commanded voltage.
    sol = nd.simulate(nd.Clamped(hh), STEP, 20.0, record=["i_ionic", "v"], every=20)
    m, h, n = (_exact(name, np.asarray(sol.ts)) for name in "mhn")
    v = np.where(sol.ts < 5, -65.0, -20.0)
    expected = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
    np.testing.assert_allclose(sol.ys["v"], v)
    np.testing.assert_allclose(sol.ys["i_ionic"], expected, rtol=1e-8, atol=1e-7)


def test_gradient_with_respect_to_the_command(hh):
    # Closed form: n at a constant command v after 3 ms, differentiated by JAX.
    n0 = hh_rates(np.asarray(-65.0))["n"]
    n0 = n0[0] / (n0[0] + n0[1])

    def closed(v):
        a, total = hh.k.n.rates(v, hh.temperature)
        return a / total - (a / total - n0) * jnp.exp(-3.0 * total)

    def simulated(v):
        return nd.simulate(nd.Clamped(hh), nd.Step(v), 3.0, record="k.n").final["k"]["n"]

    v = jnp.asarray(-20.0)
    np.testing.assert_allclose(jax.jit(jax.grad(simulated))(v), jax.grad(closed)(v), rtol=1e-10)


def test_only_a_model_with_a_voltage_and_gates_can_be_clamped():
    with pytest.raises(ValueError, match="Leaky cannot be clamped"):
        nd.Clamped(Leaky())


def test_sweeps_of_unlike_noise_and_weight_run_as_one_batch(hh):
    sweeps = [nd.fitting.CurrentTrace(STEP, np.zeros(201), 0.1, noise=s, weight=w) for s, w in ((1.0, 1.0), (2.0, 3.0))]
    task = nd.fitting.Task.of(hh, sweeps, ["na.g"])
    assert task.groups == ((0, 1),)
    np.testing.assert_allclose(sweeps[1].share() / sweeps[0].share(), 3.0)
    first, second = np.split(np.asarray(jax.jit(lambda theta: task.misfit(theta))(task.encode())), 2)
    np.testing.assert_allclose(second, first / 2)


@pytest.mark.slow
def test_a_capacitance_that_all_sweeps_share():
    channels = {"leak": nd.channels.Leak(g=10.0, e=-65.0), "h": nd.channels.HCurrent(g=5.0)}
    cell = nd.PointCell(channels, capacitance=50.0, units="absolute")  # pF, nS, pA
    ramps = [nd.Step(-60.0) + nd.Ramp(slope, 2.0, 12.0) for slope in (-2.0, 1.0)]
    clean = [nd.fitting.CurrentTrace(ramp, np.zeros(61), 0.25, capacitance=80.0).simulate(cell) for ramp in ramps]
    out = nd.fit(
        nd.replace(cell, {"channels.leak.g": 6.0}),
        [nd.fitting.CurrentTrace(ramp, np.asarray(i), 0.25) for ramp, i in zip(ramps, clean, strict=True)],
        trainable="channels.leak.g",
        nuisance="0.capacitance",
        bounds={"objectives.0.capacitance": (0.0, 300.0)},
        ties=[nd.fitting.tie("objectives.0.capacitance", "objectives.*.capacitance")],
        key=jax.random.key(0),
        steps=0,
        starts=2,
        polish=30,
        polish_starts=2,
    )
    assert float(out.model.channels["leak"].g) == pytest.approx(10.0, rel=1e-6)
    assert [float(sweep.capacitance) for sweep in out.objectives] == pytest.approx([80.0, 80.0], rel=1e-6)
