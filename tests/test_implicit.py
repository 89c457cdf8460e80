"""The implicit solver of the adaptive path, and the linear equations it solves."""

import functools

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import lineax as lx
import numpy as np
import pytest
from catalogue import CalciumCell, GapPair, Leaky
from helpers import central_differences, gradient_error, hh_state, observed_orders, precision
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

import neurodyn as nd
from neurodyn import cells
from neurodyn._model import prepare
from neurodyn._simulate.adaptive import AdaptiveRun
from neurodyn._solver.implicit import Arrangement, LocalElimination
from neurodyn.cells import Compartments, Morphology, On, Section
from neurodyn.channels import CalciumPool, HighVoltageCalcium, Leak, LowVoltageCalcium, Potassium, SKPotassium, Sodium


def hodgkin_huxley() -> dict:
    return {"na": Sodium(), "k": Potassium(), "leak": Leak()}


def cable(n: int, length: float = 30.0) -> nd.Cell:
    """Hodgkin and Huxley's membrane along `n` compartments of `length` um, 2 um thick; the current goes in at one end."""
    fibre = Morphology.build([Section.cylinder(length=length * n, diameter=2, type=1, name="soma")])
    return nd.Cell(Compartments.per_section(fibre, n), hodgkin_huxley(), inputs={"end": cells.CurrentClamp("soma(0)")})


def branched(calcium: bool = False) -> nd.Cell:
    """A soma, a trunk that forks and a basal dendrite: junctions of three, and channels on parts of it."""
    shape = Morphology.build(
        [
            Section.cylinder(length=20, diameter=20, type=1, name="soma"),
            Section.cylinder(length=200, diameter=3, type=4, parent="soma", name="trunk"),
            Section.cylinder(length=150, diameter=2, type=4, parent="trunk", name="left"),
            Section.cylinder(length=150, diameter=1.5, type=4, parent="trunk", name="right"),
            Section.cylinder(length=100, diameter=2, type=3, parent="soma", name="basal"),
        ]
    )
    channels = {**hodgkin_huxley(), "na": On("soma", Sodium()), "leak": Leak()}
    if calcium:
        channels["hva"] = On("apical", HighVoltageCalcium(0.5))
        channels["lva"] = On("soma", LowVoltageCalcium(0.2))
        channels |= {"ca": CalciumPool(tau=20.0), "sk": SKPotassium(1.0)}
    return nd.Cell(Compartments.per_section(shape, 2), channels)


def _away(model, seed: int = 0):
    """A state of a model away from rest, and how to make one of a vector."""
    flat, unravel = ravel_pytree(model.init())
    return unravel(flat * jnp.asarray(1 + 0.2 * np.random.default_rng(seed).normal(size=flat.size))), unravel


# The linear solver ------------------------------------------------------------------------------------------------------------------


def _operator(model, y, a, b):
    """`a - b J` with the Jacobian of the model's slope, its solver and the options of that."""
    drive = jnp.asarray(1.0)
    tangent = jax.linearize(lambda y: model.dynamics(0.0, y, drive).slope, y)[1]
    operator = lx.FunctionLinearOperator(
        lambda x: jtu.tree_map(lambda x, moved: a * x - b * moved, x, tangent(x)), jax.eval_shape(lambda: y)
    )
    arrangement, coupling = Arrangement.make(model, y, model.dynamics(0.0, y, drive).decay)
    return operator, LocalElimination(arrangement), {"coupling": coupling, "factor": jnp.asarray(b)}


MODELS = {
    "point": nd.HodgkinHuxley,
    "calcium_point": lambda: CalciumCell(nd.HodgkinHuxley()),
    "gap": lambda: GapPair(nd.HodgkinHuxley()),
    "one_leaf": Leaky,
    "one_compartment": lambda: cable(1),
    "cable": lambda: cable(12),
    "branched": branched,
    "calcium_on_regions": lambda: branched(True),
}


