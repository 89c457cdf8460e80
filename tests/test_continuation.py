"""Equilibria, their stability and bifurcations: published and closed-form values, and derivatives by every parameter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import flat_parameters, gradient_error, hh_rates
from scipy.optimize import brentq

import neurodyn as nd


analysis = nd.analysis
MorrisLecar = nd.points.MorrisLecar


class Quadratic(nd.AbstractNeuron):
    """Izhikevich (2003) between spikes, with a countdown that stands still below threshold."""

    a: jax.Array = nd.parameter(0.02)
    b: jax.Array = nd.parameter(0.2)

    def init(self):
        return {"v": jnp.asarray(-65.0), "u": jnp.asarray(-13.0), "countdown": jnp.asarray(0.0)}

    def dynamics(self, t, y, drive):
        v, u = y["v"], y["u"]
        counting = jnp.where(y["countdown"] > 0, -1.0, 0.0)
        slope = {"v": 0.04 * v**2 + 5 * v + 140 - u + drive, "u": self.a * (self.b * v - u), "countdown": counting}
        return nd.Linearised(slope, dict.fromkeys(slope))

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"v": 0, "u": 0, "countdown": 0}


class Exponential(nd.AbstractNeuron):
    """The adaptive exponential neuron between spikes; pF, nS, mV, pA."""

    g: jax.Array = nd.parameter(10.0)
    e: jax.Array = nd.parameter(-70.0)
    threshold: jax.Array = nd.parameter(-50.0)
    sharpness: jax.Array = nd.parameter(2.0)
    a: jax.Array = nd.parameter(2.0)

    def init(self):
        return {"v": self.e, "w": jnp.zeros_like(self.e)}

    def dynamics(self, t, y, drive):
        v, w = y["v"], y["w"]
        spike = self.g * self.sharpness * jnp.exp((v - self.threshold) / self.sharpness)
        slope = {"v": (-self.g * (v - self.e) + spike - w + drive) / 200, "w": (self.a * (v - self.e) - w) / 30}
        return nd.Linearised(slope, dict.fromkeys(slope))

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"v": 0, "w": 0}


def exponential_saddle_node(g, e, threshold, sharpness, a):
    """The current of the saddle-node in closed form (Naud et al. 2008, section 2)."""
    v = threshold + sharpness * jnp.log(1 + a / g)
    return (g + a) * (v - e) - g * sharpness * jnp.exp((v - threshold) / sharpness)


@pytest.fixture(scope="module")
def hopf_branch():
    return analysis.continue_equilibria(MorrisLecar.hopf(), 0.0, 300.0)


@pytest.fixture(scope="module")
def snic_branch():
    return analysis.continue_equilibria(MorrisLecar.snic(), -50.0, 150.0)


def scipy_jacobian(v: float) -> np.ndarray:
    """The Jacobian of Hodgkin and Huxley's equations with steady gates at v, by central differences, independent of the package."""

    def slope(y):
        v, m, h, n = y
        gates = [a * (1 - x) - b * x for x, (a, b) in zip((m, h, n), hh_rates(v).values(), strict=True)]
        return np.array([-(120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)), *gates])

    y = np.array([v, *(a / (a + b) for a, b in hh_rates(v).values())])
    return np.stack([(slope(y + e) - slope(y - e)) / 2e-5 for e in 1e-5 * np.eye(4)], axis=1)


def test_hodgkin_huxley_at_rest(hh):
    rest = analysis.equilibrium(hh)
    # Computed independently (E_L -54.387 mV)
    assert rest["v"] == pytest.approx(-64.99638, abs=1e-5)
    gates = [float(x) for x in (rest["na"]["m"], rest["na"]["h"], rest["k"]["n"])]
    assert gates == pytest.approx([0.0529551, 0.5959941, 0.3177324], abs=1e-7)
    values = analysis.eigenvalues(hh, rest)
    expected = [-0.12067, -0.20264 + 0.38322j, -0.20264 - 0.38322j, -4.6750]
    np.testing.assert_allclose(values, expected, atol=5e-5)
    assert analysis.classify(values) == "stable focus"


