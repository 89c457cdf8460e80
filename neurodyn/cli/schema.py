"""What may stand in a configuration file. Closed: a key that is not here is refused."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator


class Section(BaseModel):
    """Strict: no string is taken for a number, no boolean for an integer, and nothing is infinite unless it may be."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


def _pair(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("must be a list of two numbers")
    return tuple(value)


def _interval(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError("must be two times in ms, the earlier first")
    return value


def _range(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError("must be two numbers, the lower first")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value


def _flatten(value: Any) -> Any:
    """`leak.g = 8.0` in TOML is a table in a table: the same as `"leak.g" = 8.0`."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for key, item in value.items():
        inner = _flatten(item)
        entries = {f"{key}.{k}": v for k, v in inner.items()} if isinstance(inner, dict) else {key: inner}
        twice = sorted(flat.keys() & entries.keys())
        if twice:
            raise ValueError(f"{twice[0]} appears twice")
        flat.update(entries)
    return flat


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Interval = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_interval)]  # ms
Range = Annotated[tuple[float, float], BeforeValidator(_pair), AfterValidator(_range)]
File = Annotated[str, Field(min_length=1), AfterValidator(_no_nul)]


class Model(Section):
    """The model and where it starts."""

    type: Literal["HodgkinHuxley"]
    units: Literal["density", "absolute"] = "density"
    area: Positive | None = None  # um2
    set: Annotated[dict[str, float], BeforeValidator(_flatten)] = {}

    @model_validator(mode="after")
    def _area(self):
        if self.units == "absolute" and self.area is None:
            raise ValueError(
                'units = "absolute" needs an area (um2), from which capacitance and conductances are worked out'
            )
        if self.units == "density" and self.area is not None:
            raise ValueError('area is for units = "absolute" only')
        return self


class Windowed(Section):
    """Which times (ms) are simulated and fitted, which of them count, and which are kept for the test."""

    window: Interval | None = None
    score: Interval | None = None
    holdout: Interval | None = None

    @model_validator(mode="after")
    def _order(self):
        if self.window and self.score and not (self.window[0] <= self.score[0] and self.score[1] <= self.window[1]):
            raise ValueError(f"score = {list(self.score)} ms must lie within window = {list(self.window)} ms")
        if self.window is None and self.holdout is not None:
            raise ValueError("holdout needs a window that ends before it")
        if self.window and self.holdout and not self.window[1] <= self.holdout[0]:
            raise ValueError(f"holdout = {list(self.holdout)} ms must begin after window = {list(self.window)} ms ends")
        return self


class Recording(Windowed):
    """Command and voltage from one file."""

    file: File
    sweeps: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    channel: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _unique(self):
        if len(set(self.sweeps)) < len(self.sweeps):
            raise ValueError(f"sweeps = {self.sweeps} names a sweep twice")
        return self


class Target(Windowed):
    """Spike times or a voltage."""

    spikes: File | None = None
    voltage: File | None = None

    @model_validator(mode="after")
    def _one(self):
        if (self.spikes is None) == (self.voltage is None):
            raise ValueError("must have either spikes or voltage, each a file")
        if self.spikes is not None and self.score is not None:
            raise ValueError("score is for a voltage; spikes count in the whole window")
        return self


class _Timed(Section):
    start: float = 0.0
    stop: Annotated[float, Field(allow_inf_nan=True)] = math.inf

    @model_validator(mode="after")
    def _order(self):
        if not self.start < self.stop:
            raise ValueError(f"stop = {self.stop} ms must be later than start = {self.start} ms")
        return self


class Step(_Timed):
    type: Literal["Step"]
    amplitude: float


class Ramp(_Timed):
    type: Literal["Ramp"]
    slope: float
    offset: float = 0.0


class Sine(_Timed):
    type: Literal["Sine"]
    amplitude: float
    frequency: NotNegative  # Hz
    phase: float = 0.0  # rad


class Chirp(Section):
    type: Literal["Chirp"]
    amplitude: float
    f0: NotNegative  # Hz
    f1: NotNegative  # Hz
    start: float
    stop: float

    @model_validator(mode="after")
    def _order(self):
        if not self.start < self.stop:
            raise ValueError(f"stop = {self.stop} ms must be later than start = {self.start} ms")
        return self


class Pulses(Section):
    type: Literal["Pulses"]
    amplitude: float
    width: NotNegative  # ms
    period: Positive  # ms
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    start: float = 0.0


class OrnsteinUhlenbeck(Section):
    type: Literal["OrnsteinUhlenbeck"]
    mean: float
    std: NotNegative
    tau: Positive  # ms
    duration: Annotated[float, Field(gt=0, le=1e6)]  # ms
    dt: Annotated[float, Field(ge=1e-3)] = 0.025  # ms
    start: float = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class FromFile(Section):
    """A recorded current."""

    file: File


def _kind(value: Any) -> Any:
    if isinstance(value, Mapping):
        return "file" if "file" in value and "type" not in value else value.get("type")
    return getattr(value, "type", "file")


Stimulus = Annotated[
    Annotated[Step, Tag("Step")]
    | Annotated[Ramp, Tag("Ramp")]
    | Annotated[Pulses, Tag("Pulses")]
    | Annotated[Sine, Tag("Sine")]
    | Annotated[Chirp, Tag("Chirp")]
    | Annotated[OrnsteinUhlenbeck, Tag("OrnsteinUhlenbeck")]
    | Annotated[FromFile, Tag("file")],
    Discriminator(_kind),
]


class Fit(Section):
    """What is trained and how."""

    trainable: Annotated[list[str], Field(min_length=1)]
    bounds: Annotated[dict[str, Range], BeforeValidator(_flatten)] = {}
    # A voltage target:
    coupling: Annotated[list[NotNegative], Field(min_length=1), BeforeValidator(_as_list)] | None = None  # 1/ms
    noise: Positive | None = None  # mV
    substeps: Annotated[int, Field(ge=1, le=1000)] | None = None
    # A spike target:
    tau: Annotated[list[Positive], Field(min_length=1), BeforeValidator(_as_list)] | None = None  # ms
    reach: Positive | None = None  # ms
    dt: Annotated[float, Field(ge=1e-3, le=1.0)] | None = None  # ms
    # Any:
    optimiser: Literal["adam", "adamw", "nadam", "rmsprop", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    nuisance: list[str] = []
    candidates: Annotated[int, Field(ge=0, le=1_000_000)] = 0  # points looked at before
    evolution: Annotated[int, Field(ge=0, le=1_000_000)] = 0  # generations
    steps: Annotated[int, Field(ge=0, le=1_000_000)] = 150
    starts: Annotated[int, Field(ge=1, le=100_000)] = 32
    halvings: Annotated[int, Field(ge=0, le=16)] = 0
    box_prior: NotNegative = 0.0
    batch: Annotated[int, Field(ge=1)] | None = None  # sweeps a step looks at
    polish: Annotated[int, Field(ge=0, le=10_000)] = 0  # steps of least squares afterwards
    polish_starts: Annotated[int, Field(ge=1, le=10_000)] = 8
    attempts: Annotated[int, Field(ge=1, le=1000)] = 1
    stop_below: Positive | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    precision: Literal["float32", "float64"] = "float32"

    @model_validator(mode="after")
    def _together(self):
        if self.steps + self.evolution + self.polish == 0:
            raise ValueError("steps = 0 leaves nothing to do without evolution or polish; give one of the three")
        if self.starts % 2**self.halvings:
            raise ValueError(
                f"starts = {self.starts} must be divisible by {2**self.halvings} with halvings = {self.halvings}"
            )
        if self.evolution and self.starts < 4:
            raise ValueError(
                f"starts = {self.starts} must be at least 4 with evolution = {self.evolution}: the size of a generation"
            )
        return self


class Output(Section):
    directory: File | None = None
    analysis: bool = True  # whether the report says what the data determine


class TemplateModel(Section):
    """A cell of `neurodyn.templates`, brought to the size of the recorded one."""

    template: Literal["regular_spiking", "fast_spiking", "adaptive_threshold"]


class TemplateRecording(Section):
    """Which steps (those within an interval, ms) of which sweeps of a file are fitted, and which are kept for the test."""

    file: File
    channel: Annotated[int, Field(ge=0)] = 0
    sweeps: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None  # all of them
    window: Interval | None = None
    holdout: Interval | None = None


class TemplateFit(Section):
    """How a template is fitted; see `neurodyn.templates.fit_recording`."""

    candidates: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    evolution: Annotated[int, Field(ge=0, le=1_000_000)] = 400  # generations
    starts: Annotated[int, Field(ge=4, le=100_000)] = 64  # the size of a generation
    polish: Annotated[int, Field(ge=0, le=10_000)] | None = None  # by the kind of model
    polish_starts: Annotated[int, Field(ge=1, le=10_000)] = 1
    attempts: Annotated[int, Field(ge=1, le=1000)] = 2
    box_prior: NotNegative = 1.5
    checkpoint_every: Annotated[int, Field(ge=1)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class TemplateConfig(Section):
    """The whole file, where the model is a template."""

    model: TemplateModel
    recording: TemplateRecording
    fit: TemplateFit = TemplateFit()
    output: Output = Output()


class Config(Section):
    """The whole file."""

    model: Model
    recording: Recording | None = None
    stimulus: Stimulus | None = None
    target: Target | None = None
    fit: Fit
    output: Output = Output()

    @model_validator(mode="after")
    def _data(self):
        if (self.recording is None) == (self.target is None) or (self.target is None) != (self.stimulus is None):
            raise ValueError("must have either a [recording], or a [stimulus] and a [target]")
        voltage = self.recording is not None or (self.target is not None and self.target.voltage is not None)
        wrong = ("tau", "reach", "dt") if voltage else ("coupling", "noise", "substeps")
        for name in wrong:
            if getattr(self.fit, name) is not None:
                raise ValueError(
                    f"fit.{name} is for a {'spike' if voltage else 'voltage'} target, and this one is a "
                    f"{'voltage, stepped by its sampling interval divided by fit.substeps' if voltage else 'spike train'}"
                )
        return self
