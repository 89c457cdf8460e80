"""What a recording is, whatever file it came from."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from .._table import as_html, as_text
from .features import Features, measure_features
from .files import DataError
from .passive import Passive, measure_passive
from .protocol import ProtocolStep, find_steps


Clamp = Literal["current", "voltage"]


@dataclasses.dataclass(frozen=True, repr=False)
class Recording:
    """Sweeps of a current-clamp or a voltage-clamp experiment; shows itself as a table of what it holds.

    **Fields:**

    - `name`: where it came from.
    - `dt`: spacing of the samples, ms; the first is at `start` ms.
    - `command`: what was imposed, shape (sweeps, n), in `command_unit`: the injected current (pA or uA/cm2) of a current clamp, the voltage (mV) of a
      voltage clamp; None when the file has none.
    - `response`: what was measured, shape (sweeps, n), in `response_unit`: the voltage (mV) of a current clamp, the current (pA or uA/cm2) of a voltage
      clamp; None when the file has none.
    - `spikes`: spike times in ms, shape (k,), sorted; None when the file has none.
    - `notes`: what was converted on reading.
    - `clamp`: "current" or "voltage", which of the two was imposed.
    - `response_unit`: mV in a current clamp; pA, unless told, or uA/cm2 in a voltage clamp.
    """

    name: str
    dt: float = math.nan
    command: np.ndarray | None = None
    command_unit: str = ""
    response: np.ndarray | None = None
    spikes: np.ndarray | None = None
    start: float = 0.0
    notes: tuple[str, ...] = ()
    clamp: Clamp = "current"
    response_unit: str = ""

    def __post_init__(self) -> None:
        if not self.response_unit:
            object.__setattr__(self, "response_unit", "mV" if self.clamp == "current" else "pA")

    @property
    def sweeps(self) -> int:
        """How many sweeps there are; 0 for bare spike times."""
        return next((len(x) for x in (self.command, self.response) if x is not None), 0)

    @property
    def samples(self) -> int:
        """How many samples a sweep has."""
        return next((x.shape[1] for x in (self.command, self.response) if x is not None), 0)

    @property
    def stop(self) -> float:
        """The time of the last sample, ms."""
        return self.start + self.dt * (self.samples - 1)

    @property
    def times(self) -> np.ndarray:
        """When the samples were taken, ms, shape (n,)."""
        return self.start + self.dt * np.arange(self.samples)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        rows = [[f"{self.clamp} clamp", f"{self.sweeps} sweeps of {self.samples} samples"]] if self.sweeps else []
        if self.sweeps:
            rows.append(["time", f"{self.start:g} to {self.stop:g} ms, every {self.dt:g} ms"])
        for name, values, unit in (
            ("command", self.command, self.command_unit),
            ("response", self.response, self.response_unit),
        ):
            if values is not None:
                rows.append([name, f"{values.min():g} to {values.max():g} {unit}"])
        if self.spikes is not None and self.spikes.size:
            rows.append(["spikes", f"{self.spikes.size}, {self.spikes[0]:g} to {self.spikes[-1]:g} ms"])
        return [self.name, ""], rows + [["note", note] for note in self.notes]

    def __repr__(self) -> str:
        return as_text(*self._table())

    def _repr_html_(self) -> str:
        return as_html(*self._table())

    def require(self, clamp: Clamp) -> "Recording":
        """The recording itself, if it is of this clamp.

        **Raises:** `DataError` if it is of the other one.
        """
        if clamp == self.clamp:
            return self
        measured = "voltage" if self.clamp == "current" else "current"
        found = [f"{measured} in {self.response_unit}"] if self.response is not None else []
        found += [f"command in {self.command_unit}"] if self.command is not None else []
        raise DataError(f"{self.name}: is a {self.clamp} clamp ({', '.join(found)}), must be a {clamp} clamp")

    def steps(self, shortest: float = 0.5) -> tuple[ProtocolStep, ...]:
        """The steps of the command, sweep by sweep and in order of time, found from the command alone.

        A step is a level other than the holding level that the command jumps to (within 1 ms) and stays at. Ramps are none, nor is a level that a
        ramp leads to. The command may be a measured one, with noise: a step must then exceed eight times the noise. Where one sweep goes from step to
        step without a change of level, the step is parted where more than half of all sweeps change.

        **Arguments:** `shortest`, how long a level must last to count, ms.

        **Returns:** `ProtocolStep`s; none for a sweep that stays at its holding level.

        **Raises:** `DataError` for a recording without a command.
        """
        if self.command is None:
            raise DataError(f"{self.name}: has no command, so its steps are unknown; record the command too")
        return find_steps(self.command, self.dt, self.start, shortest)

    def passive(self, step: ProtocolStep | None = None) -> Passive:
        """What the membrane does below threshold, from a hyperpolarising step from the holding level; see `Passive` for the definitions.

        Of the steps that stand alone and hold no spike, repeats are averaged, and of the averages the one that stands out most (amplitude times the
        root of the repeats) is taken.

        **Arguments:** `step`, one of `steps()`: it and its repeats are taken instead.

        **Raises:** `DataError` for a voltage clamp, for a command that is not in pA, and where there is no such step.
        """
        return measure_passive(self.require("current"), step)

    def features(
        self, steps: Sequence[ProtocolStep] | None = None, *, slope: float = 20.0, threshold: float = -20.0
    ) -> Features:
        """The spikes in each step of each sweep; see `Features` and `Spike` for the definitions.

        **Arguments:** `steps`, of this recording's sweeps, or None for all of `steps()`; `slope`, the rise that is the onset of a spike, mV/ms; `threshold`,
        the voltage that it must pass, mV.

        **Raises:** `DataError` for a voltage clamp, for a recording without a voltage, and for a step of a sweep that is not there.
        """
        return measure_features(
            self.require("current"), self.steps() if steps is None else tuple(steps), slope, threshold
        )