@pytest.mark.slow
def test_hodgkin_huxley_hopf_points(hh):
    # The real part of the leading pair of an independent Jacobian, and the current that holds the voltage there. The literature has 9.78 and 154.5
    # (Rinzel and Miller 1980; Hassard 1978) with a leak reversal 0.01 mV from ours; the first is subcritical, the second supercritical.
    def current(v):
        m, h, n = (a / (a + b) for a, b in hh_rates(v).values())
        return 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)

    def pair(v):
        return max((x for x in np.linalg.eigvals(scipy_jacobian(v)) if x.imag > 0), key=lambda x: x.real)

    for bracket, near, sign in (((-62.0, -58.0), 9.0, 1), ((-45.0, -41.0), 150.0, -1)):
        v = brentq(lambda v: pair(v).real, *bracket, xtol=1e-12)
        found = analysis.hopf(hh, near)
        assert found.drive == pytest.approx(current(v), abs=1e-5 * near)
        assert found.state["v"] == pytest.approx(v, abs=1e-5)
        assert found.frequency == pytest.approx(1e3 * pair(v).imag / (2 * np.pi), rel=1e-6)
        assert np.sign(found.lyapunov) == sign
    assert 9.77 < analysis.hopf(hh, 9.0).drive < 9.79


def test_morris_lecar_hopf_set(hopf_branch):
    # Computed independently; 93.86 and 212 in MatCont's manual
    first, second = hopf_branch.hopfs
    assert hopf_branch.complete and hopf_branch.saddle_nodes == ()
    assert (float(first.drive), float(first.frequency)) == pytest.approx((93.8576, 12.697), abs=5e-4)
    assert (float(second.drive), float(second.frequency)) == pytest.approx((212.0188, 23.651), abs=5e-4)
    # Both are subcritical: rest and firing coexist from 88.2 to the first and from the second to 216.
    assert first.lyapunov > 0 and second.lyapunov > 0
    inside = (hopf_branch.drive > first.drive) & (hopf_branch.drive < second.drive)
    np.testing.assert_array_equal(hopf_branch.stable, ~inside)


def test_morris_lecar_snic_and_homoclinic_sets(snic_branch):
    # Computed independently; 39.96 in Rinzel and Ermentrout (1998)
    low, high = snic_branch.saddle_nodes
    assert (float(low.drive), float(low.state["v"])) == pytest.approx((39.9632, -29.390), abs=5e-4)
    assert float(high.drive) == pytest.approx(-9.9490, abs=5e-5)
    (hopf,) = snic_branch.hopfs
    assert (float(hopf.drive), float(hopf.frequency)) == pytest.approx((97.6462, 40.226), abs=5e-4)
    (hopf,) = analysis.continue_equilibria(MorrisLecar.homoclinic(), -50.0, 150.0).hopfs
    assert float(hopf.drive) == pytest.approx(36.3162, abs=5e-5)
    stable = np.asarray(snic_branch.stable)
    assert stable[0] and stable[-1] and np.count_nonzero(np.diff(stable)) == 2


def test_points_of_a_branch_are_equilibria(snic_branch):
    model = MorrisLecar.snic()
    slopes = jax.jit(jax.vmap(lambda y, i: model.dynamics(0.0, y, i).slope))(snic_branch.states, snic_branch.drive)
    assert all(jnp.abs(x).max() < 1e-10 for x in jax.tree_util.tree_leaves(slopes))
    assert snic_branch.drive[0] == -50.0 and snic_branch.drive[-1] == 150.0
    assert jnp.abs(jnp.diff(snic_branch.states["v"])).max() < 5.0


# (5 - b)^2 / 0.16 - 140, at v = -(5 - b) / 0.08
@pytest.mark.parametrize(("b", "current"), [(0.2, 4.0), (0.25, 1.015625), (0.26, 0.4225)])
def test_izhikevich_saddle_node(b, current):
    found = analysis.saddle_node(Quadratic(b=b), current - 0.2)
    assert found.drive == pytest.approx(current, abs=1e-10)
    assert found.state["v"] == pytest.approx(-(5 - b) / 0.08, abs=1e-5)


