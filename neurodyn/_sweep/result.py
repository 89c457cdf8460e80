"""What a sweep returns."""

import dataclasses
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from .._simulate import Status


#: The status of a member that was not reached.
NOT_RUN = -1


@dataclasses.dataclass(frozen=True)
class FailedMember:
    """A member without results: its place, its parameters by path and why."""

    index: int
    values: dict[str, float]
    status: Status

    def __str__(self) -> str:
        values = ", ".join(f"{path} = {value:g}" for path, value in self.values.items())
        return f"member {self.index} ({values}): {self.status.name}"


@dataclasses.dataclass(frozen=True)
class SweepResult:
    """One row for each member of a sweep, as NumPy arrays.

    **Fields:**

    - `axes`: the values varied, by path, as they were given; `units`: their units.
    - `design`: `"zip"` or `"grid"`.
    - `outputs`: the results by name, shape (members, ...). NaN where the member failed; -1 for whole numbers, 0 for unsigned ones, False.
    - `status`: see `Status`, shape (members,); -1 for a member that was not reached because the sweep was interrupted.
    - `attributes`: how the sweep was made. `parameters` (those of the model, and of the stimulus from `stimulus.` on: value and unit by path),
        `structure` (of model, stimulus, reduce and options), `arrays` (those of reduce and options) and `seeds` (keys of what `sample` drew) are
        JSON.
    """

    axes: dict[str, np.ndarray]
    units: dict[str, str]
    design: str
    outputs: dict[str, np.ndarray]
    status: np.ndarray
    attributes: dict[str, Any]

    def __len__(self) -> int:
        return self.status.size

    def __getitem__(self, name: str) -> np.ndarray:
        return self.outputs[name]

    def __repr__(self) -> str:
        varied = ", ".join(f"{path} ({x.size})" for path, x in self.axes.items())
        state = f"{(self.status > Status.ok).sum()} not ok"
        if self.not_run.size:
            state += f", {self.not_run.size} not run"
        return f"SweepResult({len(self)} members, {self.design} of {varied}; {', '.join(self.outputs)}; {state})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the design: (members,), or one axis for each parameter of a grid."""
        return tuple(x.size for x in self.axes.values()) if self.design == "grid" else (len(self),)

    def grid(self, name: str) -> np.ndarray:
        """An output with one axis for each parameter of a grid, in the order they were given."""
        return self.outputs[name].reshape(*self.shape, *self.outputs[name].shape[1:])

    def values(self, index: int) -> dict[str, float]:
        """The parameters of one member, by path."""
        place = np.unravel_index(index, self.shape)
        places = place if self.design == "grid" else place * len(self.axes)
        return {path: float(x[i]) for (path, x), i in zip(self.axes.items(), places, strict=True)}

    @property
    def failed(self) -> list[FailedMember]:
        """The members that ran, or could not run, and are not ok, each with its parameters and the reason."""
        rows = np.flatnonzero(self.status > Status.ok)
        return [FailedMember(int(i), self.values(int(i)), Status(int(self.status[i]))) for i in rows]

    @property
    def not_run(self) -> np.ndarray:
        """The places of the members that an interrupted sweep did not reach."""
        return np.flatnonzero(self.status == NOT_RUN)

    def to_xarray(self) -> Any:
        """An `xarray.Dataset`: a grid has one dimension for each parameter, otherwise there is one named `member`.

        **Raises:** `ImportError` without xarray (`pip install neurodyn[io]`).
        """
        try:
            import xarray
        except ImportError:
            raise ImportError("xarray is not installed: pip install 'neurodyn[io]'") from None
        dims = tuple(self.axes) if self.design == "grid" else ("member",)
        outputs = {**self.outputs, "status": self.status}
        data = {
            name: ((*dims, *(f"{name}_{i}" for i in range(x.ndim - 1))), x.reshape(*self.shape, *x.shape[1:]))
            for name, x in outputs.items()
        }
        coordinates = {
            path: ((path,) if self.design == "grid" else ("member",), x, {"units": self.units[path]})
            for path, x in self.axes.items()
        }
        return xarray.Dataset(data, coordinates, dict(self.attributes))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a NumPy archive (`.npz`), or to netCDF (`.nc`, needs xarray). An existing file is replaced.

        **Raises:** `ValueError` for another ending.
        """
        path = Path(path)
        if path.suffix == ".nc":
            table = self.to_xarray()
            write_whole(path, lambda file: table.to_netcdf(file.name, engine="h5netcdf"))
            return
        if path.suffix != ".npz":
            raise ValueError(f"{path} is not allowed: must end in .npz or .nc")
        header = {"design": self.design, "units": self.units, "attributes": self.attributes}
        arrays: dict[str, Any] = {
            "status": self.status,
            **{f"axis:{name}": x for name, x in self.axes.items()},
            **{f"output:{name}": x for name, x in self.outputs.items()},
        }
        write_whole(path, lambda file: np.savez(file, header=np.array(json.dumps(header)), **arrays))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "SweepResult":
        """Read what `save` wrote.

        **Raises:** `ValueError` for a file that is no such archive.
        """
        try:
            return cls._from_netcdf(path) if Path(path).suffix == ".nc" else cls._from_archive(path)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} is not allowed: must be an archive written by SweepResult.save ({error})"
            ) from None

    @classmethod
    def _from_archive(cls, path: str | os.PathLike[str]) -> "SweepResult":
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays["header"]))
        axes, outputs = _part(arrays, "axis:"), _part(arrays, "output:")
        return cls(axes, header["units"], header["design"], outputs, arrays["status"], header["attributes"])

    @classmethod
    def _from_netcdf(cls, path: str | os.PathLike[str]) -> "SweepResult":
        import xarray

        with xarray.open_dataset(path, engine="h5netcdf") as file:
            table: Any = file.load()
        design = table.attrs["design"]
        names = table["status"].dims if design == "grid" else tuple(table.coords)
        axes = {name: table[name].values for name in names}
        units = {name: table[name].attrs["units"] for name in names}
        shape = table["status"].shape
        rows = {name: x.values.reshape(-1, *x.shape[len(shape) :]) for name, x in table.data_vars.items()}
        status = rows.pop("status")
        return cls(axes, units, design, rows, status, dict(table.attrs))


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
