"""A leak and an h current with a fast and a slow component from a recorded voltage-clamp family.

    python -m benchmarks.fit_recorded_clamp [--figure]

The recording is 171116sh_0013.abf below NEURODYN_DATA. `fit_voltage_clamp` prints this too, and writes it into RESULTS.md.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn.kinetics import BellTime, Boltzmann, Relaxation


FILE = Path("recordings") / "171116sh_0013.abf"
FIGURE = Path(__file__).parent / "figures" / "recorded_clamp.png"
EVERY = 20  # samples that are replaced by their median: 1 ms
RAMP = 100  # ms, in which samples never count as synaptic events
STARTS = 12
#: Where the search looks.
BOUNDS = {
    "leak.g": (0.5, 50.0),
    "leak.e": (-120.0, -30.0),
    "h.g": (0.5, 150.0),
    "h.q.steady.half": (-120.0, -60.0),
    "h.q.steady.slope": (-20.0, -3.0),
    "h.q.time.peak": (10.0, 500.0),
    "h.q.time.rise": (5.0, 100.0),
    "slow.g": (0.1, 150.0),
    "slow.q.steady.half": (-130.0, -40.0),
    "slow.q.steady.slope": (-20.0, -3.0),
    "slow.q.time.peak": (100.0, 5000.0),
}
CAPACITANCE = "objectives.0.capacitance"  # pF that the amplifier did not compensate: one for all sweeps


def present() -> bool:
    return (Path(os.environ.get("NEURODYN_DATA", "")) / FILE).exists()


def find() -> Path:
    if not present():
        raise SystemExit(f"set NEURODYN_DATA to the folder that holds {FILE}")
    return Path(os.environ["NEURODYN_DATA"]) / FILE


def read() -> tuple[np.ndarray, np.ndarray]:
    """Command (mV) and current (pA) of each sweep, one sample per ms, each of shape (sweeps, n)."""
    recording = nd.io.read(find()).require("voltage")
    assert recording.command is not None and recording.response is not None and recording.dt * EVERY == 1.0
    whole = recording.samples // EVERY * EVERY
    command, current = (
        np.median(x[:, :whole].reshape(recording.sweeps, -1, EVERY), axis=-1)
        for x in (recording.command, recording.response)
    )
    return command, current


def membrane() -> nd.PointCell:
    """Where the search begins, in pF, nS and pA. The time constants are those at -110 mV (fast), from where they fall with the voltage, and -80 mV (slow)."""
    fast = Relaxation(Boltzmann(-90.0, -8.0), BellTime(100.0, -110.0, 25.0, 25.0))
    slow = Relaxation(Boltzmann(-90.0, -8.0), BellTime(500.0, -80.0, 25.0, 25.0))
    channels = {
        "leak": nd.channels.Leak(g=6.0, e=-60.0),
        "h": nd.channels.HCurrent(g=10.0, e=-43.0, q=fast),
        "slow": nd.channels.HCurrent(g=5.0, e=-43.0, q=slow),
    }
    cell: Any = nd.PointCell
    return cell(channels, capacitance=150.0, temperature=25.0, units="absolute")


def without_events(current: np.ndarray, noise: float) -> np.ndarray:
    """Which samples count. Synaptic events are short: they stand out of the median over a tenth of a second, which the command's currents do not."""
    from scipy.ndimage import median_filter

    event = np.abs(current - median_filter(current, (1, 101), mode="nearest")) > 5 * noise
    event[:, :RAMP] = False
    return ~event


def fit(command: np.ndarray, current: np.ndarray, kept: np.ndarray, noise: float) -> nd.FitResult:
    sweeps = [
        nd.fitting.CurrentTrace(
            nd.Samples(jnp.asarray(c), 1.0), i, 1.0, window=k.astype(float), noise=noise, weight=float(k.mean())
        )
        for c, i, k in zip(command, current, kept, strict=True)
    ]
    channels = {f"channels.{path}": limits for path, limits in BOUNDS.items()}
    return nd.fit(
        membrane(),
        sweeps,
        trainable=list(channels),
        bounds=channels | {CAPACITANCE: (0.0, 300.0)},
        nuisance="0.capacitance",
        ties=[nd.fitting.tie(CAPACITANCE, "objectives.*.capacitance")],
        key=jax.random.key(0),
        steps=0,
        starts=STARTS,
        candidates=256,
        polish=100,
        polish_starts=STARTS,
        check_rank=False,
    )


