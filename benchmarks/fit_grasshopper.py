"""An auditory receptor of a grasshopper from its spike times: an integrate-and-fire neuron with adaptation, by likelihood.

    pip install 'neurodyn[examples]'
    python -m benchmarks.fit_grasshopper [--file 1|2] [--write]

The recordings come with the package nitime (Rokem et al. 2006, J. Neurophysiol. 95:2541). The first 7 s of each are fitted, the last 3 s predicted. Prints
tables; `--write` puts them into RESULTS.md.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn._parameter import parameter

from .results import part


DURATION, SEEN = 10_000.0, 7000.0  # ms
DT = 0.2  # ms, four samples
RATE, WIDTH = 1.0, 1.0  # hazard at the threshold, 1/ms, and how far from it, in mV, it is e times as much or little
SATURATION = 12.0  # dB; the tone's level is up to 18 dB above its mean
BLUR = 2.0  # standard deviation of the kernel of smoothed rates, ms
REPEATS = 20
MODULATED = {1: 200, 2: 800}  # Hz, the highest frequency in the level of the tone, by file
WINDOWS = (1.0, 2.0, 4.0)  # ms, within which spikes coincide


class Escaping(nd.AbstractSpikingNeuron):
    """A neuron that fires at random with the hazard `RATE exp(margin / WIDTH)`: whenever its integral since the last spike reaches the next of `levels`, which
    are exponentially distributed."""

    model: nd.AbstractSpikingNeuron
    levels: Any = parameter(trainable=False)

    resets: ClassVar[bool] = True

    def init(self):
        return {"model": self.model.init(), "hazard": jnp.zeros(()), "count": jnp.zeros(())}

    def _ready(self, t, y):
        return self.model.jump(t, y["model"], jnp.asarray(True))[1] > 0

    def dynamics(self, t, y, drive):
        inner = self.model.dynamics(t, y["model"], drive)
        hazard = RATE * jnp.exp(jnp.minimum(self.model.margin(t, y["model"]) / WIDTH, 10.0))
        own = {"hazard": jnp.where(self._ready(t, y), hazard, 0.0), "count": jnp.zeros(())}
        return nd.Linearised({"model": inner.slope, **own}, {"model": inner.decay, **dict.fromkeys(own)})

    def observe(self, t, y, drive):
        return {}

    def groups(self):
        return {"model": self.model.groups(), "hazard": 0, "count": 0}

    def margin(self, t, y):
        level = self.levels[y["count"].astype(int)]
        return jnp.where(self._ready(t, y), y["hazard"] - level, self.model.margin(t, y["model"]))

    def jump(self, t, y, fired):
        state, emitted = self.model.jump(t, y["model"], fired)
        return {"model": state, "hazard": (1 - emitted) * y["hazard"], "count": y["count"] + emitted}, emitted


def recording(file: int) -> tuple[np.ndarray, np.ndarray]:
    """The level of the tone, dB above its mean and saturated like the ear, one value per DT, and the spike times, ms."""
    import nitime

    folder = Path(nitime.__file__).parent / "data"
    pressure = np.loadtxt(folder / f"grasshopper_stimulus{file}.txt")[:, 1]  # every 50 us
    level = 20 * np.log10(pressure).reshape(-1, round(DT / 0.05)).mean(axis=1)
    level -= level.mean()
    return SATURATION * np.tanh(level / SATURATION), np.loadtxt(
        folder / f"grasshopper_spike_times{file}.txt"
    ) / 1e3  # from us


def start() -> nd.GLIF:
    """A fast membrane with after-spike currents of some ms, some tens of ms and some s, and a threshold that follows spikes and voltage. One dB is one pA."""
    currents = nd.points.AfterSpikeCurrents(
        jnp.asarray([0.3, 0.03, 0.001]), jnp.asarray([-5.0, -0.5, -0.05]), jnp.ones(3)
    )
    membrane: dict[str, Any] = dict(capacitance=2.0, g_leak=2.0, threshold=-67.0, fraction=0.0, drop=0.0)
    moving: dict[str, Any] = dict(increment_s=2.0, decay_s=0.1, a_v=0.05, decay_v=0.3)
    return nd.GLIF(**membrane, **moving, refractory=2.5, after_spike=currents)


BOUNDS = {
    "capacitance": (0.1, 20.0),
    "g_leak": (0.1, 20.0),
    "threshold": (-75.0, -45.0),
    "refractory": (1.0, 3.0),
    "decay_s": (0.005, 1.0),
    "decay_v": (0.01, 3.0),
    "objectives.0.stimulus.start": (2.0, 8.0),  # the delay of the ear
}
TRAINABLE = [path for path in BOUNDS if not path.startswith("objectives")]
TRAINABLE += ["after_spike.decay", "after_spike.increment", "increment_s", "a_v"]


def likelihood(stimulus, spikes: np.ndarray, window: tuple[float, float]) -> nd.fitting.SpikeLikelihood:
    t1 = window[1]
    return nd.fitting.SpikeLikelihood(
        stimulus, spikes[spikes < t1], t1, width=(2 * WIDTH, WIDTH), rate=RATE, window=window, dt=DT
    )


def fitted(stimulus, spikes: np.ndarray, options) -> nd.FitResult:
    return nd.fit(
        start(),
        likelihood(stimulus, spikes, (0.0, SEEN)),
        trainable=TRAINABLE,
        nuisance="0.stimulus.start",
        bounds=BOUNDS,
        key=jax.random.key(0),
        starts=options.starts,
        steps=0,
        polish=options.steps,
        polish_starts=options.starts,
        check_rank=False,
    )


def information(log_likelihood: float, count: int, duration: float) -> float:
    """Bits per spike over a Poisson process of the same rate."""
    return (log_likelihood - count * (np.log(count / duration) - 1)) / count / np.log(2)


def unseen_information(model, stimulus, spikes: np.ndarray) -> float:
    target = likelihood(stimulus, spikes, (SEEN, DURATION))
    value = eqx.filter_jit(lambda target, model: target.log_likelihood(model))(target, model)
    return information(float(value), int(np.sum(spikes >= SEEN)), DURATION - SEEN)


def repeats(model, stimulus) -> list[np.ndarray]:
    """Spike times of the neuron that fires at random."""

    @eqx.filter_jit
    def run(model, stimulus, keys):
        method = nd.FixedStep(DT / 2, reset=nd.GridReset())

        def one(key):
            cell = Escaping(model, jax.random.exponential(key, (4096,)))
            return nd.simulate(cell, stimulus, DURATION, method=method, record=[], max_spikes=4095).spikes.times

        return jax.vmap(one)(keys)

    times = np.asarray(run(model, stimulus, jax.random.split(jax.random.key(1), REPEATS)))
    return [train[np.isfinite(train)] for train in times]


def certain(model: nd.GLIF, stimulus, wanted: int) -> np.ndarray:
    """Spike times of the neuron without noise, its threshold moved so that it fires as often as wanted in the part that was fitted."""

    @eqx.filter_jit
    def run(model, stimulus, lower):
        moved = nd.replace(model, {"threshold": model.threshold - lower})
        return nd.simulate(moved, stimulus, DURATION, dt=DT, record=[], max_spikes=4095).spikes.times

    trains = [np.asarray(run(model, stimulus, jnp.asarray(lower))) for lower in np.linspace(-1.0, 6.0, 15)]
    counts = np.asarray([np.sum(train < SEEN) for train in trains])
    train = trains[int(np.argmin(np.abs(counts - wanted)))]
    return train[np.isfinite(train)]


def unseen(train: np.ndarray) -> np.ndarray:
    return train[(train >= SEEN) & (train < DURATION)] - SEEN


def coincidence(a: np.ndarray, b: np.ndarray, window: float) -> float:
    return nd.analysis.coincidence_factor(unseen(a), unseen(b), DURATION - SEEN, window)


def smooth(train: np.ndarray) -> np.ndarray:
    at = jnp.arange(0.0, DURATION - SEEN, 0.5)
    return np.asarray(nd.analysis.instantaneous_rate(unseen(train), at, BLUR))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def regression(level: np.ndarray, spikes: np.ndarray, history: bool) -> float:
    """Bits per spike of the unseen part under a generalised linear model: filters of the level over 3 to 15 ms and of the cell's own spikes, bins of 0.4 ms."""
    width = 0.4
    x = level[: level.size // 2 * 2].reshape(-1, 2).mean(axis=1) / level.std()
    counts = np.histogram(spikes, np.arange(x.size + 1) * width)[0].astype(float)

    def lagged(signal, lag):
        return np.concatenate([np.zeros(lag), signal[:-lag]])

    columns = [np.ones(x.size)] + [lagged(x, lag) for lag in range(7, 38)]
    edges = [1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 17, 22, 30, 45, 70, 120, 200, 400, 1000, 3000]
    if history:
        total = np.cumsum(np.append(0.0, counts))
        index = np.arange(x.size)
        columns += [
            total[np.maximum(index - a + 1, 0)] - total[np.maximum(index - b + 1, 0)]
            for a, b in zip(edges[:-1], edges[1:], strict=True)
        ]
    design, seen = np.stack(columns, axis=1), np.arange(x.size) * width < SEEN
    weights = np.zeros(design.shape[1])
    weights[0] = np.log(counts[seen].mean())
    for _ in range(30):
        mean = np.exp(np.clip(design[seen] @ weights, -30.0, 3.0))
        gradient = design[seen].T @ (counts[seen] - mean) - weights
        curvature = (design[seen].T * mean) @ design[seen] + np.eye(weights.size)
        step = np.linalg.solve(curvature, gradient)
        weights += step * min(1.0, 2.0 / np.abs(design[seen] @ step).max())
    log = design[~seen] @ weights
    value = np.sum(counts[~seen] * (log - np.log(width))) - np.sum(np.exp(log))
    return information(float(value), int(counts[~seen].sum()), DURATION - SEEN)


def scores(model, stimulus, spikes: np.ndarray) -> dict[str, float]:
    """How well a neuron predicts the unseen part, and how well it would predict itself."""
    trains = repeats(model, stimulus)
    rates = [smooth(train) for train in trains]
    data, sure = smooth(spikes), certain(model, stimulus, int(np.sum(spikes < SEEN)))
    others = [np.mean(rates[:i] + rates[i + 1 :], axis=0) for i in range(len(rates))]
    found = {"bits per spike": unseen_information(model, stimulus, spikes)}
    found["rate, Hz"] = float(np.mean([unseen(train).size for train in trains])) / (DURATION - SEEN) * 1e3
    for window in WINDOWS:
        name, pairs = f"coincidence within {window:g} ms: ", zip(trains[:-1], trains[1:], strict=True)
        found[name + "with the cell"] = float(np.mean([coincidence(spikes, train, window) for train in trains]))
        found[name + "with itself"] = float(np.mean([coincidence(a, b, window) for a, b in pairs]))
        found[name + "without noise, with the cell"] = coincidence(spikes, sure, window)
    found["correlation of rates: with the cell"] = correlation(data, np.mean(rates, axis=0))
    own = [correlation(a, b) for a, b in zip(rates, others, strict=True)]
    found["correlation of rates: with itself"] = float(np.mean(own))
    return found


def report(file: int, say: Callable[[str], None], options) -> None:
    """Fit one recording and say what came of it."""
    level, spikes = recording(file)
    stimulus = nd.Samples(jnp.asarray(level, jnp.float32), DT, start=5.5)
    began = time.process_time()
    result = fitted(stimulus, spikes, options)
    seconds = time.process_time() - began
    target: Any = result.objectives[0]
    table = {"fitted": scores(result.model, target.stimulus, spikes), "not fitted": scores(start(), stimulus, spikes)}
    glm = {"filter": regression(level, spikes, False), "filter and history": regression(level, spikes, True)}
    say(f"""
## Modulated up to {MODULATED[file]} Hz

{spikes.size} spikes, {np.sum(spikes < SEEN)} of them in the part that is fitted; {unseen(spikes).size / (DURATION - SEEN) * 1e3:.1f} Hz in the other. \
The fit took {seconds:.0f} s on one core.

| on the last {(DURATION - SEEN) / 1e3:g} s | {" | ".join([*table, *glm])} |
{"|---" * (1 + len(table) + len(glm))}|""")
    for row in table["fitted"]:
        others = [f"{value:.3g}" if row == "bits per spike" else "" for value in glm.values()]
        say(f"| {row} | {' | '.join([f'{column[row]:.3g}' for column in table.values()] + others)} |")
    say("\n| constant | start | fitted | |\n|---|---|---|---|")
    for p in result.parameters:
        before, after = (", ".join(f"{x:.3g}" for x in np.ravel(np.asarray(value))) for value in (p.before, p.after))
        name = p.path.replace("objectives.0.stimulus.start", "delay of the ear")
        say(f"| {name}{' (at a bound)' if p.at_bound else ''} | {before} | {after} | {p.unit} |")
    ours, theirs = table["fitted"]["bits per spike"], glm["filter and history"]
    say(
        f"\nThe fitted neuron tells {ours:.3g} bits per spike of what it has not seen, the generalised linear model {theirs:.3g}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--file", type=int, choices=tuple(MODULATED), help="default: both")
    parser.add_argument("--starts", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--write", action="store_true", help="put the results into RESULTS.md")
    given = parser.parse_args()
    with part("Fits to spike trains of a receptor", given.write) as say:
        say(f"""An auditory receptor of a grasshopper under a tone whose level is modulated by Gaussian noise: two recordings of {DURATION / 1e3:g} s \
that come with the package nitime
(Rokem et al. 2006, J. Neurophysiol. 95:2541). A `GLIF` neuron, with three after-spike currents and a threshold that follows spikes and voltage, is fitted to
the spike times of the first {SEEN / 1e3:g} s by their likelihood (`nd.fit` with `SpikeLikelihood`): it fires at random near its threshold. Then it predicts \
the last {(DURATION - SEEN) / 1e3:g} s. Made by
`python -m benchmarks.fit_grasshopper`.

*Bits per spike*: the log likelihood of the unseen spikes over that of a Poisson process of their rate. *Coincidence*: the factor of Kistler et al. (1997), 0
by chance and 1 for the same train, of {REPEATS} random runs of the neuron with the cell and with each other, and of one run without noise. *Correlation*: of \
rates, smoothed with {BLUR:g} ms.

Neither recording was repeated. So it is not known how reliable the cell is, and no model's share of what could be predicted: what the neuron has in common with
itself says how reliable the cell were, were the neuron the truth. The yardstick is a generalised linear model of the same {SEEN / 1e3:g} s instead: a \
*filter* of the level over
3 to 15 ms and an exponential, and the same with a filter of the cell's own spikes, its *history*.""")
        for file in [given.file] if given.file else MODULATED:
            report(file, say, given)


if __name__ == "__main__":
    nd.configure_cpu(devices=1)
    main()
