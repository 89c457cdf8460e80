"""NumPy's archives of arrays."""

import math
import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from .checks import make_recording
from .files import LIMIT, UNREADABLE, DataError, check_file
from .recording import Recording


_NAMES = "dt_ms with current_<unit> or voltage_<unit> or both, of shape (n,) or (sweeps, n), or spike_time_ms; start_ms if not 0"


def read_npz(path: str | os.PathLike[str]) -> Recording:
    """Sweeps from an NPZ file with the arrays `dt_ms` (a scalar), `current_pA` and `voltage_mV` (either or both, shape (n,) or (sweeps, n)),
    or `spike_time_ms` (shape (k,)). The part of a name after the first underscore is the unit, as in `read_csv`.

    Nothing is unpickled, and no array is made before its announced size has been checked against what the archive holds.

    **Raises:** `DataError`.
    """
    path = check_file(path)
    arrays = _read(path)
    spikes = arrays.pop("spike_time_ms", None)
    scalars = {name: _scalar(path, name, arrays.pop(name, None)) for name in ("dt_ms", "start_ms")}
    found: dict[str, tuple[np.ndarray, str]] = {}
    for name, array in arrays.items():
        quantity, _, unit = name.partition("_")
        if quantity not in ("current", "voltage") or not unit or quantity in found:
            raise DataError(f"{path}: array {name!r} is not allowed or appears twice; arrays must be {_NAMES}")
        found[quantity] = np.atleast_2d(array), unit
    if found and scalars["dt_ms"] is None:
        raise DataError(f"{path}: has no dt_ms; arrays must be {_NAMES}")
    if not found and spikes is None:
        raise DataError(f"{path}: has neither current, voltage nor spike times; arrays must be {_NAMES}")
    return make_recording(
        path,
        dt=math.nan if scalars["dt_ms"] is None else scalars["dt_ms"],
        start=scalars["start_ms"] or 0.0,
        command=found.get("current"),
        response=found.get("voltage"),
        spikes=spikes,
    )


def _scalar(path: Path, name: str, array: np.ndarray | None) -> float | None:
    if array is None:
        return None
    if array.size != 1 or not np.isfinite(array).all():
        raise DataError(f"{path}: {name} of shape {array.shape} is not allowed: must be one finite number")
    return float(array.reshape(()))


def _read(path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > LIMIT:
                raise DataError(f"{path}: unpacks to {total} bytes, must be at most {LIMIT}")
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if name in arrays or name == member.filename:
                    raise DataError(f"{path}: member {member.filename!r} is not an array or appears twice")
                with archive.open(member) as file:
                    arrays[name] = _array(path, name, file, member.file_size)
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{path}: not a readable NPZ file ({error})") from None
    return arrays


def _array(path: Path, name: str, file, size: int) -> np.ndarray:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{path}: array {name!r} is of format {version}, must be (1, 0) or (2, 0)")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.kind not in "iuf":
        raise DataError(f"{path}: array {name!r} is of {dtype}, must be real numbers")
    count = math.prod(shape)
    if count * dtype.itemsize > size or any(n < 0 for n in shape):
        raise DataError(f"{path}: array {name!r} announces {count} values, more than the {size} bytes it has")
    data = file.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise DataError(f"{path}: array {name!r} is cut short")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").astype(float)
