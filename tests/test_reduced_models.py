"""Models of two and three variables: Morris-Lecar, FitzHugh-Nagumo, Hindmarsh-Rose.

"Reference" below means numbers computed apart from this package by SciPy's DOP853 from the published equations; papers are named.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import reference

import neurodyn as nd
from neurodyn._simulate.rest import rest_state


ML = {name: getattr(nd.MorrisLecar, name)() for name in ("hopf", "snic", "homoclinic")}
FHN, HR = nd.FitzHughNagumo(), nd.HindmarshRose()

rest_state = eqx.filter_jit(rest_state)


@eqx.filter_jit
def _trains(model, y0, currents, t1, method):
    """Spike times (lanes, spikes), inf where there is none, of one program over currents."""

    def one(current, y0):
        return nd.simulate(model, nd.Step(current), t1, method=method, y0=y0, max_spikes=256).spikes.times

    return jax.vmap(one, in_axes=(0, None))(currents, y0)


def _periods(times):
    """The last interval of each train, NaN for a train of fewer than two spikes."""
    trains = [train[np.isfinite(train)] for train in np.asarray(times)]
    return np.asarray([train[-1] - train[-2] if len(train) > 1 else np.nan for train in trains])


# Morris-Lecar -------------------------------------------------------------------------------------------------------------------


def ml_state(v, w):
    return {"v": jnp.asarray(v), "k": {"w": jnp.asarray(w)}}


@eqx.filter_jit
def _steady_curve(model, v):
    """The current that holds each voltage with w in steady state, and the trace and determinant of the Jacobian there."""

    def one(v):
        y = nd.replace(model, {"initial": v}).init()
        flat, unravel = jax.flatten_util.ravel_pytree(y)

        def slope(flat):
            return jax.flatten_util.ravel_pytree(model.dynamics(0.0, unravel(flat), 0.0 * v).slope)[0]

        jacobian = jax.jacfwd(slope)(flat)
        return model.observe(0.0, y, 0.0)["i_ionic"], jnp.trace(jacobian), jnp.linalg.det(jacobian)

    return jax.vmap(one)(v)


@pytest.fixture(scope="module", params=ML)
def curve(request):
    v = np.arange(-70.0, 20.0, 1e-3)
    return request.param, v, *(np.asarray(x) for x in _steady_curve(ML[request.param], jnp.asarray(v)))


def _crossings(x, y):
    """The values of x where y changes sign, by linear interpolation."""
    at = np.flatnonzero(np.diff(np.sign(y)))
    return x[at] - y[at] * (x[at + 1] - x[at]) / (y[at + 1] - y[at])


def test_rest_of_morris_lecar(curve):
    # Reference: mV, without current.
    name, v, current, _, _ = curve
    assert _crossings(v, current)[0] == pytest.approx({"hopf": -60.8554, "snic": -59.474}.get(name, -59.474), abs=1e-3)


def test_bifurcations_of_morris_lecar(curve):
    # Hopf points (uA/cm2, Hz) and saddle-nodes (uA/cm2): reference; Rinzel and Ermentrout (1998) give 93.86, 212 and 39.96.
    name, _, current, trace, determinant = curve
    hopf = {
        "hopf": [(93.8576, 12.697), (212.0188, 23.651)],
        "snic": [(97.6462, 40.226)],
        "homoclinic": [(36.3162, None)],
    }
    saddle = {"hopf": [], "snic": [39.9632, -9.9490], "homoclinic": [39.9632, -9.9490]}
    index = np.arange(len(current), dtype=float)
    at = [i for i in _crossings(index, trace) if np.interp(i, index, determinant) > 0]  # else a saddle
    frequency = 1000 * np.sqrt(np.interp(at, index, determinant)) / (2 * np.pi)
    np.testing.assert_allclose(np.interp(at, index, current), [i for i, _ in hopf[name]], atol=1e-3)
    for got, (_, expected) in zip(frequency, hopf[name], strict=True):
        assert expected is None or got == pytest.approx(expected, abs=2e-3)
    at = _crossings(index, determinant)
    np.testing.assert_allclose(np.interp(at, index, current), saddle[name], atol=1e-3)


CASES = [  # reference: parameter set, where to start (v, w), periods (ms) by current; NaN: no cycle, inf: a cycle of whatever period
    ("hopf", (-20.0, 0.1), {88.2: np.nan, 88.3: np.inf, 90.0: 102.727, 100.0: 85.2906, 150.0: 66.1618}),
    ("snic", (-20.0, 0.1), {38.0: np.nan, 39.9: np.nan, 40.0: np.inf, 60.0: np.inf, 97.0: np.inf}),
    ("homoclinic", (10.0, 0.25), {35.0: np.nan, 35.05: 75.24, 35.1: 66.40, 36.0: 40.83, 38.0: 29.92}),
]


@pytest.mark.parametrize("name, start, periods", CASES, ids=list(ML))
def test_periods_of_morris_lecar(name, start, periods):
    times = _trains(ML[name], ml_state(*start), jnp.asarray(list(periods)), 2000.0, nd.FixedStep(0.02))
    got, expected = _periods(times), np.asarray(list(periods.values()))
    late = (times > 1000.0) & np.isfinite(times)
    np.testing.assert_array_equal(late.any(axis=1), ~np.isnan(expected))
    known = np.isfinite(expected)
    # Near the homoclinic orbit the period grows as the logarithm of the distance to it, and with it the error of a step.
    np.testing.assert_allclose(got[known], expected[known], rtol=2e-3 if name == "homoclinic" else 2e-5)
    if name == "snic":
        assert (
            got[2] > 500.0
        )  # as slow as one likes next to the saddle-node; the Hopf set does not fire more slowly than this:
    if name == "hopf":
        assert got[1] < 130.0


def test_morris_lecar_is_bistable(curve):
    # Reference: from rest nothing fires at 36 (homoclinic) and 90 (Hopf), where the runs above cycle.
    name, v, current, trace, determinant = curve
    if name != "snic":
        drive = {"hopf": 90.0, "homoclinic": 36.0}[name]
        rest = int(np.argmax(current > drive))
        assert trace[rest] < 0 < determinant[rest]


@pytest.mark.parametrize("name", ML)
def test_presets_are_saved_and_loaded(tmp_path, name):
    nd.save(tmp_path / "cell.json", ML[name])
    assert eqx.tree_equal(nd.load(tmp_path / "cell.json"), ML[name])


# FitzHugh-Nagumo ----------------------------------------------------------------------------------------------------------------


def test_rest_of_fitzhugh_nagumo():
    # Reference.
    y = rest_state(FHN)
    assert float(y["v"]) == pytest.approx(-1.1994080, abs=1e-7)
    assert float(y["w"]) == pytest.approx((float(y["v"]) + 0.7) / 0.8, abs=1e-9)


def test_periods_of_fitzhugh_nagumo():
    # Reference.
    periods = {0.34: 46.792, 0.4: 42.443, 0.8: 36.518, 1.0: 36.699}
    # Exact: the equations do not change under v -> -v, w -> 2 a / b - w, I -> 2 a / b - I, and 2 a / b = 1.75.
    mirrored = {1.75 - current: period for current, period in periods.items()}
    expected = {0.32: np.nan, **periods, **mirrored}
    times = _trains(FHN, FHN.init(), jnp.asarray(list(expected)), 400.0, nd.FixedStep(0.02))
    assert np.isfinite(times[0]).sum() <= 1
    got = _periods(times)
    np.testing.assert_allclose(got[1:], list(expected.values())[1:], atol=1e-3)
    np.testing.assert_allclose(got[1:5], got[5:], atol=1e-5)


def test_equations_of_fitzhugh_nagumo_are_symmetric():
    v, w, current = 0.37, -0.2, 0.5
    one = FHN.dynamics(0.0, {"v": jnp.asarray(v), "w": jnp.asarray(w)}, current).slope
    other = FHN.dynamics(0.0, {"v": jnp.asarray(-v), "w": jnp.asarray(1.75 - w)}, 1.75 - current).slope
    for name in one:
        assert float(other[name]) == pytest.approx(-float(one[name]), abs=1e-15)


# Hindmarsh-Rose -----------------------------------------------------------------------------------------------------------------


def test_rest_of_hindmarsh_rose():
    # Reference.
    assert float(rest_state(HR)["v"]) == pytest.approx(-1.604535, abs=1e-6)


@pytest.fixture(scope="module")
def bursting():
    """Intervals after the transient, by current, of one program."""
    currents = [0.0, 1.0, 1.3, 1.5, 2.0, 2.5, 3.25, 4.0]
    times = np.asarray(_trains(HR, HR.init(), jnp.asarray(currents), 2500.0, nd.FixedStep(0.02)))
    return {i: np.diff(train[(train > 1000.0) & np.isfinite(train)]) for i, train in zip(currents, times, strict=True)}


@pytest.mark.parametrize("current", [0.0, 1.0, 1.3])
def test_hindmarsh_rose_is_silent(bursting, current):
    # Reference: quiescent up to 1.3, after a transient.
    assert len(bursting[current]) == 0


def test_period_of_hindmarsh_rose(bursting):
    # Reference: single spikes at 1.5. Measured at dt = 0.02: 0.06 too short, four times less with half the step.
    np.testing.assert_allclose(bursting[1.5], 149.526, atol=0.1)


@pytest.mark.parametrize("current, spikes", [(2.0, 2), (2.5, 3)])
def test_hindmarsh_rose_bursts(bursting, current, spikes):
    # Hindmarsh and Rose (1984): bursts, of more spikes the larger the current.
    intervals = bursting[current]
    pauses = np.flatnonzero(intervals > 50)
    assert len(pauses) > 5 and (np.diff(pauses) == spikes).all()
    settled = intervals[-4 * spikes :]
    np.testing.assert_allclose(settled[spikes:], settled[:-spikes], atol=0.02)


def test_hindmarsh_rose_is_chaotic_then_regular(bursting):
    # Hindmarsh and Rose (1984): irregular bursts at 3.25, single spikes at 4.
    irregular = bursting[3.25]
    for period in range(1, 13):
        assert np.abs(irregular[period:] - irregular[:-period]).max() > 5.0
    np.testing.assert_allclose(bursting[4.0], bursting[4.0].mean(), atol=1e-3)


# Steps --------------------------------------------------------------------------------------------------------------------------


STEPS = [
    (FHN, {"v": 0.5, "w": -0.3}, 0.5),
    (HR, {"v": 0.2, "y": -1.0, "z": 0.4}, 2.0),
    (ML["snic"], ml_state(-10.0, 0.2), 50.0),
]


@pytest.mark.parametrize("model, y0, drive", STEPS, ids=["fitzhugh_nagumo", "hindmarsh_rose", "morris_lecar"])
def test_steps_are_second_order(model, y0, drive):
    y0 = jax.tree_util.tree_map(jnp.asarray, y0)
    exact = reference(model, y0, drive, 4.0)

    def error(dt):
        end = nd.simulate(model, nd.Step(drive), 4.0, dt=dt, y0=y0, max_spikes=0).final
        return np.abs(np.asarray(jax.flatten_util.ravel_pytree(end)[0]) - exact)

    np.testing.assert_allclose(np.log2(error(0.02) / error(0.01)), 2.0, atol=0.1)