@pytest.mark.parametrize("name", MODELS)
def test_elimination_is_the_dense_solution(name):
    model = prepare(MODELS[name]())
    y, unravel = _away(model)
    right = np.random.default_rng(1).normal(size=ravel_pytree(y)[0].size)

    @jax.jit
    def solved(y, right, a, b):
        operator, solver, options = _operator(model, y, a, b)
        matrix = jax.vmap(lambda e: ravel_pytree(operator.mv(unravel(e)))[0], out_axes=1)(jnp.eye(right.size))
        state = solver.init(operator, options)
        transposed, _ = solver.transpose(state, options)
        twice, _ = solver.transpose(transposed, options)
        x = [solver.compute(own, unravel(right), options)[0] for own in (state, transposed, twice)]
        return matrix, [ravel_pytree(own)[0] for own in x]

    for a, b in ((1.0, 0.05), (-2.0, -0.3)):
        matrix, (x, transposed, twice) = solved(y, jnp.asarray(right), a, b)
        for own, found in ((matrix, x), (matrix.T, transposed), (matrix, twice)):
            expected = np.linalg.solve(own, right)
            np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_lineax_differentiates_the_elimination():
    # By what the operator and the right-hand side depend on, forward, reverse and twice, against the dense solution.
    model = cable(3)
    y, unravel = _away(model)
    right = jnp.asarray(np.random.default_rng(1).normal(size=ravel_pytree(y)[0].size))
    weights = jnp.cos(jnp.arange(right.size))

    def weighted(p, dense):
        changed = nd.replace(model, {"channels.na.g": p[0], "axial_resistivity": p[1]})
        operator, solver, options = _operator(changed, {**y, "v": y["v"] + p[2]}, 1.0, 0.05)
        if dense:
            matrix = jax.vmap(lambda e: ravel_pytree(operator.mv(unravel(e)))[0], out_axes=1)(jnp.eye(right.size))
            x = jnp.linalg.solve(matrix, right * p[3])
        else:
            options = jtu.tree_map(jax.lax.stop_gradient, options)
            x = ravel_pytree(lx.linear_solve(operator, unravel(right * p[3]), solver, options=options).value)[0]
        return jnp.sum(weights * x)

    p = jnp.asarray([120.0, 100.0, 1.0, 2.0])
    found, expected = (
        jax.jit(
            lambda p, dense=dense: (
                jax.jacfwd(weighted)(p, dense),
                *jax.jvp(jax.grad(lambda p: weighted(p, dense)), (p,), (p,)),
            )
        )(p)
        for dense in (False, True)
    )
    for own, dense in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, dense, rtol=1e-8, atol=1e-10 * np.abs(dense).max())


# The method -------------------------------------------------------------------------------------------------------------------------


def test_the_order_conditions_of_rodas5p():
    # Hairer and Wanner (1996), section IV.7: of a rooted tree, `alpha` at a node with several branches and `beta` at one with one, for the method and the embedded one.
    method = nd.Rodas5P.tableau
    count = method.b.size
    gamma = np.linalg.inv(np.eye(count) / method.gamma - method.coupling)
    alpha = method.a @ gamma
    beta = alpha + gamma
    np.testing.assert_allclose(alpha.sum(1), method.c, atol=1e-13)
    np.testing.assert_allclose(gamma.sum(1), method.d, atol=1e-13)

    @functools.cache
    def trees(n):
        """All rooted trees of n nodes, as tuples of their branches."""

        def forests(n, most):
            if n == 0:
                yield ()
            for size in range(min(n, most[0]), 0, -1):
                for i, tree in enumerate(trees(size)):
                    if (size, i) <= most:
                        yield from ((tree, *rest) for rest in forests(n - size, (size, i)))

        return list(forests(n - 1, (n - 1, np.inf)))

    def size(tree):
        return 1 + sum(map(size, tree))

    def density(tree):
        return size(tree) * np.prod([float(density(branch)) for branch in tree])

    def elementary(tree):
        matrix = beta if len(tree) == 1 else alpha
        return np.prod([matrix @ elementary(branch) for branch in tree], axis=0) if tree else np.ones(count)

    def defects(b, order):
        return [b @ gamma @ elementary(tree) - 1 / density(tree) for tree in trees(order)]

    assert [len(trees(n)) for n in range(1, 7)] == [1, 1, 2, 4, 9, 20]
    for order in range(1, 6):
        np.testing.assert_allclose(defects(method.b, order), 0.0, atol=1e-13)
    for order in range(1, 5):
        np.testing.assert_allclose(defects(method.b - method.error, order), 0.0, atol=1e-13)
    assert np.abs(defects(method.b, 6)).max() > 1e-3 and np.abs(defects(method.b - method.error, 5)).max() > 1e-3

    def stability(z):
        return 1 + z * (method.b @ gamma) @ np.linalg.solve(np.eye(count) - z * beta, np.ones(count))

    assert abs(stability(-1e9)) < 1e-6  # L-stable: and along the imaginary axis
    assert max(abs(stability(1j * x)) for x in np.geomspace(1e-3, 1e3, 300)) <= 1 + 1e-9