def test_first_and_second_derivatives_of_a_saddle_node():
    def current(b):
        return analysis.saddle_node(Quadratic(b=b), 3.5, {"v": -61.0, "u": -12.0, "countdown": 0.0}).drive

    slope, curvature = jax.jit(lambda b: jax.jvp(jax.grad(current), (b,), (1.0,)))(0.2)
    assert (float(slope), float(curvature)) == pytest.approx((-60.0, 12.5), abs=1e-6)  # -2 (5 - b) / 0.16, 2 / 0.16


def test_gradient_of_a_saddle_node_in_closed_form():
    model = Exponential()
    values = (model.g, model.e, model.threshold, model.sharpness, model.a)

    def current(model):
        return analysis.saddle_node(model, 200.0, {"v": -51.0, "w": 35.0}).drive

    value, gradient = jax.jit(jax.value_and_grad(current))(model)
    expected = jax.jit(jax.grad(exponential_saddle_node, argnums=tuple(range(5))))(*values)
    assert value == pytest.approx(float(exponential_saddle_node(*values)), abs=1e-9)
    np.testing.assert_allclose(jax.tree_util.tree_leaves(gradient), expected, rtol=1e-9)


def test_gradients_of_a_hopf_point_by_every_parameter(hopf_branch):
    point = hopf_branch.hopfs[0]
    names, vector, rebuild = flat_parameters(MorrisLecar.hopf())

    def located(vector):
        found = analysis.hopf(rebuild(vector), point.drive, point.state)
        return jnp.stack([found.drive, found.state["v"], found.frequency])

    reverse = np.asarray(jax.jit(jax.jacrev(located))(vector))
    scale = np.maximum(np.abs(vector), 1e-2)
    differences = np.zeros_like(reverse)
    for i, step in enumerate(1e-3 * scale):  # one by one: the branch has compiled the program already
        far, near, near_, far_ = (np.asarray(located(vector.at[i].add(k * step))) for k in (2, 1, -1, -2))
        differences[:, i] = (8 * (near - near_) - (far - far_)) / (12 * step)
    error = gradient_error(reverse, differences, scale)
    assert error.max() < 1e-6, dict(zip(names, error.max(0), strict=True))
    direction = jnp.asarray(scale) * jnp.cos(jnp.arange(vector.size, dtype=float))
    forward = jax.jit(lambda x, d: jax.jvp(located, (x,), (d,))[1])(vector, direction)
    np.testing.assert_allclose(forward, reverse @ direction, rtol=1e-9)


def test_an_equilibrium_has_derivatives_and_one_that_is_lost_does_not_harm_the_others():
    model = Exponential()

    def rest(drive):
        return analysis.equilibrium(model, drive)["v"]

    drives = jnp.asarray([100.0, 500.0])  # the saddle-node is at 202 pA
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(rest)))(drives)
    assert values[0] < -60 and np.isnan(values[1])
    # dv/dI = 1 / (g + a - g exp((v - threshold) / sharpness))
    assert slopes[0] == pytest.approx(1 / (12 - 10 * np.exp((float(values[0]) + 50) / 2)), rel=1e-9)
    assert np.isfinite(slopes[1])
    assert analysis.equilibrium(model, 100.0, {"v": -44.0, "w": 50.0})["v"] > -50  # the saddle


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: analysis.continue_equilibria(m, 5.0, 5.0), r"\(lower, upper\) = \(5, 5\) is not allowed"),
        (lambda m: analysis.continue_equilibria(m, 0.0, 5.0, max_step=0.0), "max_step = 0.0 is not allowed"),
        (lambda m: analysis.equilibrium(m, jnp.zeros(2)), "state 'v' has shape"),
        (lambda m: analysis.eigenvalues(m, {"v": 0.0}), "state is not allowed: has .*, must have"),
        (lambda m: analysis.hopf(None, 1.0), "model = NoneType is not allowed: must be a neuron"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(MorrisLecar.hopf())
