"""Gradients against finite differences, against the other mode of differentiation, and against published-style oracles."""

import dataclasses
import functools
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.flatten_util import ravel_pytree

import neurodyn as nd

from .registry import claim


# The oracle ---------------------------------------------------------------------------------------------------------------------


# Three spike times (ms) under 10 uA/cm2 from t = 0, from -65 mV with steady gates, by the parameters below; central differences of DOP853.
ORACLE_SOURCE = "reference: central differences of DOP853 at 1e-12"
ORACLE = {
    "current": (-0.114996, -0.628663, -1.168738),
    "na.g": (-0.0075527, -0.0682670, -0.1311786),
    "k.g": (0.0239501, 0.2891985, 0.5685878),
    "leak.g": (-0.539022, 2.592918, 5.725577),
    "capacitance": (1.355794, 3.289643, 5.241974),
    "*.*.factor": (-0.545178, -13.532940, -26.229853),
}


def _oracle(method):
    values = {"current": 10.0, "na.g": 120.0, "k.g": 36.0, "leak.g": 0.3, "capacitance": 1.0, "*.*.factor": 1.0}
    values = {path: jnp.asarray(value) for path, value in values.items()}

    def times(values):
        model = nd.replace(nd.HodgkinHuxley(), {path: x for path, x in values.items() if path != "current"})
        return nd.simulate(model, nd.Step(values["current"]), 34.0, method=method, max_spikes=3).spikes.times

    gradients = jax.jit(jax.jacfwd(times))(values)
    return max(float(np.abs(np.asarray(gradients[path]) / np.asarray(ORACLE[path]) - 1).max()) for path in ORACLE)


@claim(
    "gradients",
    "Adaptive (rtol 1e-9): three spike times by I, gNa, gK, gL, C, phi",
    "relative error < 1e-4",
    ORACLE_SOURCE,
)
def oracle_adaptive():
    error = _oracle(nd.Adaptive(rtol=1e-9, atol=1e-9, adjoint=dfx.ForwardMode()))
    return error, error < 1e-4


@claim("gradients", "Fixed step (dt 0.025 ms): the same", "relative error < 1 %", ORACLE_SOURCE)
def oracle_fixed():
    error = _oracle(None)
    return f"{100 * error:.2f} %", error < 0.01


# Every leaf ---------------------------------------------------------------------------------------------------------------------


T1 = 12.0  # ms
RECORDS = np.asarray([5.513, 9.99])  # ms, between steps
TIMES = ("start", "stop", "width", "period")
LANES = ("below threshold", "above threshold", "from -40 mV", "from -55 mV")


@dataclasses.dataclass(frozen=True)
class Case:
    """Every array leaf of HH and of one of each stimulus as one vector: below and above threshold, and from the voltages where the rates of m and n
    have removable singularities."""

    names: list[str]
    scale: np.ndarray  # a natural unit of each entry
    lanes: jax.Array  # (lanes, entries)
    rebuild: Callable[[jax.Array], tuple[nd.AbstractNeuron, nd.AbstractStimulus]]

    def output(self, vector: jax.Array, method: nd.Adaptive | None = None) -> jax.Array:
        """A number that depends on voltages, on the end of a gate, and on the time of the first spike if there is one."""
        model, stimulus = self.rebuild(vector)
        ts = None if method is None else RECORDS
        sol = nd.simulate(model, stimulus, T1, method=method, ts=ts, every=7 if ts is None else 1, max_spikes=2)
        first = sol.spikes.times[0]
        return sol.v[-2] + 0.3 * sol.v[-1] + 40 * sol.final["na"]["h"] + jnp.where(jnp.isfinite(first), 5 * first, 0.0)


def _names(part) -> list[str]:
    """The array leaves of a model or a stimulus, one name per element."""
    leaves = jtu.tree_flatten_with_path(eqx.filter(part, eqx.is_inexact_array))[0]
    return [f"{type(part).__name__}{jtu.keystr(keys)}" for keys, x in leaves for _ in range(x.size)]


