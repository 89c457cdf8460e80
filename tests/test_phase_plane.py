"""Phase planes, fixed points, f-I curves and rheobases."""

import jax.numpy as jnp
import numpy as np
import pytest

import neurodyn as nd


analysis = nd.analysis


@pytest.fixture(scope="module")
def snic():
    return nd.points.MorrisLecar.snic()


def morris_lecar(v, w, drive):
    """The equations of Morris and Lecar (1981) with the parameters of Rinzel and Ermentrout (1998), SNIC set, written out in NumPy."""
    m, steady = (1 + np.tanh((v + 1.2) / 18)) / 2, (1 + np.tanh((v - 12) / 17.4)) / 2
    dv = (drive - 4 * m * (v - 120) - 8 * w * (v + 84) - 2 * (v + 60)) / 20
    return dv, 0.067 * np.cosh((v - 12) / 34.8) * (steady - w)


def test_vector_field_and_nullclines(snic):
    plane = analysis.phase_plane(snic, 30.0, points=61)
    assert plane.names == ("v", "k.w") and plane.dx.shape == (61, 61)
    x, y = np.meshgrid(plane.x, plane.y)
    for got, expected in zip((plane.dx, plane.dy), morris_lecar(x, y, 30.0), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-10)
    assert plane.y[0] < 0 < 0.98 < plane.y[-1] < 1.2  # by itself as far as the nullcline of w goes


def test_other_variables_are_steady_or_held(hh):
    options = dict(y="k.n", x_range=(-70.0, 0.0), y_range=(0.3, 0.7), points=5)
    state = {**hh.init(), "na": {"m": jnp.asarray(0.2), "h": jnp.asarray(0.5)}}
    held = analysis.phase_plane(hh, 2.0, others="held", state=state, **options)
    steady = analysis.phase_plane(hh, 2.0, **options)
    for plane in (held, steady):
        v, n = float(plane.x[1]), float(plane.y[3])
        y = {**(hh.init() if plane is steady else state), "v": jnp.asarray(v), "k": {"n": jnp.asarray(n)}}
        if plane is steady:
            y["na"] = hh.na.steady(jnp.asarray(v), hh.temperature)
        slope = hh.dynamics(0.0, y, jnp.asarray(2.0)).slope
        assert plane.dx[3, 1] == pytest.approx(float(slope["v"]), rel=1e-9)
        assert plane.dy[3, 1] == pytest.approx(float(slope["k"]["n"]), rel=1e-9)


def test_fixed_points(snic):
    points = analysis.fixed_points(snic, 30.0)
    assert [point.kind for point in points] == ["stable node", "saddle", "unstable focus"]
    for point in points:
        v, w = float(point.state["v"]), float(point.state["k"]["w"])
        assert np.abs(morris_lecar(v, w, 30.0)).max() < 1e-11
        # Trace and determinant of a Jacobian by central differences of the equations written out
        step = 1e-5
        columns = [
            (np.asarray(morris_lecar(v + a, w + b, 30.0)) - morris_lecar(v - a, w - b, 30.0)) / (2 * step)
            for a, b in ((step, 0), (0, step))
        ]
        jacobian = np.stack(columns, axis=1)
        values = np.asarray(point.eigenvalues)
        assert values.sum().real == pytest.approx(np.trace(jacobian), abs=1e-6)
        assert values.prod().real == pytest.approx(np.linalg.det(jacobian), abs=1e-6)
    # Beyond the saddle-node at 39.9632 and below that at -9.9490 one is left. Rest at no current: -59.474 mV (computed independently).
    assert [p.kind for p in analysis.fixed_points(snic, 41.0)] == ["unstable focus"]
    (rest,) = analysis.fixed_points(snic, -10.5)
    assert rest.kind == "stable node"
    assert analysis.fixed_points(snic, 0.0)[0].state["v"] == pytest.approx(-59.474, abs=5e-4)
    assert len(analysis.fixed_points(snic, 30.0, x_range=(-30.0, 0.0))) == 1


def test_fixed_point_of_a_resetting_neuron():
    (point,) = analysis.fixed_points(nd.LIF(), 0.5)
    assert point.state["v"] == pytest.approx(-60.0) and point.kind == "stable node"  # -65 mV + 10 Mohm x 0.5 nA
    np.testing.assert_allclose(point.eigenvalues, [0.0, -1 / 20], atol=1e-15)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([-1, -2], "stable node"),
        ([-1 + 2j, -1 - 2j], "stable focus"),
        ([1, 2], "unstable node"),
        ([1 + 2j, 1 - 2j], "unstable focus"),
        ([1, -2], "saddle"),
        ([1 + 1j, 1 - 1j, -2], "saddle-focus"),
        ([2j, -2j], "non-hyperbolic"),
        ([0, -1], "stable node"),
        ([0], "non-hyperbolic"),
    ],
)
def test_types(values, kind):
    assert analysis.classify(values) == kind


