"""From a configuration to the model, the experiments and the objectives."""

import contextlib
import dataclasses
import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._parameter import parameters, replace
from .._paths import match
from .._simulate import simulate
from .._stimulus import AbstractStimulus, Chirp, OrnsteinUhlenbeck, Pulses, Ramp, Samples, Sine, Step
from ..fitting import AbstractObjective, SpikeTrain, VoltageTrace
from ..fitting.selection import select
from ..fitting.task import NUISANCE, Task
from ..io import DataError, Recording, read, read_abf
from ..points import HodgkinHuxley
from . import schema
from .config import Loaded, LoadedTemplate
from .measure import crossings


#: The models and stimuli that a configuration can name. Closed: nothing is imported by a name from a file.
MODELS = {"HodgkinHuxley": HodgkinHuxley}
STIMULI = {"Step": Step, "Ramp": Ramp, "Pulses": Pulses, "Sine": Sine, "Chirp": Chirp}
DATA_VARIABLE = "NEURODYN_DATA"

Times = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """One experiment: what was injected, what came out, and which times (ms) count.

    **Fields:** `grid`, the times of the simulated steps; `voltage`, mV at these times, or None; `spikes`, ms; `window` is fitted, `score` counts within it
    and `holdout` is kept for the test.
    """

    name: str
    stimulus: AbstractStimulus
    grid: np.ndarray
    voltage: np.ndarray | None
    spikes: np.ndarray
    window: Times
    score: Times
    holdout: Times | None
    substeps: int = 1

    @property
    def dt(self) -> float:
        return float(self.grid[-1] - self.grid[0]) / (self.grid.size - 1)

    def inside(self, times: Times) -> np.ndarray:
        """Which points of the grid lie within."""
        return (self.grid >= times[0] - 1e-9) & (self.grid <= times[1] + 1e-9)

    def current(self) -> np.ndarray:
        """What was injected, on the grid."""
        return np.asarray(jax.vmap(self.stimulus)(jnp.asarray(self.grid)), float)

    def simulate(self, model: Any) -> np.ndarray:
        """The model's voltage on the whole grid, mV: from the start of the window through the end of the holdout."""
        if self.voltage is not None:
            trace = VoltageTrace(self.stimulus, self.voltage, self.dt, t0=float(self.grid[0]), substeps=self.substeps)
            return np.asarray(trace.simulate(model), float)
        run = simulate(model, self.stimulus, float(self.grid[-1]), t0=float(self.grid[0]), dt=self.dt, max_spikes=0)
        return np.asarray(run.v, float)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything a fit needs, checked."""

    model: Any
    sweeps: tuple[Sweep, ...]
    objectives: tuple[AbstractObjective, ...]
    inputs: dict[str, str]  # sha256 by file
    notes: tuple[str, ...]


def make_plan(loaded: Loaded) -> Plan:
    """Build and check the model, the data and the choice of parameters.

    **Raises:** `config.ConfigError`; `DataError` for a data file.
    """
    config = loaded.content
    files = Files(loaded)
    model = _model(loaded)
    sweeps = _recorded(loaded, files) if config.recording else _given(loaded, files)
    with blame(loaded, "fit"):
        objectives = tuple(_objective(config.fit, sweep) for sweep in sweeps)
    with blame(loaded, "fit.trainable"):
        paths = select(model, config.fit.trainable)
    with blame(loaded, "fit.nuisance"):
        unknowns = [f"{NUISANCE}.{path}" for path in parameters(objectives)]
        match([f"{NUISANCE}.{pattern}" for pattern in config.fit.nuisance], unknowns, "parameter of an objective")
    with blame(loaded, "fit.bounds"):
        Task.of(model, objectives, paths, bounds=config.fit.bounds, nuisance=config.fit.nuisance)
    return Plan(model, tuple(sweeps), objectives, files.hashes, tuple(files.notes))


@contextlib.contextmanager
def blame(loaded: Loaded | LoadedTemplate, key: str) -> Iterator[None]:
    """A `ValueError` of the library is a fault of this part of the configuration."""
    try:
        yield
    except DataError:
        raise
    except (ValueError, TypeError) as error:
        raise loaded.error(key, None, str(error)) from None


def _model(loaded: Loaded) -> Any:
    config = loaded.content.model
    model = MODELS[config.type]()
    if config.area is not None:
        model = model.to_absolute(config.area)
    with blame(loaded, "model.set"):
        return replace(model, config.set)


class Files:
    """Finds and reads data files, and remembers their hashes."""

    def __init__(self, loaded: Loaded | LoadedTemplate):
        self.loaded = loaded
        self.hashes: dict[str, str] = {}
        self.notes: list[str] = []

    def find(self, key: str, name: str) -> Path:
        """An absolute path as it is; a relative one beside the configuration, or else under $NEURODYN_DATA."""
        if Path(name).is_absolute():
            return Path(name)
        if ".." in Path(name).parts:
            raise self.loaded.error(key, name, "must not lead out of the configuration's folder; give the whole path")
        beside = self.loaded.path.absolute().parent / name
        root = os.environ.get(DATA_VARIABLE)
        if beside.exists() or not root:
            where = beside
        else:
            where = Path(root).absolute() / name
        if not where.exists():
            looked = f"{beside.parent}" + (
                f" or ${DATA_VARIABLE} = {root}" if root else f"; ${DATA_VARIABLE} is not set"
            )
            raise DataError(f"{self.loaded.path}: {key} = {name!r}: no such file in {looked}")
        return where

    def read(self, key: str, name: str, channel: int = 0) -> Recording:
        path = self.find(key, name)
        recording = (read_abf(path, channel) if path.suffix.lower() == ".abf" else read(path)).require("current")
        with path.open("rb") as file:
            self.hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
        self.notes.extend(recording.notes)
        return recording

    def current(self, key: str, name: str, recording: Recording) -> np.ndarray:
        """The command, in the unit of the model's drive."""
        if recording.command is None:
            raise DataError(f"{self.find(key, name)}: has no current")
        assert isinstance(self.loaded, Loaded)
        units = self.loaded.content.model.units
        wanted = {"absolute": "pA", "density": "uA/cm2"}[units]
        if recording.command_unit != wanted:
            hint = (
                'set model.units = "absolute" and model.area (um2)'
                if units == "density"
                else 'set model.units = "density", or give the current in pA'
            )
            raise self.loaded.error(
                "model.units",
                units,
                f"such a model takes its current in {wanted}, but that of {name} is in {recording.command_unit}; {hint}",
            )
        return recording.command

    def voltage(self, key: str, name: str, recording: Recording) -> np.ndarray:
        if recording.response is None:
            raise DataError(f"{self.find(key, name)}: has no voltage")
        return recording.response


