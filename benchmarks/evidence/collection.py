"""The collection of point neurons against published and independently computed numbers."""

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd

from .registry import claim


REFERENCE = "reference: DOP853 at 1e-8 or tighter"
IZHIKEVICH = "Izhikevich (2004), figure 1"


def _run(pattern, method=None, max_spikes=400):
    method = pattern.method if method is None else method
    return nd.simulate(
        pattern.model,
        pattern.stimulus,
        pattern.duration,
        method=method,
        y0=pattern.y0,
        max_spikes=max_spikes,
        record=[],
    )


@claim(
    "collection",
    "Izhikevich: spikes of the twenty patterns, reference Euler scheme",
    "5 1 28 6 6 6 10 14 1 1 1 1 1 7 1 5 1 1 3 12",
    IZHIKEVICH,
)
def izhikevich_counts():
    counts = [int(_run(p).spikes.count) for p in nd.points.izhikevich_patterns().values()]
    return " ".join(map(str, counts)), counts == [5, 1, 28, 6, 6, 6, 10, 14, 1, 1, 1, 1, 1, 7, 1, 5, 1, 1, 3, 12]


@claim("collection", "Izhikevich: spike latency by an accurate solver", "0 spikes (the scheme has 1)", REFERENCE)
def izhikevich_accurate():
    count = int(_run(nd.points.izhikevich_patterns()["spike_latency"], nd.FixedStep(0.025)).spikes.count)
    return str(count), count == 0


@claim(
    "collection",
    "AdEx: spikes of the eight patterns in 600 ms",
    "62 12 12 11+-1 46 32+-1 1 33+-1",
    "Naud et al. (2008), figure 4; " + REFERENCE,
)
def adex_counts():
    counts = [int(_run(p).spikes.count) for p in nd.points.adex_patterns().values()]
    allowed = np.abs(np.asarray(counts) - (62, 12, 12, 11, 46, 32, 1, 33)) <= (0, 0, 0, 1, 0, 1, 0, 1)
    return " ".join(map(str, counts)), bool(allowed.all())


@claim(
    "collection", "QIF: period at I = 1, tau 10 ms, from -10 to 10", "29.42255 +- 1e-4 ms", "closed form: 20 atan 10"
)
def qif_period():
    model = nd.QIF(tau=10.0, threshold=10.0, reset=-10.0)
    times = np.asarray(nd.simulate(model, nd.Step(1.0), 100.0, dt=0.1, record=[]).spikes.times)
    period = float(np.diff(times[np.isfinite(times)])[-1])
    return f"{period:.6f} ms", abs(period - 29.42255) < 1e-4


def _saddle_nodes(model, lower, upper):
    return [float(point.drive) for point in nd.analysis.continue_equilibria(model, lower, upper).saddle_nodes]


def _hopfs(model, lower, upper):
    branch = nd.analysis.continue_equilibria(model, lower, upper)
    return [float(point.drive) for point in branch.hopfs], [float(point.frequency) for point in branch.hopfs]


def _near(found, expected, tolerance):
    return len(found) == len(expected) and bool(np.all(np.abs(np.sort(found) - np.sort(expected)) < tolerance))


@claim("collection", "Morris-Lecar, Hopf set: Hopf currents", "93.8576, 212.0188 +- 1e-3 uA/cm2", REFERENCE)
def morris_lecar_hopf():
    currents, frequencies = _hopfs(nd.MorrisLecar.hopf(), 0.0, 250.0)
    text = ", ".join(f"{i:.4f} ({f:.2f} Hz)" for i, f in zip(currents, frequencies, strict=True))
    return text, _near(currents, [93.8576, 212.0188], 1e-3)


@claim("collection", "Morris-Lecar, SNIC set: saddle-nodes", "39.9632, -9.9490 +- 1e-3 uA/cm2", REFERENCE)
def morris_lecar_snic():
    currents = _saddle_nodes(nd.MorrisLecar.snic(), -20.0, 60.0)
    return ", ".join(f"{i:.4f}" for i in currents), _near(currents, [39.9632, -9.9490], 1e-3)


@claim(
    "collection",
    "Morris-Lecar: derivative of the first Hopf current by g_ca against differences",
    "1e-6",
    "finite differences",
)
def morris_lecar_sensitivity():
    base = nd.MorrisLecar.hopf()

    def current(g):
        return nd.analysis.hopf(nd.replace(base, {"ca.g": g}), 93.0).drive

    slope, step = float(jax.grad(current)(jnp.asarray(4.4))), 1e-3
    values = [float(current(jnp.asarray(4.4 + k * step))) for k in (2, 1, -1, -2)]
    expected = float(np.dot((-1, 8, -8, 1), values)) / (12 * step)
    return f"{slope:.6f} ({abs(slope / expected - 1):.1e})", abs(slope / expected - 1) < 1e-6


def _rates(model, currents, duration=2000.0):
    curve = nd.analysis.f_i_curve(model, jnp.asarray(currents), duration=duration, transient=500.0, dt=0.025)
    return np.asarray(curve.rates)


def _rate_claim(name, model, currents, expected):
    text = ", ".join(f"{x:.2f}" for x in expected)

    @claim("collection", f"{name}: f({', '.join(f'{i:g}' for i in currents)})", f"{text} Hz +- 1 %", REFERENCE)
    def measure():
        rates = _rates(model(), currents)
        return ", ".join(f"{x:.2f}" for x in rates) + " Hz", bool(np.all(np.abs(rates / expected - 1) < 0.01))


_rate_claim("Wang-Buzsaki", nd.WangBuzsaki, [0.2, 1.0, 5.0], [8.62, 59.70, 189.63])
_rate_claim("Reduced Traub-Miles", nd.ReducedTraubMiles, [0.2, 1.0, 5.0], [13.22, 42.63, 121.94])
_rate_claim("Connor-Stevens", nd.ConnorStevens, [8.5, 10.0, 20.0], [9.73, 34.05, 132.30])


@claim(
    "collection",
    "Pospischil RS, FS, IB, LTS: spikes under the published steps",
    "5, 20, 13 +- 1, 4",
    "ModelDB 123623; " + REFERENCE,
)
def pospischil():
    def density(current, side):
        """uA/cm2 of nA into a cylinder as long as wide, um."""
        return current * 1e5 / (np.pi * side**2)

    cells = {
        "regular_spiking": (0.75, 96.0, 400.0),
        "fast_spiking": (0.5, 67.0, 400.0),
        "intrinsically_bursting": (0.15, 96.0, 2000.0),
        "low_threshold_spiking": (0.15, 96.0, 400.0),
    }
    counts = []
    for name, (current, side, duration) in cells.items():
        drive = nd.Step(density(current, side), 300.0, 300.0 + duration)
        sol = nd.simulate(getattr(nd.Pospischil, name)(), drive, 320.0 + duration, record=[], max_spikes=60)
        counts.append(int(sol.spikes.count))
    allowed = np.abs(np.asarray(counts) - (5, 20, 13, 4)) <= (0, 0, 1, 0)
    return ", ".join(map(str, counts)), bool(allowed.all())