@functools.cache
def case() -> Case:
    stimuli = (
        nd.Step(4.0, 0.5133, 9.0077),
        nd.Ramp(0.3, 1.0123, 6.5041, 0.5),
        nd.Pulses(5.0, 0.6, 2.1, 3, 1.507),
        nd.Sine(2.0, 120.0, 0.3, 0.8071, 10.008),
        nd.Chirp(2.0, 20.0, 200.0, 0.7113, 9.9111),
        nd.Samples(jnp.asarray([1.0, -0.5, 2.0, 0.3]), 0.9, 0.3111),
        nd.OrnsteinUhlenbeck(0.5, 0.8, 2.0, 3.0, dt=0.75, start=0.61, key=jax.random.key(1)),
    )
    # Off the reference temperature, where Q10 makes a difference.
    model = nd.HodgkinHuxley(temperature=8.0)
    arrays, rest = eqx.partition((model, 1.0 * sum(stimuli)), eqx.is_inexact_array)
    vector, unravel = ravel_pytree(arrays)
    # The parts in the order of the vector, by names that tell more than their places in a nested sum.
    names = [name for part in (model, *stimuli) for name in _names(part)] + ["factor"]
    if len(names) != vector.size:
        raise ValueError(f"{len(names)} names for {vector.size} entries")
    is_time = np.asarray([name.split(".")[-1] in TIMES for name in names])
    initial, factor = names.index("HodgkinHuxley.initial"), names.index("factor")
    starts = ((0.1, -65.0), (1.0, -65.0), (0.5, -40.0), (0.5, -55.0))
    lanes = jnp.stack([vector.at[factor].set(f).at[initial].set(v) for f, v in starts])
    scale = np.where(is_time | (np.asarray(vector) == 0), 1.0, np.abs(vector))
    return Case(names, scale, lanes, lambda vector: eqx.combine(unravel(vector), rest))


def _differences(function, lanes, step):
    """Four-point central differences (fourth order) at each lane, all perturbed vectors in one program."""
    offsets, weights = np.asarray([2.0, 1.0, -1.0, -2.0]), np.asarray([-1.0, 8.0, -8.0, 1.0]) / 12
    rows = np.asarray(lanes)[:, None, None, :] + offsets[:, None, None] * np.diag(step)
    values = np.asarray(jax.jit(jax.vmap(function))(jnp.asarray(rows.reshape(-1, step.size))))
    return np.einsum("los,o->ls", values.reshape(len(lanes), 4, step.size), weights) / step


@functools.cache
def reverse(path):
    method = None if path == "fixed" else nd.Adaptive(rtol=1e-10, atol=1e-10)
    return np.asarray(jax.jit(jax.vmap(jax.grad(lambda p: case().output(p, method))))(case().lanes))


@functools.cache
def forward(path):
    method = None if path == "fixed" else nd.Adaptive(rtol=1e-10, atol=1e-10, adjoint=dfx.ForwardMode())
    return np.asarray(jax.jit(jax.vmap(jax.jacfwd(lambda p: case().output(p, method))))(case().lanes))


@functools.cache
def differences(path):
    # The adaptive path chooses its steps anew for each perturbed vector, which is noise to a difference: hence a finer tolerance there.
    method = None if path == "fixed" else nd.Adaptive(rtol=1e-13, atol=1e-13)
    step = (3e-5 if path == "fixed" else 2e-4) * case().scale
    return _differences(lambda p: case().output(p, method), case().lanes, step)


def _largest_error(got, expected):
    """Relative to each entry, or to a thousandth of the largest entry of its lane where that is more; entries in their natural units."""
    got, expected = got * case().scale, expected * case().scale
    size = np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max(axis=1, keepdims=True))
    error = np.abs(got - expected) / size
    if not np.isfinite(error).all():
        raise ValueError("a gradient is not finite")
    lane, leaf = np.unravel_index(error.argmax(), error.shape)
    return float(error.max()), f"{error.max():.1e} ({case().names[leaf]}; {got.shape[1]} leaves)"


