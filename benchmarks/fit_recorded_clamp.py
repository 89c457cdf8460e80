"""Fits a leak, an h current and a potassium current to a recorded voltage-clamp family."""

from pathlib import Path

import neurodyn as nd

from .fit_voltage_clamp import least_squares, stacked


EVERY = 20  # samples that are replaced by their median: 1 ms


def read(path: Path):
    """Command (mV) and current (pA) of each sweep, one sample per ms, shape (sweeps, n)."""
    import numpy as np
    import pyabf

    abf, rows = pyabf.ABF(str(path)), []
    for sweep in range(abf.sweepCount):
        abf.setSweep(sweep)
        pair = np.stack([np.asarray(abf.sweepC, dtype=float), np.asarray(abf.sweepY, dtype=float)])
        rows.append(np.median(pair[:, : pair.shape[1] // EVERY * EVERY].reshape(2, -1, EVERY), axis=-1))
    return np.moveaxis(np.asarray(rows), 1, 0)


def start_model():
    """A leak, an h current and one of potassium, pF, nS and pA."""
    from neurodyn.kinetics import BellTime, Boltzmann, ConstantTime, Relaxation

    q = Relaxation(Boltzmann(-90.0, -10.0), BellTime(300.0, -80.0, 25.0, 25.0))
    p = Relaxation(Boltzmann(-45.0, 8.0), ConstantTime(50.0))
    channels = {
        "leak": nd.channels.Leak(g=6.0, e=-60.0),
        "h": nd.channels.HCurrent(g=15.0, e=-43.0, q=q),
        "k": nd.channels.MCurrent(g=4.0, e=-95.0, p=p),
    }
    return nd.PointCell(channels, capacitance=100.0, temperature=25.0, units="absolute")


def uncompensated(family, capacitance):
    """The sweeps with a capacitance (pF) that the command charges too."""
    import equinox as eqx
    import jax.numpy as jnp

    return eqx.tree_at(lambda f: f.capacitance, family, jnp.broadcast_to(capacitance, family.capacitance.shape))


POSITIVE = (
    "leak.g",
    "h.g",
    "k.g",
    "h.q.time.peak",
    "k.p.time.value",
)  # its width is left alone: there is no relaxation to see above -70 mV
LINEAR = {
    "leak.e": 10.0,
    "h.q.steady.half": 10.0,
    "h.q.steady.slope": 5.0,
    "h.q.time.midpoint": 10.0,
    "k.p.steady.half": 10.0,
}


def fit_recording(path: Path, figure: Path | None) -> None:
    """Prints what was found and the residual of each sweep; synaptic events are left out."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from scipy.ndimage import median_filter

    from neurodyn._parameter import parameters, replace_leaves

    commands, currents = read(path)
    model = start_model()
    known = parameters(model)
    names = [f"channels.{name}" for name in POSITIVE + tuple(LINEAR)]
    noise = float(np.median(np.abs(np.diff(currents))) / 0.6745 / np.sqrt(2))
    # Synaptic events are short: they stand out of the median over a tenth of a second, which the command's currents do not.
    event = np.abs(currents - median_filter(currents, (1, 101), mode="nearest")) > 5 * noise
    event[:, :100] = False  # the ramp

    def model_at(x):
        positive = [known[p].value * jnp.exp(v) for p, v in zip(names, x[: len(POSITIVE)], strict=False)]
        scales = zip(names[len(POSITIVE) :], LINEAR.values(), x[len(POSITIVE) : -1], strict=True)
        return replace_leaves(
            model, dict(zip(names, positive + [known[p].value + s * v for p, s, v in scales], strict=True))
        )

    sweeps = zip(commands, currents, ~event, strict=True)
    family = stacked(
        [
            nd.fitting.CurrentTrace(nd.Samples(jnp.asarray(c), 1.0), i, 1.0, window=1.0 * w, noise=noise)
            for c, i, w in sweeps
        ]
    )

    def misfit(x):
        return jax.vmap(lambda objective: objective.misfit(model_at(x)))(uncompensated(family, 100 * x[-1])).ravel()

    x, evaluations, _ = least_squares(misfit, np.zeros(len(names) + 1), farthest=3.0)
    spread = noise * np.sqrt(np.sum(np.asarray(misfit(x)) ** 2) / np.sum(~event))
    edge = [name for name, value in zip(names, x, strict=False) if abs(value) > 2.99]
    if edge:
        print("\nnot determined by these sweeps, at the edge of the search:", ", ".join(edge))
    report(model_at(x), names, 100 * x[-1], noise, spread, evaluations, commands, currents, family, figure)


def report(model, names, capacitance, noise, spread, evaluations, commands, currents, family, figure) -> None:
    """The table, and the figure if one is wanted."""
    import jax
    import numpy as np

    from neurodyn._parameter import parameters

    charged = uncompensated(family, capacitance)
    fitted = np.asarray(jax.jit(jax.vmap(lambda objective: objective.simulate(model)))(charged))
    known = parameters(model)
    print(f"\nrecorded family: {evaluations} evaluations, uncompensated capacitance {capacitance:.1f} pF")
    print(
        ", ".join(
            f"{name.removeprefix('channels.')} {float(known[name].value):.4g} {known[name].info.unit}" for name in names
        )
    )
    print(f"noise {noise:.2f} pA per sample of 1 ms; residual, root mean square {spread:.2f} pA")
    print("| level mV | residual, robust pA | steady current pA | model pA |")
    print("|---|---|---|---|")
    for command, current, ours in zip(commands, currents, fitted, strict=True):
        off = np.median(np.abs(current - ours)) / 0.6745
        print(f"| {command[-1]:.0f} | {off:.1f} | {np.median(current[-200:]):.0f} | {np.median(ours[-200:]):.0f} |")
    if figure is not None:
        draw(commands, currents, fitted, figure)


def draw(commands, currents, fitted, figure: Path) -> None:
    """Recording, model and what is left, over time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    canvas, axes = plt.subplots(3, 1, figsize=(9, 10), sharex=True, height_ratios=[1, 3, 2])
    for command, current, ours in zip(commands, currents, fitted, strict=True):
        axes[0].plot(command, linewidth=0.8)
        axes[1].plot(current, color="0.6", linewidth=0.6)
        axes[1].plot(ours, color="C3", linewidth=1.0)
        axes[2].plot(current - ours, linewidth=0.5)
    axes[2].set_ylim(-60, 60)
    for ax, label in zip(axes, ("command (mV)", "current (pA)", "recording - model (pA)"), strict=True):
        ax.set_ylabel(label)
    axes[2].set_xlabel("time (ms)")
    canvas.tight_layout()
    canvas.savefig(figure, dpi=80)
    plt.close(canvas)
