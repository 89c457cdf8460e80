"""An auditory receptor of a grasshopper from its spike times: an integrate-and-fire neuron with adaptation, by likelihood.

    pip install nitime
    python -m benchmarks.fit_grasshopper [--file 1|2]

The recording comes with the package nitime (Rokem et al. 2006, J. Neurophysiol. 95:2541): 10 s of one cell under a tone whose level is modulated by Gaussian
noise, up to 200 Hz in file 1 and up to 800 Hz in file 2. Neither was repeated, so that the reliability of the cell is not known; what stands for it is that
of the fitted neuron, were it the truth. The first 7 s are fitted, the last 3 s predicted. Prints a table.
"""

import argparse
import time
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import neurodyn as nd
from neurodyn._parameter import parameter


DURATION, SEEN = 10_000.0, 7000.0  # ms
DT = 0.2  # ms, four samples
RATE, WIDTH = 1.0, 1.0  # hazard at the threshold, 1/ms, and how far from it, in mV, it is e times as much or little
SATURATION = 12.0  # dB; the tone's level is up to 18 dB above its mean
BLUR = 2.0  # standard deviation of the kernel of smoothed rates, ms
REPEATS = 20


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
    mean = np.mean(rates, axis=0)
    others = [np.mean(rates[:i] + rates[i + 1 :], axis=0) for i in range(len(rates))]
    found = {"bits per spike": unseen_information(model, stimulus, spikes)}
    found["rate Hz"] = float(np.mean([unseen(train).size for train in trains])) / (DURATION - SEEN) * 1e3
    for window in (1.0, 2.0, 4.0):
        found[f"coincidence {window:g} ms"] = float(np.mean([coincidence(spikes, train, window) for train in trains]))
        pairs = zip(trains[:-1], trains[1:], strict=True)
        found[f"its own {window:g} ms"] = float(np.mean([coincidence(a, b, window) for a, b in pairs]))
        found[f"without noise {window:g} ms"] = coincidence(spikes, sure, window)
    found["correlation"] = correlation(data, mean)
    found["its own correlation"] = float(np.mean([correlation(a, b) for a, b in zip(rates, others, strict=True)]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", type=int, choices=(1, 2), default=1)
    parser.add_argument("--starts", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    level, spikes = recording(given.file)
    stimulus = nd.Samples(jnp.asarray(level, jnp.float32), DT, start=5.5)
    print(f"file {given.file}: {spikes.size} spikes, {np.sum(spikes < SEEN)} of them in the part that is fitted")
    began = time.process_time()
    result = fitted(stimulus, spikes, given)
    print(f"{result}\nlosses of the starts {result.polished}; {time.process_time() - began:.0f} s on one core")
    for name in ("decay", "increment"):
        print(f"after-spike currents, {name}: {getattr(result.model.after_spike, name)}")
    models = {"fitted": (result.model, result.objectives[0].stimulus), "not fitted": (start(), stimulus)}
    print()
    table = {name: scores(*pair, spikes) for name, pair in models.items()}
    print(
        f"| on the last {(DURATION - SEEN) / 1e3:g} s | " + " | ".join(table) + " |\n" + "|---" * (1 + len(table)) + "|"
    )
    for row in table["fitted"]:
        print(f"| {row} | " + " | ".join(f"{column[row]:.3g}" for column in table.values()) + " |")
    print(f"\nrate of the cell: {unseen(spikes).size / (DURATION - SEEN) * 1e3:.1f} Hz; bits per spike of")
    print(f"- a linear filter and an exponential: {regression(level, spikes, False):.3g}")
    print(f"- the same and a filter of the cell's own spikes: {regression(level, spikes, True):.3g}")


if __name__ == "__main__":
    nd.configure_cpu(devices=1)
    main()
