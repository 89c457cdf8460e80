"""What every recording must satisfy, and the conversion of its units."""

import math
from pathlib import Path

import numpy as np

from .files import DataError
from .recording import Clamp, Recording


#: Units that are converted on reading: to what, and by which factor.
_CONVERSIONS = {
    "V": ("mV", 1e3),
    "uV": ("mV", 1e-3),
    "A": ("pA", 1e12),
    "nA": ("pA", 1e3),
    "uA": ("pA", 1e6),
    "fA": ("pA", 1e-3),
}
_CURRENTS = ("pA", "uA/cm2")
_LARGEST = 500.0  # mV
_SMALLEST = 0.5  # mV; a membrane voltage that never gets this far from zero is one in volts


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
    clamp: Clamp = "current",
    notes: tuple[str, ...] = (),
) -> Recording:
    """A recording from arrays of shape (sweeps, n) with their units, checked and converted.

    **Raises:** `DataError`.
    """
    arrays: dict[str, np.ndarray] = {}
    units = {"command": "", "response": "mV" if clamp == "current" else "pA"}
    if (command is not None or response is not None) and not (math.isfinite(dt) and dt > 0):
        raise DataError(f"{path}: its sampling interval is {dt:g} ms, must be finite and > 0")
    for what, pair in (("command", command), ("response", response)):
        if pair is None:
            continue
        values, units[what], note = convert(path, what, np.asarray(pair[0], float), pair[1])
        if values.ndim != 2 or values.shape[1] < 2 or values.shape[0] < 1:
            raise DataError(
                f"{path}: {what} has shape {values.shape}, must be (sweeps, samples) with at least 2 samples"
            )
        check_samples(path, what, values, dt, start)
        arrays[what], notes = values, notes + note
        _check_unit(path, what, units[what], clamp)
    voltage = "response" if clamp == "current" else "command"
    if voltage in arrays:
        _check_voltage(path, arrays[voltage], measured=voltage == "response")
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1:
        raise DataError(
            f"{path}: command {arrays['command'].shape} and response {arrays['response'].shape} differ in shape"
        )
    return Recording(
        path.name,
        dt,
        arrays.get("command"),
        units["command"],
        arrays.get("response"),
        _check_spikes(path, spikes),
        start,
        notes,
        clamp,
        units["response"],
    )


def clamp_of(command_unit: str | None, response_unit: str | None) -> Clamp:
    """Which clamp the units are those of; a current clamp where they say neither."""
    of_current, of_voltage = ("A", "mA", "uA", "nA", "pA", "fA"), ("V", "mV", "uV")
    command, response = (unit.strip().replace("µ", "u") if unit else unit for unit in (command_unit, response_unit))
    if response in of_current and command in (None, *of_voltage) or response is None and command in of_voltage:
        return "voltage"
    return "current"


def _check_unit(path: Path, what: str, unit: str, clamp: Clamp) -> None:
    """The command of a current clamp and the response of a voltage clamp are currents, the others voltages."""
    if (what == "command") == (clamp == "current"):
        if unit not in _CURRENTS:
            raise DataError(
                f"{path}: its {what} is in {unit!r}, must be a current in {', '.join(_CURRENTS)} or nA ({clamp} clamp)"
            )
    elif unit != "mV":
        raise DataError(f"{path}: its {what} is in {unit!r}, must be a voltage in mV or V ({clamp} clamp)")


def _check_voltage(path: Path, voltage: np.ndarray, measured: bool) -> None:
    largest = float(np.abs(voltage).max())
    if largest > _LARGEST:
        raise DataError(
            f"{path}: its voltage reaches {largest:g} mV, must stay within {_LARGEST:g} mV; are the units right?"
        )
    if measured and largest < _SMALLEST:  # a command may well be zero
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


def regular_spacing(path: Path | str, times: np.ndarray) -> float:
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