def _recorded(loaded: Loaded, files: Files) -> list[Sweep]:
    config = loaded.content.recording
    assert config is not None
    recording = files.read("recording.file", config.file, config.channel)
    command = files.current("recording.file", config.file, recording)
    voltage = files.voltage("recording.file", config.file, recording)
    for i, index in enumerate(config.sweeps):
        if index >= recording.sweeps:
            raise loaded.error(f"recording.sweeps[{i}]", index, f"{config.file} has sweeps 0 to {recording.sweeps - 1}")
    return [
        _voltage_sweep(
            loaded,
            f"sweep {index}",
            Samples(jnp.asarray(command[index], float), recording.dt, jnp.asarray(recording.start, float)),
            recording,
            voltage[index],
            "recording",
            config,
        )
        for index in config.sweeps
    ]


def _given(loaded: Loaded, files: Files) -> list[Sweep]:
    target = loaded.content.target
    assert target is not None
    stimulus, length = _stimulus(loaded, files)
    if target.voltage is not None:
        recording = files.read("target.voltage", target.voltage)
        voltage = files.voltage("target.voltage", target.voltage, recording)
        _one_sweep(loaded, "target.voltage", target.voltage, recording)
        return [_voltage_sweep(loaded, "target", stimulus, recording, voltage[0], "target", target)]
    assert target.spikes is not None
    recording = files.read("target.spikes", target.spikes)
    if recording.spikes is None:
        raise DataError(
            f"{files.find('target.spikes', target.spikes)}: has no spike times (column or array spike_time_ms)"
        )
    window = target.window or length
    if window is None:
        raise loaded.error("target.window", None, "is missing; must be given where the stimulus is not a file")
    end = target.holdout[1] if target.holdout else window[1]
    dt = loaded.content.fit.dt or 0.025
    steps = max(2, math.ceil((end - window[0]) / dt * (1 - 1e-9)))
    grid = window[0] + (end - window[0]) / steps * np.arange(steps + 1)
    spikes = recording.spikes[(recording.spikes >= window[0]) & (recording.spikes <= end)]
    if not ((spikes >= window[0]) & (spikes <= window[1])).any():
        raise loaded.error("target.window", list(window), f"ms holds none of the spikes of {target.spikes}")
    return [Sweep("target", stimulus, grid, None, spikes, window, window, target.holdout)]


