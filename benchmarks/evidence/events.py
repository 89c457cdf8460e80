"""Spikes inside the step, and derivatives through them."""

import functools

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd

from .registry import claim


CLOSED_FORM = "closed form: Lapicque (1907)"
EVENTPROP = "Wunderlich and Pehle (2021), Sci. Rep. 11:12829; the adaptive path at 1e-12"


@functools.cache
def _hundred_spikes():
    """Spike times and their derivatives by six parameters and the current at a step of 0.5 ms, and those of the closed form."""
    model = nd.LIF(reset=-62.0, refractory=1.237)
    paths = ["tau", "resistance", "rest", "threshold", "reset", "refractory"]

    def exact(x):
        tau, resistance, rest, threshold, reset, refractory, current = x
        steady = rest + resistance * current
        first, again = (tau * jnp.log((steady - start) / (steady - threshold)) for start in (rest, reset))
        return first + jnp.arange(100) * (refractory + again)

    def simulated(x):
        changed = nd.replace(model, dict(zip(paths, x[:-1], strict=True)))
        return nd.simulate(changed, nd.Step(x[-1]), 1650.0, dt=0.5, max_spikes=100).spikes.times

    at = jnp.asarray([20.0, 10.0, -65.0, -50.0, -62.0, 1.237, 2.6])
    got = jax.jit(lambda x: (simulated(x), jax.jacrev(simulated)(x)))(at)
    return got, (exact(at), jax.jacfwd(exact)(at))


@claim("events", "LIF: 100 spikes at a step of 0.5 ms, off every grid: largest error", "1e-9 ms", CLOSED_FORM)
def lif_times():
    (times, _), (exact, _) = _hundred_spikes()
    error = float(jnp.max(jnp.abs(times - exact)))
    return f"{error:.1e} ms", error < 1e-9


@claim(
    "events",
    "LIF: derivatives of the 100 spikes by six parameters and the current: largest relative error",
    "1e-6",
    CLOSED_FORM,
)
def lif_derivatives():
    (_, got), (_, exact) = _hundred_spikes()
    # The first spike knows nothing of the reset: both derivatives are zero there.
    error = float(jnp.max(jnp.abs(got - exact) / jnp.where(exact == 0, 1.0, jnp.abs(exact))))
    return error, error < 1e-6


@claim("events", "LIF by Heun's method: observed order of the tenth spike's time", "2 +- 0.15", CLOSED_FORM)
def heun_order():
    currents = jnp.linspace(2.0, 4.0, 20)
    exact = 10 * (2 + 20 * np.log(10 * currents / (10 * currents - 15))) - 2
    errors = []
    for dt in (0.37, 0.185, 0.0925):
        method = nd.FixedStep(dt, dfx.Heun())
        run = jax.vmap(
            lambda i, m=method: nd.simulate(nd.LIF(), nd.Step(i), 320.0, method=m, max_spikes=10).spikes.times[9]
        )
        errors.append(np.abs(np.asarray(jax.jit(run)(currents) - exact)).mean())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    return ", ".join(f"{x:.2f}" for x in orders), bool(np.all(np.abs(orders - 2) < 0.15))


def _first_spike(weight, tau):
    """Of a neuron that one spike reaches at t = 0, in one step of 50 ms."""
    net = nd.networks.LIFNetwork(jnp.zeros((1, 1)), tau, 10.0, 1.0, 0.0, 1.0, 0.0)
    y0 = {"v": jnp.zeros(1), "i": weight * jnp.ones(1)}
    return nd.simulate(net, nd.Step(0.0), 100.0, dt=50.0, y0=y0, max_spikes=1).spikes.times[0, 0]


@claim(
    "events",
    "Time to first spike and its derivative by the weight, V = 6 (e^(-t/20) - e^(-t/10)), in one step of 50 ms",
    "4.748015723 ms, -1.220084679 +- 1e-9",
    "closed form",
)
def time_to_first_spike():
    time, slope = jax.jit(jax.value_and_grad(_first_spike))(6.0, 20.0)
    return f"{time:.9f} ms, {slope:.9f}", bool(abs(time - 4.748015723) < 1e-9 and abs(slope + 1.220084679) < 1e-9)


@claim("events", "The same for equal time constants of 10 ms, V = w t/10 e^(-t/10) with w = 2 e", "1e-9", "closed form")
def time_to_first_spike_with_equal_constants():
    from scipy.special import lambertw

    w = 2 * np.e
    exact = -10 * float(lambertw(-1 / w).real)
    time, slope = jax.jit(jax.value_and_grad(_first_spike))(w, 10.0)
    errors = abs(float(time) - exact), abs(float(slope) + exact / w / (1 - exact / 10))
    return f"{max(errors):.1e}", max(errors) < 1e-9


WEIGHTS = np.asarray([[0.0, 0.8], [0.6, 0.0]])  # an array of JAX would have the precision of the import


