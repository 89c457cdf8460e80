"""How a fitted cell compares with the recording, step by step."""

import dataclasses
from typing import Any

import numpy as np

from .._table import as_html, as_text
from ..io import Passive, ProtocolStep


WINDOW = 10.0  # ms; within which two spikes coincide


@dataclasses.dataclass(frozen=True, repr=False)
class StepScores:
    """The spikes of data and model in some steps of a recording; shows itself as a table.

    **Fields:** `steps`, each a `ProtocolStep`; `data` and `model`, of each step the spikes in it, ms from its start.
    """

    steps: tuple[ProtocolStep, ...]
    data: tuple[np.ndarray, ...]
    model: tuple[np.ndarray, ...]

    @property
    def counts(self) -> np.ndarray:
        """How many spikes data and model have in each step, shape (steps, 2)."""
        return np.array([[d.size, m.size] for d, m in zip(self.data, self.model, strict=True)])

    @property
    def latencies(self) -> np.ndarray:
        """When the first spikes of data and model are, ms from the start of each step, shape (steps, 2); NaN without one."""
        pairs = zip(self.data, self.model, strict=True)
        return np.array([[x[0] if x.size else np.nan for x in pair] for pair in pairs])

    @property
    def coincidence(self) -> float:
        """The coincidence factor within 10 ms over all steps together: 1 is perfect, 0 is chance; see `pooled_coincidence`."""
        return pooled_coincidence(self.data, self.model, [s.duration for s in self.steps], WINDOW)

    def summary(self) -> dict[str, float]:
        """Numbers over all steps; those of the levels are over the steps in which the data have a spike.

        **Returns:** `coincidence`; `levels`, how many steps have spikes; `counts_within_1`, in how many of them the counts differ by one at most; `count_error`, the
        mean absolute difference of the counts; `latency_error`, the median absolute relative error of the first spike, over the steps in which the model has one
        too.
        """
        counts, latencies = self.counts, self.latencies
        firing = counts[:, 0] > 0
        off = np.abs(np.diff(counts[firing], axis=1)[:, 0])
        both = np.isfinite(latencies).all(axis=1)
        relative = np.abs(latencies[both, 1] - latencies[both, 0]) / latencies[both, 0]
        return {
            "coincidence": self.coincidence,
            "levels": int(firing.sum()),
            "counts_within_1": int((off <= 1).sum()),
            "count_error": float(off.mean()) if off.size else 0.0,
            "latency_error": float(np.median(relative)) if relative.size else float("nan"),
        }

    def as_data(self) -> dict[str, Any]:
        """Everything as plain numbers, None for what is not there."""
        rows = [
            {
                "sweep": s.sweep,
                "start_ms": s.start,
                "stop_ms": s.stop,
                "amplitude_pA": s.amplitude,
                "spike_times_ms": {k: [round(float(t), 3) for t in x] for k, x in (("data", d), ("model", m))},
            }
            for s, d, m in zip(self.steps, self.data, self.model, strict=True)
        ]
        return {**self.summary(), "steps": rows}

    def _table(self) -> tuple[list[str], list[list[str]]]:
        header = ["step (ms)", "level (pA)", "spikes: data", "model", "first (ms): data", "model"]
        rows = []
        for s, n, t in zip(self.steps, self.counts, self.latencies, strict=True):
            first = ["" if np.isnan(x) else f"{x:.1f}" for x in t]
            rows.append([f"{s.start:g} to {s.stop:g}", f"{s.amplitude:g}", *(str(k) for k in n), *first])
        return header, rows

    def _last(self) -> str:
        x = self.summary()
        return (
            f"coincidence within {WINDOW:g} ms {x['coincidence']:.2f}; spike counts off by at most one in {x['counts_within_1']} of {x['levels']} levels; first "
            f"spikes off by {100 * x['latency_error']:.0f} % (median)"
        )

    def __repr__(self) -> str:
        return f"{as_text(*self._table())}\n{self._last()}"

    def _repr_html_(self) -> str:
        return f"{as_html(*self._table())}<p>{self._last()}</p>"


def pooled_coincidence(data: Any, model: Any, durations: Any, window: float) -> float:
    """The coincidence factor of several pairs of trains together: the matches within +-`window` ms, one to one, less those expected by chance of a train of the
    model's rate in each of them, over the mean number of spikes, so that a perfect match is 1.

    For one pair it is `analysis.coincidence_factor`.

    Source: Jolivet et al. (2008), J. Neurosci. Methods 169:417.
    """
    matches = sum(_matches(d, m, window) for d, m in zip(data, model, strict=True))
    n_data, n_model = sum(d.size for d in data), sum(m.size for m in model)
    if n_data + n_model == 0:
        return 1.0
    chance = sum(2 * window * m.size / t * d.size for d, m, t in zip(data, model, durations, strict=True))
    share = chance / n_data if n_data else 0.0
    return float((matches - chance) / (0.5 * (n_data + n_model)) / (1 - min(share, 0.99)))


def _matches(data: np.ndarray, model: np.ndarray, window: float) -> int:
    """The largest number of one-to-one pairs: in order, each spike takes the first free partner within reach."""
    count = j = 0
    for t in data:
        while j < model.size and model[j] < t - window:
            j += 1
        if j < model.size and model[j] <= t + window:
            count, j = count + 1, j + 1
    return count


def passive_rows(data: Passive, model: Passive) -> tuple[list[str], list[list[str]]]:
    """A table of the passive properties of both."""
    rows = [
        ["input resistance, steady (Mohm)", f"{data.input_resistance:.1f}", f"{model.input_resistance:.1f}"],
        ["input resistance, peak (Mohm)", f"{data.peak_resistance:.1f}", f"{model.peak_resistance:.1f}"],
        ["sag ratio", f"{data.sag_ratio:.2f}", f"{model.sag_ratio:.2f}"],
        ["time constant (ms)", f"{data.tau:.1f}", f"{model.tau:.1f}"],
        ["rest (mV)", f"{data.rest:.1f}", f"{model.rest:.1f}"],
    ]
    return [f"step of {data.steps[0].amplitude:g} pA", "data", "model"], rows
