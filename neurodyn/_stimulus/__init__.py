"""Stimuli: functions of time that know their edges and their average over a step."""

from .base import AbstractStimulus as AbstractStimulus, Instant as Instant
from .noise import OrnsteinUhlenbeck as OrnsteinUhlenbeck
from .samples import Samples as Samples
from .several import Drives as Drives, Stack as Stack
from .synaptic import Alpha as Alpha, DoubleExponential as DoubleExponential
from .waveforms import (
    Chirp as Chirp,
    Pulses as Pulses,
    Ramp as Ramp,
    Sine as Sine,
    Step as Step,
)
