"""The course of a fit: phase after phase, step after step, with checkpoints in between."""

import dataclasses
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from ..._paths import join
from ..storage import RunDirectory, Stop
from ..task import Task
from .display import Display
from .phase import AbstractPhase, Ends, Record
from .polish import Polish


class Progress(eqx.Module):
    """What a callback sees after each step: the name of the `phase`, its `step` (from 0), the `fraction` of it that is over, and per point
    `loss` and `gradient_norm`, shape (points,)."""

    phase: str
    step: int
    fraction: float
    loss: np.ndarray
    gradient_norm: np.ndarray


_SETTLED, _STEEP = 3, 0.98  # a polish has settled once its loss falls by less than this factor in so many steps


@dataclasses.dataclass
class Course:
    """Where a fit is: its phases, several attempts one after the other; `records` holds what every step so far said, phase by phase; `ends` where the finished
    phases ended.
    """

    task: Task
    phases: Sequence[AbstractPhase]
    attempts: int
    ends: list[Ends] = dataclasses.field(default_factory=list)
    records: list[list[Record]] = dataclasses.field(default_factory=list)
    state: Any = None
    began: float = dataclasses.field(default_factory=time.monotonic)
    before: float = 0.0  # seconds that earlier processes worked on it

    def __post_init__(self) -> None:
        self.records = [[] for _ in self.phases]

    @property
    def phase(self) -> int:
        """Which phase is under way."""
        return len(self.ends)

    @property
    def per_attempt(self) -> int:
        """How many phases an attempt has."""
        return len(self.phases) // self.attempts

    def label(self, index: int) -> str:
        """The name of a phase, with the number of the attempt from the second on."""
        attempt = index // self.per_attempt
        return self.phases[index].name if attempt == 0 else f"{self.phases[index].name} {attempt + 1}"

    @property
    def made(self) -> int:
        """How many steps have been made, of all phases."""
        return sum(len(records) for records in self.records)

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.began

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything, as arrays by path."""
        stored = {"ends": self.ends, "records": [_joined(records) for records in self.records], "state": self.state}
        found = {join(k): np.asarray(x) for k, x in jtu.tree_flatten_with_path(stored)[0] if eqx.is_array_like(x)}
        return found | {"phase": np.asarray(self.phase), "seconds": np.asarray(self.seconds)}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Go to where another process was.

        **Raises:** `ValueError` when an array is missing or has another shape or type.
        """
        for i in range(int(arrays["phase"])):
            paths = self.task.space.bijections
            theta = {path: jnp.asarray(_stored(arrays, f"ends.{i}.theta.{path}")) for path in paths}
            self.ends.append(Ends(theta, _stored(arrays, f"ends.{i}.start"), _stored(arrays, f"ends.{i}.loss")))
        self.records = [_parted(arrays, f"records.{i}") for i in range(len(self.phases))]
        if self.phase < len(self.phases) and self.records[self.phase]:
            phase = self.phases[self.phase]
            like = phase.begin(self.task, self._last())
            self.state = phase.restored(jtu.tree_map_with_path(lambda keys, x: _like(arrays, keys, x), like))
        self.before = float(arrays["seconds"])
        self.began = time.monotonic()

    def follow(
        self,
        *,
        stop: Stop,
        stop_below: float | None = None,
        patience: int | None = None,
        callback: Callable[[Progress], bool | None] | None = None,
        progress: bool = False,
        directory: RunDirectory | None = None,
        every: int = 1,
    ) -> str:
        """Make all steps that are left, unless something ends it. **Returns:** why it ended."""
        reason = self._good_before(stop_below)
        all_attempts = stop_below is None  # will be made
        display = Display(self.task, *self._steps(all_attempts), progress)
        try:
            while reason is None and self.phase < len(self.phases):
                phase, records = self.phases[self.phase], self.records[self.phase]
                display.begin(self.label(self.phase), *self._steps(all_attempts))
                if self.state is None:
                    self.state = phase.begin(self.task, self._last())
                if phase.finished(self.state) or len(records) == phase.steps():
                    self.close()
                    reason = self._good_attempt(stop_below)
                    continue
                self.state, record = phase.step(self.task, self.state, len(records))
                records.append(record)
                if directory is not None:
                    directory.log(self._line(record))
                if len(records) == 1:
                    _check_first(self.task, phase, record)
                reason = self._why_end(stop, callback) or self._enough(stop_below)
                if directory is not None and (reason is not None or self.made % every == 0):
                    directory.save(self.made, self.arrays())
                self._show(display, record)
                if reason is None and self._stuck(stop_below, patience):
                    self.close()
        except KeyboardInterrupt:
            reason = f"interrupted in {self.label(min(self.phase, len(self.phases) - 1))}"
        finally:
            display.close()
        if directory is not None and self.state is None:  # between phases: not saved with the last step
            directory.save(self.made, self.arrays())
        return reason or "all steps made"

    def _steps(self, all_attempts: bool) -> tuple[int, int]:
        """How many steps the present attempt, or all of them, have, and how many of those are over, the ones that earlier phases did without included."""
        first = 0 if all_attempts else self.phase - self.phase % self.per_attempt
        last = len(self.phases) if all_attempts else first + self.per_attempt
        over = sum(p.steps() for p in self.phases[first : self.phase])
        made = len(self.records[self.phase]) if self.phase < len(self.phases) else 0
        return sum(p.steps() for p in self.phases[first:last]), over + made

    def _show(self, display: Display, record: Record) -> None:
        phase, made = self.phases[self.phase], len(self.records[self.phase])
        meaning = self.phase, phase.stage(self.task, made - 1)
        display.tell(record, meaning, self.task, lambda: phase.leader(self.task, self.state, made - 1))

    def close(self) -> None:
        """End the phase that is under way, wherever it is."""
        phase = self.phases[self.phase]
        if self.state is None:
            self.state = phase.begin(self.task, self._last())
        self.ends.append(phase.end(self.task, self.state))
        self.state = None

    def _last(self) -> Ends | None:
        return self.ends[-1] if self.ends else None

    def _why_end(self, stop: Stop, callback: Any) -> str | None:
        """Who wants the fit to end after the step just made, or None."""
        phase, record, made = self.phases[self.phase], self.records[self.phase][-1], len(self.records[self.phase])
        name = self.label(self.phase)
        said = Progress(name, made - 1, (made - 1) / phase.steps(), record.loss, record.gradient_norm)
        if callback is not None and callback(said):
            return f"stopped by the callback after step {made} of {name}"
        if stop.signal is not None:
            return f"interrupted by {stop.signal.name} after step {made} of {name}"
        return None

    def _enough(self, stop_below: float | None) -> str | None:
        """Why the fit is good enough, in the last phase of an attempt, or None."""
        records, last = self.records[self.phase], (self.phase + 1) % self.per_attempt == 0
        if not last or stop_below is None or not records[-1].comparable or records[-1].lowest() >= stop_below:
            return None
        before = records[-1 - _SETTLED].lowest() if len(records) > _SETTLED else np.inf
        if isinstance(self.phases[self.phase], Polish) and records[-1].lowest() < _STEEP * before:
            return None  # in the right valley, and not at its bottom yet
        return f"loss below {stop_below:g} after step {len(records)} of {self.label(self.phase)}"

    def _good_before(self, stop_below: float | None) -> str | None:
        """Why a fit that was read from disk needs no other step, or None."""
        if self.phase and self.state is None:
            return self._good_attempt(stop_below)
        return self._enough(stop_below) if self.phase < len(self.phases) and self.records[self.phase] else None

    def _good_attempt(self, stop_below: float | None) -> str | None:
        """Why no other attempt is needed after the phase that has just ended, or None."""
        if stop_below is None or self.phase % self.per_attempt or not np.min(self.ends[-1].loss) < stop_below:
            return None
        return f"loss below {stop_below:g} at the end of {self.label(self.phase - 1)}"

    def _stuck(self, stop_below: float | None, patience: int | None) -> bool:
        """Whether the phase has nothing more to give: its loss is low enough for the next one, or has not fallen for long."""
        lowest = [record.lowest() for record in self.records[self.phase] if record.comparable]
        if not lowest or not self.records[self.phase][-1].comparable:
            return False
        last = (self.phase + 1) % self.per_attempt == 0
        if stop_below is not None and lowest[-1] < stop_below and not last:
            return True
        return patience is not None and len(lowest) > patience and min(lowest[-patience:]) >= min(lowest[:-patience])

    def _line(self, record: Record) -> dict[str, Any]:
        """A line of the log."""
        norm = record.gradient_norm[np.isfinite(record.gradient_norm)]
        loss = record.loss[np.isfinite(record.loss)]
        return {
            "phase": self.label(self.phase),
            "step": len(self.records[self.phase]),
            "seconds": round(self.seconds, 3),
            "loss": float(loss.min()) if loss.size else None,
            "median_loss": float(np.median(loss)) if loss.size else None,
            "gradient_norm": float(np.median(norm)) if norm.size else None,
            "points": int(record.loss.size),
            "skipped": int(record.skipped.sum()),
        }