def _register_every_leaf(path, label):
    for lane in (0, 1):

        @claim(
            "gradients",
            f"{label}: every leaf of HH and of each stimulus, {LANES[lane]}: reverse",
            "relative error < 1e-6",
            "central differences",
        )
        def against_differences(lane=lane):
            error, text = _largest_error(reverse(path)[[lane]], differences(path)[[lane]])
            return text, error < 1e-6

    @claim(
        "gradients",
        f"{label}: every leaf, started on the singularities at -40 and -55 mV: reverse",
        "relative error < 1e-6",
        "central differences",
    )
    def on_singularities():
        error, text = _largest_error(reverse(path)[2:], differences(path)[2:])
        return text, error < 1e-6

    bar = 1e-9 if path == "fixed" else 1e-8

    @claim(
        "gradients",
        f"{label}: every leaf, all four of these runs: reverse",
        f"relative error < {bar:g}",
        "forward mode",
    )
    def against_forward():
        error, text = _largest_error(reverse(path), forward(path))
        return text, error < bar


_register_every_leaf("fixed", "Fixed step")
_register_every_leaf("adaptive", "Adaptive (rtol 1e-10)")


@claim(
    "gradients",
    "Fixed step: second derivatives from -40 and -55 mV, Hessian times a vector",
    "relative error < 1e-4",
    "central differences",
)
def hessian():
    direction = jnp.asarray(case().scale * np.random.default_rng(0).normal(size=case().scale.size))
    gradient, lanes = jax.grad(case().output), case().lanes[2:]
    got = jax.jit(jax.vmap(lambda p: jax.jvp(gradient, (p,), (direction,))[1]))(lanes)
    h, offsets = 1e-6, jnp.asarray([2.0, 1.0, -1.0, -2.0])
    rows = lanes + h * offsets[:, None, None] * direction
    values = jax.jit(jax.vmap(jax.vmap(gradient)))(rows)
    expected = jnp.tensordot(jnp.asarray([-1.0, 8.0, -8.0, 1.0]) / 12, values, axes=1) / h
    error, text = _largest_error(np.asarray(got), np.asarray(expected))
    return text, error < 1e-4


# Trial steps that go far --------------------------------------------------------------------------------------------------------


@claim(
    "gradients",
    "Adaptive, Tsit5 at rtol 1e-3, whose rejected steps overflow: dv(8 ms)/dgNa, reverse against forward",
    "finite, equal to 1e-9",
    "forward mode",
)
def rejected_steps():
    def voltage(g, adjoint):
        method = nd.Adaptive(rtol=1e-3, atol=1e-3, solver=dfx.Tsit5(), max_step=float("inf"), adjoint=adjoint)
        model = nd.replace(nd.HodgkinHuxley(), {"na.g": g, "leak.e": -54.3})
        return nd.simulate(model, nd.Step(10.0), 8.0, method=method, ts=[8.0], max_spikes=0).v[0]

    g = jnp.asarray(120.0)
    back = float(jax.jit(jax.grad(lambda g: voltage(g, dfx.RecursiveCheckpointAdjoint())))(g))
    ahead = float(jax.jit(jax.jacfwd(lambda g: voltage(g, dfx.ForwardMode())))(g))
    return f"{back:.7f} mV/(mS/cm2)", bool(np.isfinite(back) and abs(back / ahead - 1) < 1e-9)


@claim(
    "gradients",
    "Adaptive (rtol 1e-10): dv/dgNa at 8 and 50 ms, E_L -54.3 mV",
    "-0.0081769709, 0.2388817440, relative error < 1e-5",
    ORACLE_SOURCE,
)
def golden():
    method = nd.Adaptive(rtol=1e-10, atol=1e-10, adjoint=dfx.ForwardMode())

    def voltages(g):
        model = nd.replace(nd.HodgkinHuxley(), {"na.g": g, "leak.e": -54.3})
        return nd.simulate(model, nd.Step(10.0), 50.0, method=method, ts=[8.0, 50.0], max_spikes=0).v

    got = np.asarray(jax.jit(jax.jacfwd(voltages))(jnp.asarray(120.0)))
    error = np.abs(got / (-0.0081769709, 0.2388817440) - 1).max()
    return f"{got[0]:.10f}, {got[1]:.10f}", bool(error < 1e-5)
