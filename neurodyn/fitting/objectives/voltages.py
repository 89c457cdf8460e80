"""Which voltage of a model an experiment is about."""

from collections.abc import Sequence

from ..._model import AbstractNeuron, AbstractSpatial


def main_voltage(model: AbstractNeuron) -> str:
    """The path of the one voltage that stands for a model: its only one, or that of the soma of a cell with a shape."""
    return model.main_voltage if isinstance(model, AbstractSpatial) else "v"


def places(model: AbstractNeuron, paths: Sequence[str]) -> tuple[int, ...] | None:
    """Which elements of `v` observed voltages are; None for a model with a single one. **Raises:** `ValueError` for a path that is no voltage."""
    if isinstance(model, AbstractSpatial):
        return tuple(model.place(path) for path in paths)
    if list(paths) != ["v"]:
        raise ValueError(f"of = {list(paths)} is not allowed for {type(model).__name__}: must be 'v', its only voltage")
    return None
