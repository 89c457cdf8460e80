"""What several test modules share: finite differences, observed orders, and an independent Hodgkin-Huxley in NumPy and SciPy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.integrate import solve_ivp

import neurodyn as nd
from neurodyn._parameter import parameters


def flat_parameters(tree: Any) -> tuple[list[str], jax.Array, Callable[[jax.Array], Any]]:
    """Paths, values and the way back of every array leaf that is a finite scalar or vector; infinite leaves are left as they are."""
    named = {path: item.value for path, item in parameters(tree).items() if np.isfinite(np.asarray(item.value)).all()}
    vector, unravel = ravel_pytree(named)
    names = [f"{path}[{i}]" if np.ndim(x) else path for path, x in named.items() for i in range(np.size(x))]
    order = [name for key in sorted(named) for name in names if name.split("[")[0] == key]  # ravel_pytree sorts keys

    def rebuild(vector: jax.Array) -> Any:
        values = unravel(vector)
        leaves, treedef = jtu.tree_flatten_with_path(tree)
        paths = list(parameters(tree))
        return jtu.tree_unflatten(treedef, [values.get(p, leaf) for p, (_, leaf) in zip(paths, leaves, strict=True)])

    return order, vector, rebuild


def central_differences(function: Callable, x: jax.Array, step: np.ndarray) -> np.ndarray:
    """The derivatives of `function` (of a vector) at each row of `x`, by the four-point stencil (fourth order): shape (rows, len(step)) and,
    behind it, that of the function's value. All perturbed vectors go through one vmapped program."""
    x, step = np.atleast_2d(np.asarray(x)), np.asarray(step)
    offsets, weights = np.asarray([2.0, 1.0, -1.0, -2.0]), np.asarray([-1.0, 8.0, -8.0, 1.0]) / 12
    rows = x[:, None, None, :] + offsets[None, :, None, None] * np.diag(step)
    values = np.asarray(jax.jit(jax.vmap(function))(jnp.asarray(rows.reshape(-1, step.size))))
    values = values.reshape(len(x), 4, step.size, *values.shape[1:])
    return np.einsum("ls...,s->l...", values, weights) / step.reshape(1, -1, *[1] * (values.ndim - 3))


def gradient_error(got: np.ndarray, expected: np.ndarray, scale: np.ndarray, floor: float = 1e-3) -> np.ndarray:
    """Errors of gradients (rows, parameters) relative to each entry, or to `floor` times the largest entry of its row where that is more;
    parameters are measured in units of `scale`, so that mS/cm2 compare with mV."""
    got, expected, scale = (np.asarray(x) for x in (got, expected, scale))
    got, expected = np.atleast_2d(got) * scale, np.atleast_2d(expected) * scale
    size = np.maximum(np.abs(expected), floor * np.abs(expected).max(axis=1, keepdims=True))
    return np.abs(got - expected) / np.where(size > 0, size, 1.0)


def observed_orders(errors: np.ndarray) -> np.ndarray:
    """Base-2 logarithm of the ratio of successive errors along the first axis, for steps that are halved."""
    errors = np.asarray(errors)
    return np.log2(errors[:-1] / errors[1:])


def precision(dtype: Any):
    """A context in which JAX's default floating type is `dtype`."""
    return jax.enable_x64(dtype == jnp.float64)


def hh_rates(v: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Opening and closing rates (1/ms) of Hodgkin and Huxley (1952), J. Physiol. 117:500, with rest at -65 mV, as the paper prints them."""
    return {
        "m": (0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10)), 4 * np.exp(-(v + 65) / 18)),
        "h": (0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))),
        "n": (0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)),
    }


def hh_reference(y0: np.ndarray, pieces: list[tuple[float, float, float]], e_leak: float = -54.387) -> np.ndarray:
    """(v, m, h, n) at the end of consecutive pieces (begin ms, end ms, constant current uA/cm2), by SciPy's DOP853 at 1e-12."""

    def slope(t, y, current):
        v, m, h, n = y
        gates = [a * (1 - x) - b * x for x, (a, b) in zip((m, h, n), hh_rates(v).values(), strict=True)]
        ionic = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v - e_leak)
        return [current - ionic, *gates]

    y = np.asarray(y0, dtype=float)
    for begin, end, current in pieces:
        y = solve_ivp(slope, (begin, end), y, method="DOP853", rtol=1e-12, atol=1e-12, args=(current,)).y[:, -1]
    return y