def _one_sweep(loaded: Loaded, key: str, name: str, recording: Recording) -> None:
    if recording.sweeps != 1:
        raise loaded.error(key, name, f"holds {recording.sweeps} sweeps, must hold 1; name several by [recording]")


def _stimulus(loaded: Loaded, files: Files) -> tuple[AbstractStimulus, Times | None]:
    """The stimulus, and from when to when it goes if that is known."""
    config = loaded.content.stimulus
    if isinstance(config, schema.FromFile):
        recording = files.read("stimulus.file", config.file)
        current = files.current("stimulus.file", config.file, recording)
        _one_sweep(loaded, "stimulus.file", config.file, recording)
        samples = Samples(jnp.asarray(current[0], float), recording.dt, jnp.asarray(recording.start, float))
        return samples, (recording.start, recording.stop + recording.dt)
    assert config is not None
    fields = config.model_dump(exclude={"type", "seed"})
    with blame(loaded, "stimulus"):
        if isinstance(config, schema.OrnsteinUhlenbeck):
            return OrnsteinUhlenbeck(**fields, key=jax.random.key(config.seed)), None
        return STIMULI[config.type](**fields), None


def _voltage_sweep(
    loaded: Loaded,
    name: str,
    stimulus: AbstractStimulus,
    recording: Recording,
    voltage: np.ndarray,
    section: str,
    config: schema.Windowed,
) -> Sweep:
    whole = (recording.start, recording.stop)
    for key in ("window", "score", "holdout"):
        times = getattr(config, key)
        if times and not (whole[0] - 1e-6 <= times[0] and times[1] <= whole[1] + 1e-6):
            raise loaded.error(
                f"{section}.{key}", list(times), f"must lie within the recording, {whole[0]:g} to {whole[1]:g} ms"
            )
    window = config.window or whole
    end = config.holdout[1] if config.holdout else window[1]
    first = math.ceil((window[0] - recording.start) / recording.dt - 1e-6)
    last = math.floor((end - recording.start) / recording.dt + 1e-6)
    grid = recording.start + recording.dt * np.arange(first, last + 1)
    values = voltage[first : last + 1]
    for key, times in (("window", window), ("holdout", config.holdout)):
        if times and np.sum((grid >= times[0]) & (grid <= times[1])) < 3:
            raise loaded.error(f"{section}.{key}", list(times), f"ms holds fewer than 3 samples of {recording.dt:g} ms")
    threshold = float(MODELS[loaded.content.model.type]().detection)
    return Sweep(
        name,
        stimulus,
        grid,
        values,
        crossings(grid, values, threshold),
        window,
        config.score or window,
        config.holdout,
        loaded.content.fit.substeps or 1,
    )


def _objective(config: schema.Fit, sweep: Sweep) -> AbstractObjective:
    fitted = sweep.inside(sweep.window)
    start, stop = float(sweep.grid[0]), float(sweep.grid[fitted][-1])
    if sweep.voltage is None:
        times = sweep.spikes[sweep.spikes <= sweep.window[1]]
        return SpikeTrain(
            sweep.stimulus,
            times,
            sweep.window[1],
            t0=start,
            dt=sweep.dt,
            tau=config.tau or (20.0, 10.0, 5.0),
            reach=config.reach or 5.0,
        )
    return VoltageTrace(
        sweep.stimulus,
        sweep.voltage[fitted],
        sweep.dt,
        t0=start,
        window=(max(sweep.score[0], start), min(sweep.score[1], stop)),
        coupling=config.coupling or [0.0],
        substeps=sweep.substeps,
        noise=config.noise or 1.0,
    )
