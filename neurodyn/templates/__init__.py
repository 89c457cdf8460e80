"""Cells to fit to a patch recording, in pA, nS, pF, mV and ms, with what to train and within which bounds."""

from .adaptive import adaptive_threshold as adaptive_threshold
from .conductance import fast_spiking as fast_spiking, regular_spiking as regular_spiking
from .recorded import RecordingFit as RecordingFit, fit_recording as fit_recording
from .scores import StepScores as StepScores
from .template import Template as Template
