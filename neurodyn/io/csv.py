"""Comma-separated values with units in the header."""

import csv
import math
import os
from pathlib import Path

import numpy as np

from .checks import make_recording, regular_spacing
from .files import DataError, check_file
from .recording import Recording


_COLUMNS = "time_ms with current_<unit> or voltage_<unit> or both, or spike_time_ms alone"
_LIMIT = 128 * 2**20  # bytes; text unpacks to several times its size
_TIMES = {"time_ms": 1.0, "time_s": 1e3}
_SPIKES = {"spike_time_ms": 1.0, "spike_time_s": 1e3}


def read_csv(path: str | os.PathLike[str]) -> Recording:
    """One sweep from a CSV file.

    The first line names the columns and their units: `time_ms,current_pA,voltage_mV`, with either of the two or both, or a single column
    `spike_time_ms`. Currents may be in pA, nA or uA/cm2, voltages in mV or V. Blank lines are skipped.

    **Raises:** `DataError` with the line for anything that is not a finite number, and for times that are not equally spaced.
    """
    path = check_file(path, _LIMIT)
    header, rows = _read(path)
    table = np.array(rows, float).reshape(len(rows), len(header))
    if header[0] in _SPIKES and len(header) == 1:
        return make_recording(path, dt=math.nan, spikes=table[:, 0] * _SPIKES[header[0]])
    if header[0] not in _TIMES:
        raise DataError(f"{path}: its first column is {header[0]!r}; columns must be {_COLUMNS}")
    found: dict[str, tuple[np.ndarray, str]] = {}
    for column, name in enumerate(header[1:], start=1):
        quantity, _, unit = name.partition("_")
        if quantity not in ("current", "voltage") or not unit or quantity in found:
            raise DataError(f"{path}: column {name!r} is not allowed or appears twice; columns must be {_COLUMNS}")
        found[quantity] = table[None, :, column], unit
    if not found:
        raise DataError(f"{path}: has a time but neither current nor voltage; columns must be {_COLUMNS}")
    times = table[:, 0] * _TIMES[header[0]]
    return make_recording(
        path,
        dt=regular_spacing(path, times),
        start=float(times[0]),
        command=found.get("current"),
        response=found.get("voltage"),
    )


def _read(path: Path) -> tuple[list[str], list[list[float]]]:
    header: list[str] = []
    rows: list[list[float]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if not header:
                    header = [cell.strip() for cell in cells]
                    continue
                rows.append(_numbers(path, reader.line_num, header, cells))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    if not rows:
        raise DataError(f"{path}: has no samples below its header")
    return header, rows


def _numbers(path: Path, line: int, header: list[str], cells: list[str]) -> list[float]:
    if len(cells) != len(header):
        raise DataError(f"{path}: line {line} has {len(cells)} columns, must have {len(header)} ({', '.join(header)})")
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise DataError(f"{path}: line {line}: {error}") from None
