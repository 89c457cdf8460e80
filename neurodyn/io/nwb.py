"""Neurodata Without Borders: the intracellular recordings of a file."""

import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .checks import make_recording, regular_spacing
from .files import LIMIT, DataError, check_file
from .recording import Clamp, Recording


_UNITS = {
    "volts": "V",
    "volt": "V",
    "millivolts": "mV",
    "amperes": "A",
    "ampere": "A",
    "amps": "A",
    "picoamperes": "pA",
}


class _Part(NamedTuple):
    """Samples `begin` to `end` (not included; None for all) of a series."""

    series: Any
    begin: int = 0
    end: int | None = None


class _Pair(NamedTuple):
    """One sweep: what was measured, and what was imposed if it is known."""

    number: int
    response: _Part
    stimulus: _Part | None


class _Samples(NamedTuple):
    """A series in its own unit, from `start` ms on."""

    values: np.ndarray
    unit: str
    dt: float
    start: float
    note: str


def read_nwb(
    path: str | os.PathLike[str],
    *,
    clamp: Clamp | None = None,
    electrode: str | None = None,
    sweeps: Sequence[int] | None = None,
) -> Recording:
    """The sweeps of one electrode from an NWB file (version 2), by PyNWB (extra `io`).

    Responses are the `CurrentClampSeries` or `VoltageClampSeries` among the acquisitions; each is paired with its stimulus by the table of intracellular
    recordings, or else by sweep number and electrode. `conversion` and `offset` are applied. A recording's sweeps must all be of one length and rate,
    which those of a file need not be: choose by the arguments. Times count from the start of each sweep.

    **Arguments:** `path`; `clamp`, "current" or "voltage", needed where the file has both; `electrode`, its name, needed where there are several; `sweeps`, the
    sweep numbers wanted, None for all.

    **Raises:** `DataError` naming the file and the dataset: for a file that is damaged, cut short, or leads to another file; for samples that are not equally
    spaced, not finite or not in volts and amperes; and for a choice that is not unique. `ImportError` without PyNWB.
    """
    path = check_file(path)
    pynwb: Any  # its classes are made when it is imported, where no checker sees them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyNWB warns of what is old in a file, and some versions on import
        try:
            import h5py
            import pynwb
        except ImportError:
            raise ImportError(f"{path}: reading NWB needs pynwb: pip install 'neurodyn[io]'") from None
        try:
            _refuse_links(path, h5py)
            with pynwb.NWBHDF5IO(str(path), "r") as file:
                found = _pairs(path, file.read(), pynwb.icephys)
                chosen, clamp = _choose(path, found, clamp, electrode, sweeps, pynwb.icephys)
                return _recording(path, chosen, clamp)
        except DataError:
            raise
        except Exception as error:  # a parser of bytes: a damaged file can fail in any way
            raise DataError(f"{path}: not a readable NWB file ({_reason(error)})") from None


def _refuse_links(path: Path, h5py: Any) -> None:
    """Refuse what would make HDF5 open another file."""

    def link_reason(name: str, link: Any) -> str | None:
        return f"{name} is a link to another file, {link.filename!r}" if isinstance(link, h5py.ExternalLink) else None

    def object_reason(name: str, thing: Any) -> str | None:
        elsewhere = isinstance(thing, h5py.Dataset) and (thing.external or thing.is_virtual)
        return f"{name} has its samples in another file" if elsewhere else None

    with h5py.File(
        path, "r"
    ) as file:  # h5py stops at the first answer that is not None, but must not be left by raising
        reason = file.visititems_links(link_reason) or file.visititems(object_reason)
    if reason:
        raise DataError(f"{path}: {reason}; export everything into one file")


def _reason(error: Exception) -> str:
    """What a library says of a damaged file, without the contents of the file that PyNWB adds."""
    where, what = getattr(error.args[0], "path", "") if error.args else "", error.args[-1] if error.args else ""
    return f"{where.removeprefix('root/')}: {what}" if where else f"{type(error).__name__}: {str(error)[:300]}"