def recorded(say: Callable[[str], None], figure: bool) -> None:
    """Fits the family and says what was found; draws it if wanted."""
    command, current = read()
    noise = float(np.median(np.abs(np.diff(current))) / 0.6745 / np.sqrt(2))
    kept = without_events(current, noise)
    began = time.perf_counter()
    result = fit(command, current, kept, noise)
    seconds = time.perf_counter() - began
    simulate = jax.jit(lambda model, objectives: jnp.stack([o.simulate(model) for o in objectives]))
    fitted = np.asarray(simulate(result.model, result.objectives))
    left = np.where(kept, current - fitted, np.nan)
    rms = np.sqrt(np.nanmean(left**2))
    ends = np.sort(np.asarray(result.polished))
    say(f"""
## A recorded family

{FILE.name} (Harden, pyABF, MIT licence): {len(current)} sweeps, each a ramp of 50 ms and then a level from {command[:, -1].min():g} to \
{command[:, -1].max():g} mV, currents from {np.quantile(current, 0.001):.0f} to {np.quantile(current, 0.999):.0f} pA;
one sample per ms, the median of {EVERY}. Synaptic events, {100 - 100 * kept.mean():.0f} % of the samples, do not count. Fitted by `nd.fit` with \
`CurrentTrace` are {len(result.parameters)}
numbers: a leak, an h current with a fast and a slow component, and a capacitance that the amplifier left uncompensated, from \
{STARTS} starts anywhere within
the bounds ({seconds:.0f} s; {np.sum(ends < 1.01 * ends[0])} of them end within 1 % of the lowest loss).

What is left is **{rms:.2f} pA** (root mean square), where the noise is {noise:.2f} pA per sample: the model describes the currents to \
{100 * rms / np.ptp(current[kept]):.1g} % of their range, and not to the noise.

![Command, recorded and fitted currents, and what is left](figures/{FIGURE.name})

| level, mV | left, pA rms | recorded at the end, pA | fitted |
|---|---|---|---|""")
    for levels, row, recorded, ours in zip(command, left, current, fitted, strict=True):
        end = f"{np.median(recorded[-200:]):.0f} | {np.median(ours[-200:]):.0f}"
        say(f"| {levels[-1]:g} | {np.sqrt(np.nanmean(row**2)):.1f} | {end} |")
    constants(say, result)
    if figure:
        draw(command, np.where(kept, current, np.nan), fitted, left, noise)


def constants(say: Callable[[str], None], result: nd.FitResult) -> None:
    """Says what was fitted and how well it is determined."""
    say("\n| constant | fitted | standard deviation | |\n|---|---|---|---|")
    found = nd.fitting.uncertainty(result).rescaled()
    for name, value, sd, unit in zip(found.names, found.values, found.sd, found.units, strict=True):
        short = name.removeprefix("channels.").replace("objectives.0.capacitance", "uncompensated capacitance")
        unit = "pF" if "capacitance" in name else unit
        say(f"| {short}{' (at a bound)' if name in found.at_bound else ''} | {value:.4g} | {sd:.2g} | {unit} |")
    say("""
Standard deviations are those of independent noise as large as what is left, which is not independent (it is largest at the ends of the ramps), so they are too small. A constant at a
bound, or one whose standard deviation is large, is not determined by these sweeps: all but one move by 5 mV, and no blocker takes the currents apart. That the h current has two components
was chosen by what simpler models left of these same sweeps: with one, and a potassium current beside it, 6.7 pA. Bar: the fit shown with what it leaves, as above.""")


def draw(command, current, fitted, left, noise: float) -> None:
    """Command, currents and what is left over time, a colour for each level."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    levels = command[:, -1]
    colours = plt.get_cmap("viridis")
    shade = Normalize(levels.min(), levels.max() + 6)  # the yellow end does not show on white
    figure, axes = plt.subplots(
        3, 1, figsize=(9, 9), sharex=True, height_ratios=[1, 3, 1.6], layout="constrained", squeeze=True
    )
    for level, volts, recorded, ours, rest in zip(levels, command, current, fitted, left, strict=True):
        colour = colours(shade(level))
        axes[0].plot(volts, color=colour, linewidth=1.0)
        axes[1].plot(recorded, color=colour, linewidth=2.5, alpha=0.4)
        axes[1].plot(ours, color="black", linewidth=0.7)
        axes[2].plot(rest, color=colour, linewidth=0.6)
    axes[1].legend(
        [Line2D([], [], color=colours(0.5), linewidth=2.5, alpha=0.4), Line2D([], [], color="black", linewidth=0.7)],
        ["recorded (gaps: synaptic events)", "fitted"],
        loc="upper right",
        ncols=2,
        frameon=False,
    )
    axes[1].set_ylim(top=np.nanmax(current) + 130)  # room for the legend
    axes[2].axhspan(-noise, noise, color="0.85", zorder=0, label="noise of a sample, one standard deviation")
    axes[2].legend(loc="upper right", frameon=False)
    axes[2].set_ylim(-40, 40)
    for ax, label in zip(axes, ("command (mV)", "current (pA)", "recorded - fitted (pA)"), strict=True):
        ax.set_ylabel(label)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0.01)
    axes[2].set_xlabel("time (ms)")
    mappable = plt.cm.ScalarMappable(norm=shade, cmap=colours)
    bar = figure.colorbar(mappable, ax=axes, ticks=levels[::2], aspect=50, pad=0.01)
    bar.ax.set_ylim(levels.min(), levels.max())
    bar.set_label("level of the sweep (mV)")
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--figure", action="store_true", help=f"draw figures/{FIGURE.name}")
    recorded(print, parser.parse_args().figure)


if __name__ == "__main__":
    nd.configure_cpu(devices=2)
    jax.config.update("jax_enable_x64", True)
    main()
