"""How a fitted cell compares with the recording, step by step."""

import dataclasses
from typing import Any

import numpy as np

from .._table import as_html, as_text
from ..analysis.coincidence import count_matches
from ..io import Passive, ProtocolStep


WINDOWS = (5.0, 10.0)  # ms; within which two spikes coincide


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

    def coincidence(self, window: float = WINDOWS[0]) -> float:
        """The coincidence factor over the steps in which data or model fire, taken together: 1 is perfect, 0 is chance.

        `(N_c - 2 nu window N_data) / (0.5 (N_data + N_model)) / (1 - 2 nu window)` with N_c the one-to-one matches within +-`window` ms of all steps and nu the
        model's mean rate in them. For one step it is `analysis.coincidence_factor`.

        Source: Kistler, Gerstner and van Hemmen (1997), Neural Computation 9:1015.
        """
        trains = [(d, m, s) for d, m, s in zip(self.data, self.model, self.steps, strict=True) if d.size + m.size]
        if not trains:
            return 1.0
        matches = sum(count_matches(d, m, window) for d, m, _ in trains)
        n_data, n_model = sum(d.size for d, _, _ in trains), sum(m.size for _, m, _ in trains)
        chance = min(2 * window * n_model / sum(s.duration for _, _, s in trains), 0.99)
        return float((matches - chance * n_data) / (0.5 * (n_data + n_model)) / (1 - chance))

    def summary(self) -> dict[str, float]:
        """Numbers over all steps; those of the levels are over the steps in which the data have a spike.

        **Returns:** `coincidence_5_ms` and `coincidence_10_ms`; `levels`, how many steps have spikes; `counts_within_1`, in how many of them the counts differ by one at most; `count_error`, the
        mean absolute difference of the counts; `latency_error`, the median absolute relative error of the first spike, over the steps in which the model has one
        too.
        """
        counts, latencies = self.counts, self.latencies
        firing = counts[:, 0] > 0
        off = np.abs(np.diff(counts[firing], axis=1)[:, 0])
        both = np.isfinite(latencies).all(axis=1)
        relative = np.abs(latencies[both, 1] - latencies[both, 0]) / latencies[both, 0]
        return {
            **{f"coincidence_{w:g}_ms": self.coincidence(w) for w in WINDOWS},
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

    def sentence(self) -> str:
        """The summary in words."""
        x = self.summary()
        return (
            f"coincidence {x['coincidence_5_ms']:.2f} within 5 ms, {x['coincidence_10_ms']:.2f} within 10 ms; spike counts off by at most one in {x['counts_within_1']} of {x['levels']} levels; first "
            f"spikes off by {100 * x['latency_error']:.0f} % (median)"
        )

    def __repr__(self) -> str:
        return f"{as_text(*self._table())}\n{self.sentence()}"

    def _repr_html_(self) -> str:
        return f"{as_html(*self._table())}<p>{self.sentence()}</p>"


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
