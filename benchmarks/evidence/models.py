"""Models against published and independently computed numbers.

"Reference" is a number computed apart from this package by SciPy's DOP853 at tolerances of 1e-8 and tighter.
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd

from .registry import claim


HH_1952 = "Hodgkin and Huxley (1952), J. Physiol. 117:500"
REFERENCE = "reference"
LAPICQUE = "closed form: Lapicque (1907)"


hh = functools.cache(nd.HodgkinHuxley)


def resting(model: nd.AbstractNeuron):
    """The state at rest."""
    return nd.simulate(model, nd.Step(0.0), 0.025, y0="rest", record=["v", "na.*", "k.*"]).ys


@eqx.filter_jit
def _currents(model, y0, amplitudes, stops, t1):
    def run(amplitude, stop, y0):
        sol = nd.simulate(model, nd.Step(amplitude, 0.0, stop), t1, y0=y0)
        return sol.spikes.times, sol.v

    return jax.vmap(run, in_axes=(0, 0, None if y0 is None or isinstance(y0, str) else 0))(amplitudes, stops, y0)


def steps(amplitudes, t1, stops=np.inf, y0="rest"):
    """HH under current steps from time zero, in one program: spike times (lanes, buffer) and voltages (lanes, samples)."""
    amplitudes = jnp.asarray(amplitudes)
    times, v = _currents(hh(), y0, amplitudes, jnp.broadcast_to(jnp.asarray(stops), amplitudes.shape), t1)
    return np.asarray(times), np.asarray(v)


# Rest ---------------------------------------------------------------------------------------------------------------------------


@claim("models", "HH: resting voltage with E_L -54.4 mV", "-64.9997 +- 0.001 mV", REFERENCE)
def rest_voltage():
    v = float(resting(nd.replace(hh(), {"leak.e": -54.4}))["v"][0])
    return f"{v:.5f} mV", abs(v + 64.9997) < 1e-3


@claim("models", "HH: m, h, n at that rest", "0.05293, 0.59611, 0.31768 +- 1e-4", REFERENCE)
def rest_gates():
    y = resting(nd.replace(hh(), {"leak.e": -54.4}))
    gates = np.asarray([y[path][0] for path in ("na.m", "na.h", "k.n")])
    return ", ".join(f"{x:.5f}" for x in gates), bool(np.all(np.abs(gates - (0.05293, 0.59611, 0.31768)) < 1e-4))


@claim(
    "models", "HH in the convention of 1952: rest with E_L 10.6 mV", "0.00028 +- 0.00001 mV", f"{HH_1952}; {REFERENCE}"
)
def rest_relative():
    v = float(resting(nd.replace(nd.HodgkinHuxley.relative_to_rest(), {"leak.e": 10.6}))["v"][0])
    return f"{v:.6f} mV", abs(v - 0.00028) < 1e-5


@claim("models", "HH in the convention of 1952: the same seven spike times", "difference < 1e-6 ms", HH_1952)
def same_spikes():
    models = (hh(), nd.HodgkinHuxley.relative_to_rest())
    one, other = (nd.simulate(model, nd.Step(10.0, 5.0), 100.0).spikes for model in models)
    difference = float(jnp.max(jnp.abs(one.times[:7] - other.times[:7])))
    return f"{difference:.1e} ms", int(one.count) == int(other.count) == 7 and difference < 1e-6


# Kinetics -----------------------------------------------------------------------------------------------------------------------


def _singularity(rate, v, value, slope):
    got = float(rate(jnp.asarray(v))), float(jax.grad(rate)(jnp.asarray(v)))
    return f"{got[0]:.15g}, {got[1]:.15g}", bool(np.all(np.abs(np.subtract(got, (value, slope))) < 1e-12))


@claim("models", "HH: alpha_m and its slope at -40 mV, a removable singularity", "1, 0.05 +- 1e-12", "exact")
def singularity_m():
    return _singularity(hh().na.m.alpha, -40.0, 1.0, 0.05)


@claim("models", "HH: alpha_n and its slope at -55 mV, a removable singularity", "0.1, 0.005 +- 1e-12", "exact")
def singularity_n():
    return _singularity(hh().k.n.alpha, -55.0, 0.1, 0.005)


@claim("models", "Voltage clamp from -65 to -20 mV: n(t) over 20 ms", "error < 1e-8", "closed form")
def voltage_clamp():
    sol = nd.simulate(nd.Clamped(hh()), nd.Step(-65.0) + nd.Step(45.0, 5.0), 20.0, record="k.n")
    v = np.asarray([-65.0, -20.0])
    opening, closing = 0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10)), 0.125 * np.exp(-(v + 65) / 80)
    start, steady = opening / (opening + closing)
    since = np.maximum(np.asarray(sol.ts) - 5.0, 0.0)
    exact = steady - (steady - start) * np.exp(-since * (opening + closing)[1])
    error = float(np.abs(np.asarray(sol.ys["k.n"]) - exact).max())
    return error, error < 1e-8


@claim("models", "HH: gates at 16.3 degC against 6.3 degC", "3 times as fast, +- 1e-12", f"{HH_1952}: Q10 = 3")
def temperature():
    y = {"v": jnp.asarray(-30.0), "na": {"m": jnp.asarray(0.3), "h": jnp.asarray(0.4)}, "k": {"n": jnp.asarray(0.4)}}
    cold, warm = (m.dynamics(0.0, y, jnp.asarray(0.0)).slope for m in (hh(), nd.replace(hh(), {"temperature": 16.3})))
    ratios = [float(warm[a][b] / cold[a][b]) for a, b in (("na", "m"), ("na", "h"), ("k", "n"))]
    return ", ".join(f"{x:.12g}" for x in ratios), max(abs(x - 3) for x in ratios) < 1e-12


# Excitability -------------------------------------------------------------------------------------------------------------------


def _threshold(values, fired):
    """Between the highest value that fails and the lowest that fires."""
    first = int(np.argmax(fired))
    if first == 0 or not fired[first:].all() or fired[:first].any():
        raise ValueError("no clean threshold in the range searched")
    return float(values[first - 1] + values[first]) / 2


@claim("models", "HH: rheobase of one spike, step from rest", "2.240 +- 0.01 uA/cm2", REFERENCE)
def rheobase():
    amplitudes = np.arange(2.22, 2.26, 0.001)
    times, _ = steps(amplitudes, 100.0)
    threshold = _threshold(amplitudes, np.isfinite(times[:, 0]))
    return f"{threshold:.4f} uA/cm2", abs(threshold - 2.240) < 0.01


@functools.cache
def firing():
    """By current: spikes within 400 ms, and the rate (Hz) of the steady cycle counted at its mean voltage."""
    currents = (6.0, 6.5, 10.0, 20.0, 50.0)
    times, v = steps(currents, 1000.0)
    ts = np.linspace(0.0, 1000.0, v.shape[1])
    rates = {}
    for current, trace in zip(currents, v, strict=True):
        late, since = trace[ts > 500], ts[ts > 500]
        level = late.mean()
        (up,) = np.nonzero((late[:-1] <= level) & (late[1:] > level))
        crossings = since[up] + (ts[1] - ts[0]) * (level - late[up]) / (late[up + 1] - late[up])
        rates[current] = 1e3 / np.diff(crossings).mean() if len(crossings) > 2 else 0.0
    early = dict(zip(currents, (times <= 400.0).sum(axis=1), strict=True))
    return early, rates


@claim(
    "models",
    "HH: spikes in 400 ms at 6.0 uA/cm2, below the onset of repetitive firing",
    "<= 3",
    "Rinzel and Miller (1980): onset 6.26",
)
def below_onset():
    count = int(firing()[0][6.0])
    return str(count), count <= 3


@claim("models", "HH: firing rate at 6.5 uA/cm2, above the onset", "55.06 +- 0.3 Hz", REFERENCE)
def above_onset():
    rate = firing()[1][6.5]
    return f"{rate:.2f} Hz", abs(rate - 55.06) < 0.3


def _rate(current, expected):
    rate = firing()[1][current]
    return f"{rate:.2f} Hz", abs(rate / expected - 1) < 0.005


@claim("models", "HH: firing rate at 10 uA/cm2", "68.32 Hz +- 0.5 %", REFERENCE)
def rate_10():
    return _rate(10.0, 68.32)


@claim("models", "HH: firing rate at 20 uA/cm2", "86.47 Hz +- 0.5 %", REFERENCE)
def rate_20():
    return _rate(20.0, 86.47)


@claim("models", "HH: firing rate at 50 uA/cm2", "117.04 Hz +- 0.5 %", REFERENCE)
def rate_50():
    return _rate(50.0, 117.04)


def _pulse(width, expected):
    amplitudes = expected * np.arange(0.97, 1.03, 0.002)
    times, _ = steps(amplitudes, 30.0, stops=width)
    threshold = _threshold(amplitudes, np.isfinite(times[:, 0]))
    return f"{threshold:.3f} uA/cm2", abs(threshold / expected - 1) < 0.01


@claim("models", "HH: threshold of a pulse of 1 ms", "6.919 uA/cm2 +- 1 %", REFERENCE)
def pulse_long():
    return _pulse(1.0, 6.919)


@claim("models", "HH: threshold of a pulse of 0.1 ms", "65.13 uA/cm2 +- 1 %", REFERENCE)
def pulse_short():
    return _pulse(0.1, 65.13)


@claim(
    "models",
    "HH: peak above rest after a displacement by 6 and by 7 mV",
    "6 mV fails, 7 mV fires (> 90 mV)",
    f"{HH_1952}, figure 12",
)
def displacement():
    y = {path: float(x[0]) for path, x in resting(hh()).items()}
    moved = y["v"] + np.asarray([6.0, 7.0])
    full = {path: jnp.full(2, value) for path, value in y.items()}
    y0 = {"v": jnp.asarray(moved), "na": {"m": full["na.m"], "h": full["na.h"]}, "k": {"n": full["k.n"]}}
    _, v = steps(np.zeros(2), 30.0, y0=y0)
    small, large = v.max(axis=1) - y["v"]
    return f"{small:.2f} and {large:.2f} mV", bool(small < 10 and large > 90)


# Integrate and fire -------------------------------------------------------------------------------------------------------------


def _interval(current):
    """tau 20 ms, 10 Mohm, threshold 15 mV above rest and reset, refractory 2 ms."""
    return 2.0 + 20.0 * np.log(10 * current / (10 * current - 15))


def _lif_times(currents, t1, dt, count):
    method = nd.FixedStep(dt, reset=nd.GridReset())
    run = jax.vmap(lambda i: nd.simulate(nd.LIF(), nd.Step(i), t1, method=method, max_spikes=count).spikes.times)
    return np.asarray(jax.jit(run)(jnp.asarray(currents)))


@claim(
    "models",
    "LIF: intervals at 1.501, 1.6, 2, 3, 5 nA, reset on the grid: largest error",
    "between 0 and 2 dt (dt 0.05 ms)",
    LAPICQUE,
)
def lif_intervals():
    currents, dt = np.asarray([1.501, 1.6, 2.0, 3.0, 5.0]), 0.05
    error = np.diff(_lif_times(currents, 600.0, dt, 4)) - _interval(currents)[:, None]
    return f"{error.max() / dt:.2f} dt", bool(error.min() > -1e-9 and error.max() <= 2 * dt + 1e-9)


@claim("models", "LIF: observed order of the tenth spike's time, reset on the grid", "1 +- 0.15", LAPICQUE)
def lif_order():
    # The mean over many currents, for the error of a single one is a saw-tooth of the step.
    currents, errors = np.linspace(2.0, 4.0, 400), []
    for dt in (0.1, 0.05, 0.025):
        times = _lif_times(currents, 320.0, dt, 10)
        errors.append((times[:, 9] - (10 * _interval(currents) - 2.0)).mean())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    return ", ".join(f"{x:.3f}" for x in orders), bool(np.all(np.abs(orders - 1) < 0.15))


@claim(
    "models", "LIF: interval at 1e6 nA (refractory period 2 ms, dt 0.005 ms)", "2 ms + one step", "exact: f -> 1/t_ref"
)
def lif_limit():
    intervals = np.diff(_lif_times([1e6], 40.0, 0.005, 10)[0])
    worst = intervals[np.argmax(np.abs(intervals - 2.005))]
    return f"{worst:.6f} ms", bool(np.abs(intervals - 2.005).max() < 1e-9)
