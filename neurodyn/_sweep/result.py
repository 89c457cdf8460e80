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
    - `outputs`: the results by name, shape (members, ...). NaN, or -1 for whole numbers, where the member failed.
    - `status`: see `Status`, shape (members,).
    - `attributes`: how the sweep was made: versions, times, steps.
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
        failed = int((self.status != Status.ok).sum())
        return (
            f"SweepResult({len(self)} members, {self.design} of {varied}; {', '.join(self.outputs)}; {failed} not ok)"
        )

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
        """The members that are not ok, each with its parameters and the reason."""
        rows = np.flatnonzero(self.status != Status.ok)
        return [FailedMember(int(i), self.values(int(i)), Status(int(self.status[i]))) for i in rows]

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
            self.to_xarray().to_netcdf(path, engine="h5netcdf")
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
        """Read what `save` wrote to a `.npz` file.

        **Raises:** `ValueError` for a file that is no such archive.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(str(arrays["header"]))
            return cls(
                _part(arrays, "axis:"),
                header["units"],
                header["design"],
                _part(arrays, "output:"),
                arrays["status"],
                header["attributes"],
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} is not allowed: must be an archive written by SweepResult.save ({error})"
            ) from None


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): x for name, x in arrays.items() if name.startswith(prefix)}
