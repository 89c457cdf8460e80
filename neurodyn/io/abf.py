"""Axon Binary Format, versions 1 and 2."""

import os
import warnings
from typing import Any

import numpy as np

from .checks import clamp_of, make_recording
from .files import DataError, check_file
from .recording import Recording


def read_abf(path: str | os.PathLike[str], channel: int = 0) -> Recording:
    """Every sweep of a current-clamp or voltage-clamp recording in Axon's format, by pyABF (extra `io`).

    **Arguments:** `path`; `channel`, the input that is wanted. The command is that of the output of the same number.

    **Raises:** `DataError` for a file that is damaged, cut short, or has its command in another file. `ImportError` without pyABF.
    """
    path = check_file(path)
    try:
        with np.printoptions():  # which the import changes for everyone
            import pyabf
    except ImportError:
        raise ImportError(f"{path}: reading ABF needs pyabf: pip install 'neurodyn[io]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header: Any = pyabf.ABF(str(path), loadData=False)
            present = header.dataByteStart + header.dataPointCount * header.dataPointByteSize
        except Exception as error:  # a parser of bytes: a damaged file can fail in any way
            raise DataError(f"{path}: not a readable ABF file ({type(error).__name__}: {error})") from None
        if header.dataPointCount <= 0 or present > path.stat().st_size:
            raise DataError(
                f"{path}: is cut short: its header announces {header.dataPointCount} samples up to byte {present}, the file ends at byte "
                f"{path.stat().st_size}"
            )
        if not 0 <= channel < header.channelCount:
            raise DataError(f"{path}: has no channel {channel}, must be 0 to {header.channelCount - 1}")
        if _waveform_source(header, channel) == 2:
            raise DataError(
                f"{path}: takes its command from another file; export command and voltage together as CSV or NPZ"
            )
        try:
            abf: Any = pyabf.ABF(str(path), cacheStimulusFiles=False)
            sweeps = [_sweep(abf, i, channel) for i in range(abf.sweepCount)]
            units = abf.sweepUnitsY, abf.sweepUnitsC
        except Exception as error:
            raise DataError(f"{path}: not a readable ABF file ({type(error).__name__}: {error})") from None
    if len({len(x) for pair in sweeps for x in pair}) != 1:
        raise DataError(f"{path}: has sweeps of different lengths, must have equal ones")
    response, command = (np.stack(x) for x in zip(*sweeps, strict=True))
    return make_recording(
        path,
        dt=1e3 / abf.dataRate,
        command=(command, units[1]),
        response=(response, units[0]),
        clamp=clamp_of(units[1], units[0]),
    )


def _sweep(abf: Any, index: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
    abf.setSweep(index, channel=channel)
    return np.array(abf.sweepY, float), np.array(abf.sweepC, float)


def _waveform_source(header: Any, channel: int) -> int:
    """0 none, 1 the table of epochs, 2 a file whose path stands in the header and is not followed."""
    section: Any = getattr(header, "_dacSection", None) or getattr(header, "_headerV1", None)
    try:
        return int(section.nWaveformSource[channel]) if section.nWaveformEnable[channel] else 0
    except (AttributeError, IndexError):
        return 0
