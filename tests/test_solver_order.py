"""Observed orders of convergence, and what the solver does inside plain Diffrax."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalogue import CalciumCell, GapPair, Leaky
from helpers import central_differences, gradient_error, hh_reference, hh_state, hh_vector, observed_orders, reference

import neurodyn as nd


STEPS = (0.05, 0.025, 0.0125)  # ms
# Edges a third of the way into a step: halving the step makes that two thirds and then one third again, on no grid ever. The error an edge
# leaves goes with f (1 - f), f the fraction, so it is the same share of dt^2 each time and the order can be read off.
START, STOP = 0.05 * (10 + 1 / 3), 0.05 * (42 + 1 / 3)


def _away_from_rest():
    return hh_state(-30.0, 0.3, 0.4, 0.4)


def _final(model, y0, stimulus, t1, method):
    """The final state as a vector; voltages come last."""
    sol = nd.simulate(model, stimulus, t1, method=method, y0=y0, every=10**6)
    return jax.flatten_util.ravel_pytree(sol.final)[0]


def _orders(model, y0, stimulus, t1, exact, steps=STEPS, solver=None):
    solver = nd.Staggered() if solver is None else solver
    return observed_orders([np.abs(_final(model, y0, stimulus, t1, nd.FixedStep(dt, solver)) - exact) for dt in steps])


# The split solver ---------------------------------------------------------------------------------------------------------------


def test_voltage_and_gates_are_second_order_from_any_state_with_edges_inside_steps(hh):
    # At the end (synchronised by the driver once) and in the records on the way (synchronised where they are looked at).
    y0 = (-30.0, 0.3, 0.4, 0.4)
    middle = hh_reference(y0, [(0.0, START, 0.0), (START, 2.0, 10.0)])
    end = hh_reference(y0, [(0.0, START, 0.0), (START, STOP, 10.0), (STOP, 3.0, 0.0)])
    errors = []
    for dt in STEPS:
        stimulus = nd.Step(10.0, START, STOP)
        sol = nd.simulate(hh, stimulus, 3.0, dt=dt, y0=_away_from_rest(), record=["v", "na.*", "k.*"])
        record = np.stack([sol.ys[path][round(2.0 / dt)] for path in ("v", "na.m", "na.h", "k.n")])
        errors.append(np.abs([hh_vector(sol.final) - end, record - middle]))
    np.testing.assert_allclose(observed_orders(errors), 2.0, atol=0.1)


@pytest.fixture(scope="module")
def calcium(hh):
    y0 = {**_away_from_rest(), "s": jnp.asarray(0.2), "ca": jnp.asarray(0.3), "z": jnp.asarray(0.1)}
    return y0, reference(CalciumCell(hh), y0, 10.0, 4.0)


def test_ordered_groups_keep_the_order_of_a_calcium_dependent_gate(hh, calcium):
    y0, exact = calcium
    np.testing.assert_allclose(_orders(CalciumCell(hh), y0, nd.Step(10.0), 4.0, exact), 2.0, atol=0.1)


def test_one_group_loses_the_order(hh, calcium):
    # Calcium and the gate that follows it depend on one another: swept together they are first order.
    y0, exact = calcium
    model = CalciumCell(hh, ordered=False)
    assert _orders(model, y0, nd.Step(10.0), 4.0, exact, STEPS[1:]).min() < 1.5


@pytest.fixture(scope="module")
def pair(hh):
    one, other = _away_from_rest(), hh.init()
    return GapPair(hh), jax.tree_util.tree_map(lambda a, b: jnp.stack([a, b]), one, other)


def test_voltages_coupled_by_an_operator_are_second_order(pair):
    model, y0 = pair
    exact = reference(model, y0, 10.0, 3.0)
    np.testing.assert_allclose(_orders(model, y0, nd.Step(10.0), 3.0, exact), 2.0, atol=0.1)


def test_gradient_through_coupled_voltages(pair):
    model, y0 = pair

    def voltage(p):
        changed = nd.replace(model, {"coupling": p[0], "cell.na.g": p[1], "cell.capacitance": p[2]})
        return _final(changed, y0, nd.Step(p[3]), 3.0, nd.FixedStep(0.025))[
            -2:
        ]  # v of both cells: last in the sorted state

    p = jnp.asarray([0.5, 120.0, 1.0, 10.0])
    got = np.asarray(jax.jit(jax.jacrev(voltage))(p))
    expected = central_differences(voltage, p, 1e-3 * np.asarray(p))[0].T
    assert gradient_error(got, expected, p).max() < 1e-7


# The fourth-order split solver ---------------------------------------------------------------------------------------------------


def _hh_errors(hh, pieces, stimulus, steps=STEPS):
    """Errors of (v, m, h, n) at 3 ms for several steps."""
    exact = hh_reference((-30.0, 0.3, 0.4, 0.4), pieces)
    methods = [nd.FixedStep(dt, nd.Staggered4()) for dt in steps]
    runs = [nd.simulate(hh, stimulus, 3.0, method=method, y0=_away_from_rest(), max_spikes=0) for method in methods]
    return np.abs([hh_vector(sol.final) - exact for sol in runs])


def test_staggered4_is_fourth_order_from_any_state_with_edges_on_step_ends(hh):
    pieces = [(0.0, 0.5, 0.0), (0.5, 2.1, 10.0), (2.1, 3.0, 0.0)]
    errors = _hh_errors(hh, pieces, nd.Step(10.0, 0.5, 2.1))
    np.testing.assert_allclose(observed_orders(errors), 4.0, atol=0.2)
    # A quarter of the step of `Staggered`, for the same work, would leave a thousand times as much.
    assert errors[0].max() < 1e-5


def test_staggered4_is_second_order_with_edges_inside_steps(hh):
    pieces = [(0.0, START, 0.0), (START, STOP, 10.0), (STOP, 3.0, 0.0)]
    errors = _hh_errors(hh, pieces, nd.Step(10.0, START, STOP))
    np.testing.assert_allclose(observed_orders(errors)[-1], 2.0, atol=0.2)


def test_staggered4_with_ordered_groups(hh, calcium):
    y0, exact = calcium
    orders = _orders(CalciumCell(hh), y0, nd.Step(10.0), 4.0, exact, solver=nd.Staggered4())
    np.testing.assert_allclose(orders, 4.0, atol=0.2)


def test_staggered4_refuses_voltages_coupled_by_an_operator(pair):
    model, y0 = pair
    with pytest.raises(ValueError, match="Staggered4 is not allowed for voltages that are coupled"):
        _final(model, y0, nd.Step(10.0), 3.0, nd.FixedStep(0.025, nd.Staggered4()))


def test_gradients_of_staggered4(hh):
    # A voltage and a spike time, by a conductance and a shift: reverse mode, forward mode and finite differences.
    def measured(p):
        changed = nd.replace(hh, {"na.g": p[0], "k.n.shift": p[1]})
        sol = nd.simulate(changed, nd.Step(10.0), 8.0, method=nd.FixedStep(0.05, nd.Staggered4()), max_spikes=1)
        return jnp.stack([sol.final["v"], sol.spikes.times[0]])

    p = jnp.asarray([120.0, 0.5])
    reverse, forward = (np.asarray(jax.jit(mode(measured))(p)) for mode in (jax.jacrev, jax.jacfwd))
    expected = central_differences(measured, p, np.asarray([0.1, 0.01]))[0].T
    np.testing.assert_allclose(reverse, forward, rtol=1e-10)
    np.testing.assert_allclose(reverse, expected, rtol=1e-7)


# Diffrax's own solvers through FixedStep ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "solver, lower, upper",
    [(dfx.Euler(), 0.9, 1.1), (dfx.Heun(), 1.9, 2.1), (dfx.Tsit5(), 4.8, 7.0)],
    ids=["Euler", "Heun", "Tsit5"],
)
def test_diffrax_solvers_keep_their_order_on_a_constant_drive(solver, lower, upper):
    model, y0 = Leaky(), {"x": jnp.asarray(0.3)}
    exact = reference(model, y0, 1.5, 2.0)
    order = _orders(model, y0, nd.Step(1.5), 2.0, exact, (0.1, 0.05), solver)[-1]
    assert lower < order < upper


def test_heun_on_hodgkin_huxley_is_second_order(hh):
    exact = hh_reference((-30.0, 0.3, 0.4, 0.4), [(0.0, START, 0.0), (START, STOP, 10.0), (STOP, 3.0, 0.0)])
    errors = []
    for dt in (0.0125, 0.00625):
        method = nd.FixedStep(dt, dfx.Heun())
        sol = nd.simulate(hh, nd.Step(10.0, START, STOP), 3.0, method=method, y0=_away_from_rest())
        errors.append(np.abs(hh_vector(sol.final) - exact))
    np.testing.assert_allclose(observed_orders(errors)[-1], 2.0, atol=0.15)


# The split solver inside Diffrax ------------------------------------------------------------------------------------------------


def _diffeqsolve(model, stimulus, t0, t1, y0, term=None, dt=0.025, solver=None, **options):
    return dfx.diffeqsolve(
        nd.term(model) if term is None else term,
        nd.Staggered() if solver is None else solver,
        t0=t0,
        t1=t1,
        dt0=dt if t1 > t0 else -dt,
        y0=y0,
        args=nd.Problem(model, stimulus),
        stepsize_controller=dfx.ConstantStepSize(),
        max_steps=1000,
        **options,
    )


SPLIT = pytest.mark.parametrize("solver", [nd.Staggered(), nd.Staggered4()], ids=["Staggered", "Staggered4"])


@SPLIT
def test_split_solvers_inside_diffeqsolve_equal_simulate(hh, solver):
    stimulus = nd.Step(10.0, START, STOP) + nd.Sine(3.0, 80.0)
    y0 = _away_from_rest()
    saved = dfx.SaveAt(steps=True, t0=True)
    inside = eqx.filter_jit(lambda m, s, y: _diffeqsolve(m, s, 0.0, 10.0, y, solver=solver, saveat=saved))(
        hh, stimulus, y0
    )
    ours = nd.simulate(hh, stimulus, 10.0, method=nd.FixedStep(0.025, solver), y0=y0, record=["v", "na.*", "k.*"])
    np.testing.assert_allclose(inside.ys["v"][:401], ours.v, atol=1e-9)
    np.testing.assert_allclose(inside.ys["na"]["h"][:401], ours.ys["na.h"], atol=1e-11)


@SPLIT
def test_a_solve_backwards_in_time_is_refused(hh, solver):
    # Diffrax negates the term, which an exponential step would not notice: the result would look fine and be wrong.
    result = _diffeqsolve(hh, nd.Step(10.0), 2.0, 0.0, hh.init(), solver=solver, throw=False).result
    assert result != dfx.RESULTS.successful
    still = {"x": jnp.asarray(1.0)}  # at rest nothing can be told from the slope
    foreign = Leaky(jnp.asarray(0.5))
    drive = nd.Step(0.0)
    assert float(foreign.dynamics(0.0, still, jnp.asarray(0.0)).slope["x"]) == 0.0
    assert _diffeqsolve(foreign, drive, 2.0, 0.0, still, solver=solver, throw=False).result != dfx.RESULTS.successful


@SPLIT
def test_a_state_that_is_nan_is_not_the_solvers_failure(solver):
    method = nd.FixedStep(0.05, solver)
    status = jax.jit(lambda rate: nd.simulate(Leaky(rate), nd.Step(1.0), 0.1, method=method).status)(jnp.nan)
    assert int(status) == nd.Status.non_finite


@SPLIT
def test_a_term_that_is_not_the_models_is_refused(hh, solver):
    foreign = dfx.ODETerm(lambda t, y, args: jax.tree_util.tree_map(lambda x: -x, y))
    result = _diffeqsolve(hh, nd.Step(10.0), 0.0, 2.0, hh.init(), term=foreign, solver=solver, throw=False).result
    assert result != dfx.RESULTS.successful


def test_run_backwards_is_refused_by_simulate(hh):
    with pytest.raises(ValueError, match="time runs forward"):
        nd.simulate(hh, nd.Step(1.0), 1.0, t0=2.0)


# Save times on step ends --------------------------------------------------------------------------------------------------------


def test_reverse_gradients_at_save_times_on_step_ends():
    # Diffrax's ConstantStepSize with SaveAt(ts=) on step ends has wrong reverse gradients, by up to 29 %, though values and forward mode are
    # right. Our own driver with the same ts has to be right in both.
    model, dt = Leaky(), 0.1
    ts = dt * np.arange(1, 21)

    def ours(rate):
        sol = nd.simulate(Leaky(rate), nd.Step(1.5), 2.0, method=nd.FixedStep(dt, dfx.Heun()), ts=ts, record="x")
        return jnp.sum(sol.ys["x"] ** 2)

    def by_hand(rate):
        def step(x, _):
            def slope(x):
                return 1.5 - rate * x + 1 / (1 + x**2)

            a = slope(x)
            new = x + dt * (a + slope(x + dt * a)) / 2
            return new, new

        return jnp.sum(jax.lax.scan(step, jnp.asarray(0.3), length=20)[1] ** 2)

    rate = model.rate
    expected = float(jax.jit(jax.jacfwd(by_hand))(rate))
    assert float(jax.jit(jax.grad(ours))(rate)) == pytest.approx(expected, rel=1e-12)
    assert float(jax.jit(jax.jacfwd(ours))(rate)) == pytest.approx(expected, rel=1e-12)