def _pairs(path: Path, file: Any, icephys: Any) -> list[_Pair]:
    """Every sweep of the file: first those of its table, then those that it leaves out."""
    found: list[_Pair] = []
    table: Any = file.intracellular_recordings
    parts: Any = {} if table is None else table.category_tables
    for row in range(0 if table is None else len(table)):
        response = _part(path, parts["responses"]["response"][row])
        if response is not None:
            number = response.series.sweep_number
            stimulus = _part(path, parts["stimuli"]["stimulus"][row])
            found.append(_Pair(row if number is None else int(number), response, stimulus))
    known = {id(pair.response.series) for pair in found}
    stimuli = [s for s in file.stimulus.values() if isinstance(s, icephys.PatchClampSeries)]
    responses = [
        s for s in file.acquisition.values() if isinstance(s, icephys.CurrentClampSeries | icephys.VoltageClampSeries)
    ]
    for i, series in enumerate(responses):
        if id(series) not in known:
            stimulus = _stimulus_of(path, series, stimuli, alone=len(responses) == 1)
            found.append(_Pair(i if series.sweep_number is None else int(series.sweep_number), _Part(series), stimulus))
    if not found:
        raise DataError(f"{path}: has no CurrentClampSeries or VoltageClampSeries among its acquisitions")
    return sorted(found, key=lambda pair: pair.number)


def _part(path: Path, reference: Any) -> _Part | None:
    """What an entry of the table refers to; None where it refers to nothing."""
    begin, count, series = int(reference.idx_start), int(reference.count), reference.timeseries
    if begin < 0 or count < 0 or series is None:
        return None
    if begin + count > len(series.data):
        raise DataError(
            f"{path}: intracellular_recordings refers to samples {begin} to {begin + count} of {series.name}, which has {len(series.data)}"
        )
    return _Part(series, begin, begin + count)


def _stimulus_of(path: Path, series: Any, stimuli: list[Any], alone: bool) -> _Part | None:
    """The stimulus with the same sweep number and electrode; the only one to an only response needs no number."""
    if series.sweep_number is None:
        fitting = stimuli if alone and len(stimuli) == 1 else []
        if stimuli and not fitting:
            raise DataError(
                f"{path}: acquisition/{series.name} has neither a sweep number nor an entry in intracellular_recordings, so its stimulus is unknown"
            )
    else:
        fitting = [
            s for s in stimuli if s.sweep_number == series.sweep_number and s.electrode.name == series.electrode.name
        ]
    if len(fitting) > 1:
        names = ", ".join(s.name for s in fitting)
        raise DataError(f"{path}: acquisition/{series.name} has several stimuli of its sweep number: {names}")
    return _Part(fitting[0]) if fitting else None


def _choose(
    path: Path,
    pairs: list[_Pair],
    clamp: Clamp | None,
    electrode: str | None,
    sweeps: Sequence[int] | None,
    icephys: Any,
) -> tuple[list[_Pair], Clamp]:
    """The wanted sweeps, all of one clamp and one electrode."""

    def clamp_of(pair: _Pair) -> Clamp:
        return "voltage" if isinstance(pair.response.series, icephys.VoltageClampSeries) else "current"

    def electrode_of(pair: _Pair) -> str:
        return pair.response.series.electrode.name

    if sweeps is not None:
        missing = sorted(set(sweeps) - {pair.number for pair in pairs})
        if missing:
            raise DataError(f"{path}: has no sweep {missing[0]}, has {_numbers(pairs)}")
        pairs = [pair for pair in pairs if pair.number in set(sweeps)]
    for name, wanted, of in (("electrode", electrode, electrode_of), ("clamp", clamp, clamp_of)):
        there = sorted({of(pair) for pair in pairs})
        if wanted is not None and wanted not in there:
            raise DataError(f"{path}: has no sweep of {name} {wanted!r}, must be one of {', '.join(there)}")
        if wanted is None and len(there) > 1:
            raise DataError(f"{path}: has sweeps of {name} {' and '.join(there)}; choose one by {name}=")
        pairs = [pair for pair in pairs if of(pair) == (wanted or there[0])]
    return pairs, clamp_of(pairs[0])


def _numbers(pairs: list[_Pair]) -> str:
    numbers = [str(pair.number) for pair in pairs]
    return ", ".join(numbers if len(numbers) < 10 else [*numbers[:4], "...", *numbers[-2:]])