def _network_times(weights, delay, method):
    net = nd.networks.LIFNetwork(weights, axon=None if delay is None else nd.networks.Axon(delay))
    drive = nd.Step(jnp.asarray([2.0, 1.7], weights.dtype))
    return nd.simulate(net, drive, 80.0, method=method, max_spikes=2, ts=[80.0]).spikes.times


@functools.cache
def _network(delay, method):
    def times(w):
        return _network_times(w, delay, method)

    return jax.jit(lambda w: (times(w), jax.jacrev(times)(w)))(jnp.asarray(WEIGHTS))


ADAPTIVE = nd.Adaptive(rtol=1e-12, atol=1e-12, solver=dfx.Dopri8(), max_events=12)


def _compare(delay):
    times, jacobian = _network(delay, nd.FixedStep(0.1))
    accurate, accurate_jacobian = _network(delay, ADAPTIVE)
    apart = float(jnp.max(jnp.abs(times - accurate))), float(jnp.max(jnp.abs(jacobian - accurate_jacobian)))
    return f"{apart[0]:.1e} ms, {apart[1]:.1e} ms/nA", apart[0] < 1e-8 and apart[1] < 1e-6


@claim(
    "events",
    "Two coupled LIF: fixed steps of 0.1 ms from the adaptive path: spikes, derivatives",
    "1e-8, 1e-6",
    EVENTPROP,
)
def coupled_at_once():
    return _compare(None)


@claim("events", "The same with a delay of 1.37 ms", "1e-8, 1e-6", EVENTPROP)
def coupled_with_delay():
    return _compare(1.37)


def _differences(delay, method, step):
    flat = jnp.asarray(WEIGHTS.ravel())
    rows = flat + step * jnp.concatenate([k * jnp.eye(4) for k in (2.0, 1.0, -1.0, -2.0)])
    times = jax.jit(jax.vmap(lambda w: _network_times(w.reshape(2, 2), delay, method)))(rows).reshape(4, 4, 2, 2)
    slopes = jnp.tensordot(jnp.asarray([-1.0, 8.0, -8.0, 1.0]) / (12 * step), times, 1)
    expected = jnp.moveaxis(slopes, 0, -1).reshape(2, 2, 2, 2)
    return float(jnp.max(jnp.abs(_network(delay, method)[1] - expected)) / jnp.max(jnp.abs(expected)))


@claim(
    "events",
    "Two coupled LIF, with and without delay: every spike by every weight against differences, fixed and adaptive",
    "1e-6 of the largest",
    "finite differences, published for EventProp: 1e-7",
)
def coupled_differences():
    errors = [_differences(delay, nd.FixedStep(0.1), 1e-4) for delay in (None, 1.37)]
    errors += [_differences(delay, ADAPTIVE, 1e-3) for delay in (None, 1.37)]
    return ", ".join(f"{x:.1e}" for x in errors), max(errors) < 1e-6


@claim(
    "events",
    "Two coupled LIF by Heun's method, delayed: order of spikes and of their derivatives, against the adaptive path",
    "1.8 or more",
    EVENTPROP,
)
def coupled_order():
    accurate, accurate_jacobian = _network(1.37, ADAPTIVE)
    errors = []
    for dt in (0.1, 0.05, 0.025):
        times, jacobian = _network(1.37, nd.FixedStep(dt, dfx.Heun()))
        errors.append(
            [float(jnp.max(jnp.abs(times - accurate))), float(jnp.max(jnp.abs(jacobian - accurate_jacobian)))]
        )
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    return ", ".join(f"{x:.2f}" for x in orders.ravel()), bool(np.all(orders > 1.8))


@claim(
    "events",
    "AdEx, golden set: largest error of 14 spikes at steps of 0.1, 0.05, 0.025 ms",
    "order > 1.7",
    "DOP853 at 1e-12",
)
def adex_order():
    golden = {0: 11.791573, 1: 25.376060, 2: 41.196209, 3: 59.775663, 13: 380.202284}
    errors, counts = [], []
    for dt in (0.1, 0.05, 0.025):
        spikes = nd.simulate(nd.AdEx(), nd.Step(1000.0), 400.0, dt=dt, max_spikes=20).spikes
        counts.append(int(spikes.count))
        errors.append(max(abs(float(spikes.times[i]) - t) for i, t in golden.items()))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    text = ", ".join(f"{x:.1e}" for x in errors) + " ms; order " + ", ".join(f"{x:.2f}" for x in orders)
    return text, bool(set(counts) == {14} and np.all(orders > 1.7))


@claim(
    "events",
    "LIF at 2 nA: bias of a surrogate gradient of the synaptic trace (fast sigmoid), relative",
    "",
    "differences",
)
def surrogate_bias():
    modes = {"exact": nd.FixedStep(0.1), "surrogate": nd.FixedStep(0.1, reset=nd.Surrogate())}
    table = nd.compare_gradients(nd.LIF(), nd.Step(2.0), 61.3, ["tau", "threshold"], modes=modes)
    return f"{table.error('surrogate'):.1f} (exact: {table.error('exact'):.0e})", None