def reference(model: Any, y0: Any, drive: float, t1: float) -> np.ndarray:
    """The flattened state of any smooth model at `t1` under a constant drive: its own slope through SciPy's DOP853 at 1e-12."""
    flat, unravel = ravel_pytree(y0)

    @jax.jit
    def slope(t, y):
        return ravel_pytree(model.dynamics(t, unravel(y), jnp.asarray(drive)).slope)[0]

    return solve_ivp(slope, (0.0, t1), np.asarray(flat), method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]


def hh_state(v: float, m: float, h: float, n: float) -> dict[str, Any]:
    """The state of `nd.HodgkinHuxley` from its four numbers."""
    return {"v": jnp.asarray(v), "na": {"m": jnp.asarray(m), "h": jnp.asarray(h)}, "k": {"n": jnp.asarray(n)}}


def hh_vector(y: dict[str, Any]) -> jax.Array:
    """(v, m, h, n) of a state of `nd.HodgkinHuxley`."""
    return jnp.stack([y["v"], y["na"]["m"], y["na"]["h"], y["k"]["n"]])


def spike_time_gradients(
    model: Any, current: float, t1: float, spikes: int, dt: float = 0.1
) -> dict[str, tuple[float, float]]:
    """The derivatives of a weighted sum of the first spike times under a constant current with respect to every parameter and the current, by reverse mode
    and by central differences (four points), both relative to the parameter or 0.1 of its unit. One program for all of them."""
    names, x, rebuild = flat_parameters(model)
    names, x = [*names, "current"], jnp.append(x, current)
    weights = jnp.cos(jnp.arange(1.0, spikes + 1))
    method = nd.FixedStep(dt, reset=nd.ExactReset(events=1))  # half the compilation of the default

    def weighted(x):
        sol = nd.simulate(rebuild(x[:-1]), nd.Step(x[-1]), t1, method=method, record=[], max_spikes=spikes + 2)
        return jnp.sum(weights * sol.spikes.times[:spikes]), sol.spikes.count

    scale = np.maximum(np.abs(x), 0.1)
    # So small that no spike gets to another step: there the derivatives of a second-order scheme jump by a little.
    offsets, stencil = 1e-6 * np.asarray([0.0, 2.0, 1.0, -1.0, -2.0]), np.asarray([0.0, -1.0, 8.0, -8.0, 1.0]) / 12e-6
    points = np.asarray(x) + offsets[:, None, None] * np.diag(scale)
    # Short, so it is compiled in a third of the time and not optimised.
    options = {"xla_backend_optimization_level": 0}
    run = jax.jit(jax.vmap(jax.value_and_grad(weighted, has_aux=True)), compiler_options=options)
    (values, counts), gradients = run(jnp.asarray(points.reshape(-1, scale.size)))
    assert np.unique(np.asarray(counts)).size == 1, "the number of spikes changes"
    differences = stencil @ np.asarray(values).reshape(offsets.size, -1)
    return dict(zip(names, zip(np.asarray(gradients[0]) * scale, differences, strict=True), strict=True))


def assert_gradients_are_differences(pairs: dict[str, tuple[float, float]], tolerance: float = 1e-6) -> None:
    """Each derivative agrees to `tolerance` of itself or of a thousandth of the largest."""
    largest = max(abs(expected) for _, expected in pairs.values())
    for name, (got, expected) in pairs.items():
        assert abs(got - expected) <= tolerance * max(abs(expected), 1e-3 * largest), (name, got, expected)