def _recording(path: Path, pairs: list[_Pair], clamp: Clamp) -> Recording:
    _check_size(path, pairs)
    responses = [_samples(path, pair.response, "response") for pair in pairs]
    stimuli = [_samples(path, pair.stimulus, "command") for pair in pairs if pair.stimulus]
    if stimuli and len(stimuli) < len(pairs):
        without = next(pair for pair in pairs if not pair.stimulus)
        raise DataError(
            f"{path}: acquisition/{without.response.series.name} (sweep {without.number}) has no stimulus, others have; choose by sweeps="
        )
    for what, of in (("response", responses), ("stimulus", stimuli)):
        kinds = {(x.values.size, x.dt, x.unit): pair for x, pair in zip(of, pairs, strict=bool(of))} if of else {}
        if len(kinds) > 1:
            said = "; ".join(f"sweep {p.number}: {n} of {dt:g} ms in {unit}" for (n, dt, unit), p in kinds.items())
            raise DataError(f"{path}: the samples of its {what} differ between sweeps ({said}); choose by sweeps=")
    for pair, response, stimulus in zip(pairs, responses, stimuli, strict=True) if stimuli else ():
        _check_together(path, pair, response, stimulus)
    return make_recording(
        path,
        dt=responses[0].dt,
        command=(np.stack([x.values for x in stimuli]), stimuli[0].unit) if stimuli else None,
        response=(np.stack([x.values for x in responses]), responses[0].unit),
        clamp=clamp,
        notes=tuple(dict.fromkeys(x.note for x in [*stimuli, *responses] if x.note)),
    )


def _check_size(path: Path, pairs: list[_Pair]) -> None:
    """Chunks that were never written take no room in a file, but they do in memory."""
    parts = [part for pair in pairs for part in (pair.response, pair.stimulus) if part]
    shapes = {
        id(p.series): (getattr(p.series.data, "shape", ()), getattr(p.series.timestamps, "shape", ())) for p in parts
    }
    total = 8 * sum(math.prod(shape) for both in shapes.values() for shape in both)
    if total > LIMIT:
        raise DataError(f"{path}: unpacks to {total} bytes, must be at most {LIMIT}; choose by sweeps=")


def _check_together(path: Path, pair: _Pair, response: _Samples, stimulus: _Samples) -> None:
    which = f"sweep {pair.number}: the stimulus"
    if response.values.size != stimulus.values.size or not math.isclose(response.dt, stimulus.dt, rel_tol=1e-6):
        raise DataError(
            f"{path}: {which} has {stimulus.values.size} samples of {stimulus.dt:g} ms, the response {response.values.size} of {response.dt:g} ms"
        )
    if abs(response.start - stimulus.start) > response.dt / 2:
        raise DataError(f"{path}: {which} begins {stimulus.start - response.start:g} ms after the response, must be 0")


def _samples(path: Path, part: _Part, what: str) -> _Samples:
    """The samples of a part of a series, converted, and when they were taken."""
    series, begin, end = part
    where = f"{path}: {getattr(series.data, 'name', series.name)}"
    if getattr(series.data, "dtype", None) is None or series.data.dtype.kind not in "iuf" or series.data.ndim != 1:
        raise DataError(f"{where}: has shape {getattr(series.data, 'shape', None)}, must be real numbers of shape (n,)")
    # PyNWB shows the unit that the standard demands, whatever the file says.
    said = str(series.data.attrs.get("unit", series.unit))
    conversion, offset = float(series.conversion), float(series.offset or 0.0)
    if not (math.isfinite(conversion) and conversion != 0 and math.isfinite(offset)):
        raise DataError(f"{where}: has conversion {conversion:g} and offset {offset:g}, must be finite and not 0")
    try:
        values = np.asarray(series.data[begin:end], float) * conversion + offset
        dt, start = _timing(where, series)
    except OSError as error:
        raise DataError(f"{where}: is damaged ({error})") from None
    changed = (conversion, offset) != (1.0, 0.0)
    note = f"{path}: {what} multiplied by {conversion:g}, then {offset:g} added ({said})" if changed else ""
    return _Samples(values, _UNITS.get(said.lower(), said), dt, start + dt * begin, note)


def _timing(where: str, series: Any) -> tuple[float, float]:
    """The spacing of a series and when it begins, ms."""
    if series.rate is not None:
        rate = float(series.rate)
        if not (math.isfinite(rate) and rate > 0):
            raise DataError(f"{where}: its rate is {rate:g} Hz, must be finite and > 0")
        return float(f"{1e3 / rate:.9g}"), 1e3 * float(series.starting_time or 0.0)
    if series.timestamps is None:
        raise DataError(f"{where}: has neither a rate nor timestamps")
    shape = getattr(series.timestamps, "shape", (len(series.timestamps),))
    if shape != series.data.shape:
        raise DataError(f"{where}: its timestamps have shape {shape}, must be {series.data.shape}")
    times = 1e3 * np.asarray(series.timestamps[:], float)
    return regular_spacing(f"{where}: timestamps", times), float(times[0])