def test_f_i_curve_of_hodgkin_huxley(hh):
    currents = jnp.asarray([0.0, 6.0, 6.5, 10.0, 20.0, 50.0])
    curve = analysis.f_i_curve(hh, currents, duration=600.0)
    # Computed independently, counted where the cycle crosses its mean voltage; 6.0 stops after a few spikes (Rinzel and Miller 1980). The step of
    # 0.025 ms costs 0.05 %.
    np.testing.assert_allclose(curve.rates, [0.0, 0.0, 55.06, 68.32, 86.47, 117.04], rtol=1e-3)
    assert curve.counts[0] == 0 and 1 <= curve.counts[1] <= 8 and (curve.status == 0).all()
    assert curve.onsets[1] > 0 and curve.onsets[0] == 0


@pytest.mark.slow
def test_f_i_curve_of_lif():
    model = nd.LIF()
    currents = jnp.asarray([1.4, 1.6, 2.0, 5.0])
    curve = analysis.f_i_curve(model, currents, duration=500.0, transient=100.0)
    # Gerstner et al. (2014), equation 1.9 with a refractory period: f = 1 / (t_ref + tau ln(R I / (R I - threshold)))
    drive = 10 * np.asarray(currents)[1:]
    np.testing.assert_allclose(curve.rates[1:], 1e3 / (2 + 20 * np.log(drive / (drive - 15))), rtol=1e-3)
    assert curve.rates[0] == 0


def test_rheobase_of_lif():
    model = nd.LIF()
    # 15 mV / 10 Mohm, and what a step of 100 ms needs more: threshold / (R (1 - exp(-100 / tau)))
    found = analysis.rheobase(model, 10.0, duration=100.0)
    assert found == pytest.approx(1.5 / (1 - np.exp(-5)), rel=2e-4)
    assert analysis.rheobase(model, 1.2, duration=100.0) == np.inf
    assert analysis.rheobase(model, 9.0, lower=3.0, duration=100.0) == 3.0
    # Large currents make more spikes in a step of 1 ms than there is room for: they fire all the same.
    found = analysis.rheobase(nd.LIF(refractory=0.0), 1000.0, dt=1.0, duration=50.0)
    assert found == pytest.approx(1.5 / (1 - np.exp(-2.5)), rel=1e-3)


def test_rheobase_of_hodgkin_huxley(hh):
    # Computed independently: 2.2403 uA/cm2 for a step from rest
    assert analysis.rheobase(hh, 10.0, duration=100.0) == pytest.approx(2.2403, abs=0.002)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: analysis.phase_plane(m, y="w"), "no state matches 'w'; did you mean"),
        (lambda m: analysis.phase_plane(m, y="v"), "y = 'v' is not allowed: must be another state than x"),
        (lambda m: analysis.phase_plane(nd.HodgkinHuxley()), "y = None is not allowed for more than two variables"),
        (lambda m: analysis.phase_plane(m, x_range=(1.0, 0.0)), r"x_range = \(1, 0\) is not allowed"),
        (lambda m: analysis.phase_plane(m, others="free"), "others = 'free' is not allowed"),
        (lambda m: analysis.fixed_points(m, starts=1), "starts = 1 is not allowed"),
        (lambda m: analysis.f_i_curve(m, 3.0), r"currents of shape \(\) is not allowed"),
        (lambda m: analysis.f_i_curve(m, [1.0, np.nan]), r"currents\[1\] = nan is not allowed: must be finite"),
        (
            lambda m: analysis.rheobase(m, 3.0, method=nd.Adaptive()),
            "method = Adaptive is not allowed: must be a FixedStep",
        ),
        (lambda m: analysis.fixed_points(m, x_range=(1.0, 2.0, 3.0)), r"x_range = \(1.0, 2.0, 3.0\) is not allowed"),
        (lambda m: analysis.fixed_points(m, np.nan), "drive = nan is not allowed: must be finite"),
        (
            lambda m: analysis.fixed_points(nd.networks.LIFNetwork(jnp.zeros((2, 2)))),
            "LIFNetwork has none, being several units",
        ),
        (lambda m: analysis.f_i_curve(m, [1.0], transient=1e4), "transient = 10000.0 ms is not allowed"),
        (lambda m: analysis.f_i_curve(nd.Clamped(m), [1.0]), "model = Clamped is not allowed, which emits no spikes"),
        (lambda m: analysis.rheobase(m, 0.0), r"\(lower, upper\) = \(0, 0\) is not allowed"),
    ],
)
def test_what_is_refused(call, message, snic):
    with pytest.raises(ValueError, match=message):
        call(snic)