class _Wave(eqx.Module):
    """A drive that varies: what a method of Rosenbrock's kind needs the derivative by time for."""

    def __call__(self, t):
        return 10.0 + 5.0 * jnp.sin(3.0 * t)


def test_rodas5p_is_of_fifth_order_and_its_records_too():
    model = CalciumCell(nd.HodgkinHuxley())
    y0 = {**hh_state(-30.0, 0.3, 0.4, 0.4), "s": jnp.asarray(0.2), "ca": jnp.asarray(0.3), "z": jnp.asarray(0.1)}
    solver, term, args = nd.Rodas5P(), nd.term(model), nd.Problem(model, _Wave())
    flat, unravel = ravel_pytree(y0)

    @jax.jit
    def run(h, steps):
        def step(i, carry):
            y, _ = carry
            y, _, dense, _, _ = solver.step(term, i * h, (i + 1) * h, y, args, jnp.asarray(True), False)
            within = solver.interpolation_cls(t0=i * h, t1=(i + 1) * h, **dense)
            return y, within.evaluate((i + 0.25) * h)

        return [ravel_pytree(y)[0] for y in jax.lax.fori_loop(0, steps, step, (y0, y0))]

    slope = jax.jit(lambda t, y: ravel_pytree(term.vf(t, unravel(y), args))[0])
    exact = solve_ivp(slope, (0.0, 2.0), flat, method="DOP853", rtol=1e-13, atol=1e-13, dense_output=True)
    errors, between = [], []
    for steps in (40, 80, 160):
        end, middle = run(2.0 / steps, steps)
        errors.append(np.abs(end - exact.y[:, -1]))
        between.append(np.abs(middle - exact.sol(2.0 - 1.5 / steps)))
    # The local error of the records is of fifth order, so theirs too.
    for found in (errors, between):
        assert 4.8 < observed_orders(np.max(found, axis=1))[-1] < 5.5


def test_a_derivative_by_time_on_an_edge():
    # A step that begins at an edge asks for the derivative of the drive there, where it is held within the segment.
    model, omega = Leaky(), 2 * np.pi * 0.08
    stimulus = nd.Step(1.5, 1.0) + nd.Sine(2.0, 80.0)
    run = AdaptiveRun.make(model, stimulus, 0.0, 3.0, nd.Adaptive(), None, jnp.float64)

    def slope(s):
        return run.args.dynamics(s, model.init()).slope["x"]

    for s in (0.0, 0.5, 1.0):
        found = jax.jvp(slope, (jnp.asarray(s),), (jnp.asarray(1.0),))[1]
        assert float(found) == pytest.approx(2.0 * omega * np.cos(omega * s), rel=1e-9)


def test_what_the_solver_refuses(hh):
    with pytest.raises(
        ValueError, match=r"state 'i' of shape \(2,\) beside 'v' of shape \(\) is not allowed for this solver"
    ):
        nd.simulate(nd.GLIF(), nd.Step(4000.0), 1.0, method=nd.Adaptive(solver=nd.Rodas5P()))
    leaky = Leaky()
    for t1, term in ((-1.0, nd.term(leaky)), (1.0, dfx.ODETerm(lambda t, y, args: jtu.tree_map(jnp.negative, y)))):
        options = dict(dt0=0.01 * np.sign(t1), y0=leaky.init(), args=nd.Problem(leaky, nd.Step(1.0)), throw=False)
        assert dfx.diffeqsolve(term, nd.Rodas5P(), 0.0, t1, **options).result != dfx.RESULTS.successful


