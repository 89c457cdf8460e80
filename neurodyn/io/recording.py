"""What a recording is, whatever file it came from."""

import dataclasses
import math
from pathlib import Path

import numpy as np

from .files import DataError


#: Units that are converted on reading: to what, and by which factor.
_CONVERSIONS = {
    "V": ("mV", 1e3),
    "uV": ("mV", 1e-3),
    "nA": ("pA", 1e3),
    "uA": ("pA", 1e6),
    "fA": ("pA", 1e-3),
}
_COMMANDS = ("pA", "uA/cm2")
_LARGEST = 500.0  # mV
_SMALLEST = 0.5  # mV; a membrane voltage that never gets this far from zero is one in volts


@dataclasses.dataclass(frozen=True)
class Recording:
    """Sweeps of a current-clamp experiment.

    **Fields:**

    - `name`: where it came from.
    - `dt`: spacing of the samples, ms; the first is at `start` ms.
    - `command`: the injected current, shape (sweeps, n), in `command_unit` (pA or uA/cm2); None when the file has none.
    - `response`: the voltage in mV, shape (sweeps, n); None when the file has none.
    - `spikes`: spike times in ms, shape (k,), sorted; None when the file has none.
    - `notes`: what was converted on reading.
    """

    name: str
    dt: float = math.nan
    command: np.ndarray | None = None
    command_unit: str = ""
    response: np.ndarray | None = None
    spikes: np.ndarray | None = None
    start: float = 0.0
    notes: tuple[str, ...] = ()

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
    def response_unit(self) -> str:
        return "mV"


def convert(path: Path, what: str, values: np.ndarray, unit: str) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """Values in the unit neurodyn counts in, that unit, and a note of what was done."""
    unit = unit.strip().replace("µ", "u").replace("μ", "u").replace("cm^2", "cm2").replace("cm²", "cm2")
    if unit not in _CONVERSIONS:
        return values, unit, ()
    target, factor = _CONVERSIONS[unit]
    return values * factor, target, (f"{path}: {what} converted from {unit} to {target}",)


def check_samples(path: Path, what: str, values: np.ndarray, dt: float, start: float = 0.0) -> None:
    """Refuse samples of shape (sweeps, n) that are not finite.

    **Raises:** `DataError` with the first bad sample's sweep, index and time.
    """
    bad = ~np.isfinite(values)
    if bad.any():
        sweep, index = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{path}: {what} of sweep {sweep} is {values[sweep, index]} at sample {index} ({start + index * dt:g} ms), must be finite; "
            f"{int(bad.sum())} samples are not"
        )


def make_recording(
    path: Path,
    *,
    dt: float,
    start: float = 0.0,
    command: tuple[np.ndarray, str] | None = None,
    response: tuple[np.ndarray, str] | None = None,
    spikes: np.ndarray | None = None,
) -> Recording:
    """A recording from arrays of shape (sweeps, n) with their units, checked and converted.

    **Raises:** `DataError`.
    """
    notes: tuple[str, ...] = ()
    arrays: dict[str, np.ndarray] = {}
    unit = ""
    if (command is not None or response is not None) and not (math.isfinite(dt) and dt > 0):
        raise DataError(f"{path}: its sampling interval is {dt:g} ms, must be finite and > 0")
    for what, pair in (("command", command), ("response", response)):
        if pair is None:
            continue
        values, found, note = convert(path, what, np.asarray(pair[0], float), pair[1])
        if values.ndim != 2 or values.shape[1] < 2 or values.shape[0] < 1:
            raise DataError(
                f"{path}: {what} has shape {values.shape}, must be (sweeps, samples) with at least 2 samples"
            )
        check_samples(path, what, values, dt, start)
        arrays[what], notes = values, notes + note
        if what == "command":
            unit = found
            if unit not in _COMMANDS:
                raise DataError(
                    f"{path}: its command is in {unit!r}, must be a current in {', '.join(_COMMANDS)} or nA (current clamp)"
                )
        elif found != "mV":
            raise DataError(f"{path}: its response is in {found!r}, must be a voltage in mV or V (current clamp)")
    _check_voltage(path, arrays.get("response"))
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1:
        raise DataError(
            f"{path}: command {arrays['command'].shape} and response {arrays['response'].shape} differ in shape"
        )
    return Recording(
        path.name, dt, arrays.get("command"), unit, arrays.get("response"), _check_spikes(path, spikes), start, notes
    )


def _check_voltage(path: Path, voltage: np.ndarray | None) -> None:
    if voltage is None:
        return
    largest = float(np.abs(voltage).max())
    if largest > _LARGEST:
        raise DataError(
            f"{path}: its voltage reaches {largest:g} mV, must stay within {_LARGEST:g} mV; are the units right?"
        )
    if largest < _SMALLEST:
        raise DataError(f"{path}: its voltage never exceeds {largest:g} mV: it seems to be in V; say so by the unit")


def _check_spikes(path: Path, spikes: np.ndarray | None) -> np.ndarray | None:
    if spikes is None:
        return None
    if spikes.ndim != 1 or spikes.size == 0:
        raise DataError(
            f"{path}: spike times have shape {spikes.shape}, must be one-dimensional with at least one spike"
        )
    if not np.isfinite(spikes).all():
        i = int(np.argmin(np.isfinite(spikes)))
        raise DataError(f"{path}: spike time {i} is {spikes[i]}, must be finite")
    if (np.diff(spikes) <= 0).any():
        i = int(np.argmax(np.diff(spikes) <= 0)) + 1
        raise DataError(
            f"{path}: spike time {i} is {spikes[i]:g} ms, must be later than the one before ({spikes[i - 1]:g} ms)"
        )
    return np.asarray(spikes, float)


def regular_spacing(path: Path, times: np.ndarray) -> float:
    """The spacing of equally spaced times, ms.

    **Raises:** `DataError` where a time is off its place by more than a fiftieth of the spacing.
    """
    if times.size < 2:
        raise DataError(f"{path}: has {times.size} samples, must have at least 2")
    bad = ~np.isfinite(times)
    if bad.any():
        raise DataError(f"{path}: time of sample {int(np.argmax(bad))} is {times[bad][0]}, must be finite")
    dt = float(times[-1] - times[0]) / (times.size - 1)
    if not dt > 0:
        raise DataError(f"{path}: its sampling interval is {dt:g} ms, must be > 0")
    off = np.abs(times - (times[0] + dt * np.arange(times.size)))
    if off.max() > dt / 50:
        steps = np.diff(times)
        i = int(np.argmax(np.abs(steps - np.median(steps))))
        raise DataError(
            f"{path}: samples are not equally spaced: sample {i + 1} comes {steps[i]:g} ms after the one before, most come {np.median(steps):g} ms "
            "after; resample first"
        )
    return float(f"{dt:.9g}")  # the written decimals, not the last bits of their difference