def _check_first(task: Task, phase: AbstractPhase, record: Record) -> None:
    """Refuse a phase none of whose points has a finite loss and gradient, and point out one without any gradient."""
    usable = np.isfinite(record.loss) & ~record.skipped
    if not usable.any():
        bad = [
            f"objectives[{i}] ({type(objective).__name__})"
            for i, objective in enumerate(task.objectives)
            if not np.isfinite(float(objective.loss(task.model, 0.0)))
        ]
        said = f"the loss is not finite in: {', '.join(bad)}" if bad else _gradient_fault(task)
        raise ValueError(f"no point of {phase.name} has a finite loss and gradient; at the model given {said}")
    norms = record.gradient_norm[usable]
    if np.isfinite(norms).all() and not norms.any():
        warnings.warn(
            "fit: the gradient is zero at every start; a silent model cannot be fitted to spikes: give it more current, wider bounds, or an "
            "objective that sees the voltage",
            stacklevel=5,
        )


def _gradient_fault(task: Task) -> str:
    """What is wrong where the loss is finite."""
    from ..identifiability.health import gradient_health  # which itself searches

    return "; ".join(gradient_health(task).findings) or "both are finite"


_COLUMNS = ("start", "loss", "gradient_norm", "skipped")


def _joined(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """The records of a phase in a few arrays."""
    if not records:
        return {}
    columns = {name: np.concatenate([getattr(r, name) for r in records]) for name in _COLUMNS}
    comparable = np.array([r.comparable for r in records])
    return {**columns, "comparable": comparable, "sizes": np.array([r.loss.size for r in records])}


def _parted(arrays: dict[str, np.ndarray], prefix: str) -> list[Record]:
    """The records of a phase from what `_joined` made."""
    if f"{prefix}.sizes" not in arrays:
        return []
    cuts = np.cumsum(arrays[f"{prefix}.sizes"])[:-1]
    columns = [np.split(_stored(arrays, f"{prefix}.{name}"), cuts) for name in _COLUMNS]
    comparable = _stored(arrays, f"{prefix}.comparable")
    return [Record(a, b, c, d, bool(e)) for a, b, c, d, e in zip(*columns, comparable, strict=True)]


def _stored(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise ValueError(f"the checkpoint has no {name}: it was written by another version")
    return arrays[name]


def _like(arrays: dict[str, np.ndarray], keys: Any, template: Any) -> Any:
    """What was stored of a leaf of the state."""
    if not eqx.is_array_like(template):
        return template
    name = join((jtu.DictKey("state"), *keys))
    array = _stored(arrays, name)
    if array.shape != np.shape(template) or array.dtype != np.asarray(template).dtype:
        raise ValueError(
            f"{name} in the checkpoint is {array.dtype} of shape {array.shape}, must be {np.asarray(template).dtype} of shape {np.shape(template)}"
        )
    return jnp.asarray(array) if isinstance(template, jax.Array) else array