def test_what_an_adaptive_run_refuses():
    for make, message in (
        (lambda: nd.Adaptive(solver=dfx.Euler()), "Adaptive.solver = Euler is not allowed: it has no error estimate"),
        (lambda: nd.Adaptive(adjoint=dfx.ImplicitAdjoint()), "Adaptive.adjoint = ImplicitAdjoint.* is not allowed"),
        (lambda: nd.Adaptive(adjoint="forward"), "Adaptive.adjoint = 'forward' is not allowed"),
        (lambda: nd.Adaptive(max_steps=10.5), "Adaptive.max_steps = 10.5 is not allowed"),
        (lambda: nd.FixedStep(0.1, "rk4"), "FixedStep.solver = 'rk4' is not allowed: must be a Diffrax solver"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


# Whole runs -------------------------------------------------------------------------------------------------------------------------


def _pulse():
    return nd.Step(1.0, 0.5, 4.0)


TIGHT = nd.Adaptive(1e-10, 1e-10, solver=nd.Rodas5P())


@pytest.mark.slow
def test_a_branched_cell_is_the_fixed_steps_in_the_limit():
    cell, ts = branched(True), (1.0, 3.0, 6.0)
    sol = nd.simulate(cell, _pulse(), 6.0, method=TIGHT, ts=ts, max_spikes=4)
    assert int(sol.status) == 0 and int(sol.spikes.count) == 1
    coarse, fine = (nd.simulate(cell, _pulse(), 6.0, dt=dt, ts=ts, max_spikes=4) for dt in (0.0025, 0.00125))
    for of in (lambda sol: sol.v, lambda sol: sol.spikes.times[0]):
        assert np.abs(of(coarse) - of(sol)).max() > 1e-6
        np.testing.assert_allclose((4 * of(fine) - of(coarse)) / 3, of(sol), atol=5e-6)


@pytest.mark.slow
def test_a_compartment_is_a_point(hh):
    one = cable(1)
    area = float(one.compartments.area[0]) * 1e-8  # cm2
    point = nd.simulate(hh, nd.Step(10.0, 0.5), 8.0, method=nd.Adaptive(1e-8, 1e-8, solver=nd.Rodas5P()), ts=[4.0, 8.0])
    cell = nd.simulate(
        one, nd.Step(1e3 * 10.0 * area, 0.5), 8.0, method=nd.Adaptive(1e-8, 1e-8, solver=nd.Rodas5P()), ts=[4.0, 8.0]
    )
    np.testing.assert_allclose(cell.v[:, 0], point.v, atol=1e-9)
    np.testing.assert_allclose(cell.spikes.times, point.spikes.times, atol=1e-9)
    assert int(point.spikes.count) == 1


def test_a_batch_is_its_members_and_the_default_solver(hh):
    def run(amplitude, solver):
        sol = nd.simulate(
            hh,
            nd.Step(amplitude, 0.5),
            8.0,
            method=nd.Adaptive(1e-7, 1e-7, solver=solver),
            ts=[2.0, 4.0, 8.0],
            max_spikes=4,
        )
        return sol.v, sol.spikes.times

    amplitudes = jnp.asarray([0.0, 8.0, 20.0])
    batch = jax.jit(jax.vmap(lambda a: run(a, nd.Rodas5P())))(amplitudes)
    explicit = jax.jit(jax.vmap(lambda a: run(a, dfx.Tsit5())))(amplitudes)
    for i, amplitude in enumerate(amplitudes):
        for one, member, other in zip(run(amplitude, nd.Rodas5P()), batch, explicit, strict=True):
            np.testing.assert_allclose(member[i], one, atol=1e-9)
            np.testing.assert_allclose(member[i], other[i], atol=1e-3)


@pytest.mark.slow
def test_single_precision():
    expected = nd.simulate(branched(), _pulse(), 3.0, method=TIGHT, ts=[1.0, 2.0, 3.0]).v
    with precision(jnp.float32):
        method = nd.Adaptive(solver=nd.Rodas5P())
        sol = nd.simulate(branched(), _pulse(), 3.0, method=method, ts=[1.0, 2.0, 3.0])
        assert sol.v.dtype == jnp.float32 and int(sol.status) == 0
    np.testing.assert_allclose(sol.v, expected, atol=0.05)


NAMES = ("channels.na.g", "channels.k.g", "axial_resistivity", "capacitance")


def _measured(p, method, calcium=False):
    """Voltages at three places of a branched cell at the end, and the time of its spike, by conductances, axial resistivity, capacitance and the end of the pulse."""
    changed = nd.replace(branched(calcium), dict(zip(NAMES, p[:4], strict=True)))
    sol = nd.simulate(changed, nd.Step(1.0, 0.5, p[4]), 4.0, method=method, ts=[4.0], max_spikes=2)
    return jnp.append(sol.v[0, jnp.asarray([0, 4, 8])], sol.spikes.times[0])


def test_derivatives_of_steps_are_finite_differences():
    cell, solver, h = branched(), nd.Rodas5P(), 0.05
    y0 = cell.init()

    def stepped(p):
        changed = prepare(nd.replace(cell, dict(zip(NAMES, p, strict=True))))
        term, args = nd.term(changed), nd.Problem(changed, nd.Step(1.0))

        def step(y, i):
            return solver.step(term, i * h, (i + 1) * h, y, args, jnp.asarray(True), False)[0], None

        return jax.lax.scan(step, y0, jnp.arange(40.0))[0]["v"][jnp.asarray([0, 8])]

    p = jnp.asarray([120.0, 36.0, 100.0, 1.0])
    expected = central_differences(stepped, p, 2e-4 * np.asarray(p))[0].T
    by_reverse, by_forward = (np.asarray(jax.jit(mode(stepped))(p)) for mode in (jax.jacrev, jax.jacfwd))
    np.testing.assert_allclose(by_reverse, by_forward, rtol=1e-9, atol=1e-11 * np.abs(by_forward).max())
    assert gradient_error(by_reverse, expected, np.asarray(p)).max() < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("calcium", [False, True], ids=["sodium_potassium", "calcium"])
def test_reverse_and_forward_derivatives_are_finite_differences(calcium):
    p = jnp.asarray([120.0, 36.0, 100.0, 1.0, 2.3])
    adjoints = dfx.RecursiveCheckpointAdjoint(checkpoints=4096), dfx.ForwardMode()
    reverse, forward = (nd.Adaptive(1e-12, 1e-12, solver=nd.Rodas5P(), adjoint=adjoint) for adjoint in adjoints)
    finer = nd.Adaptive(
        1e-13, 1e-13, solver=nd.Rodas5P()
    )  # steps are chosen anew for each perturbed vector, which is noise to a difference quotient
    expected = central_differences(lambda p: _measured(p, finer, calcium), p, 2e-4 * np.asarray(p))[0].T
    by_reverse = np.asarray(jax.jit(jax.jacrev(lambda p: _measured(p, reverse, calcium)))(p))
    by_forward = np.asarray(jax.jit(jax.jacfwd(lambda p: _measured(p, forward, calcium)))(p))
    np.testing.assert_allclose(by_reverse, by_forward, rtol=1e-8, atol=1e-10 * np.abs(by_forward).max())
    assert gradient_error(by_reverse, expected, np.asarray(p)).max() < 1e-6


def _largest(jaxpr) -> int:
    """The size of the largest array in a program."""
    sizes = [1]
    for equation in jaxpr.eqns:
        sizes += [np.prod(variable.aval.shape, dtype=int) for variable in equation.outvars]
        for inner in jax.tree_util.tree_leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                sizes.append(_largest(inner))
    return max(sizes)


def test_no_dense_matrix_is_made():
    cell = cable(64)
    unknowns = ravel_pytree(cell.init())[0].size

    def stepped(p, solver):
        changed = prepare(nd.replace(cell, {"channels.na.g": p}))
        args, term = nd.Problem(changed, nd.Step(1.0)), nd.term(changed)
        state = solver.init(term, 0.0, 0.1, cell.init(), args)
        return jnp.sum(solver.step(term, 0.0, 0.1, cell.init(), args, state, False)[0]["v"])

    size = _largest(jax.make_jaxpr(jax.grad(lambda p: stepped(p, nd.Rodas5P())))(120.0).jaxpr)
    assert unknowns == 256 and size < 16 * unknowns
    flat, unravel = ravel_pytree(cell.init())
    slope = lambda y: ravel_pytree(cell.dynamics(0.0, unravel(y), jnp.asarray(1.0)).slope)[0]
    assert _largest(jax.make_jaxpr(jax.jacfwd(slope))(flat).jaxpr) >= unknowns**2  # so that the count means something


@pytest.mark.slow
def test_implicit_solvers_of_diffrax_still_go(hh):
    assert isinstance(nd.Adaptive().solver, dfx.Tsit5)
    sols = [
        nd.simulate(hh, nd.Step(10.0, 0.5), 8.0, method=nd.Adaptive(1e-8, 1e-8, solver=solver), ts=[4.0, 8.0])
        for solver in (dfx.Kvaerno5(), nd.Rodas5P())
    ]
    np.testing.assert_allclose(sols[0].v, sols[1].v, atol=1e-4)
