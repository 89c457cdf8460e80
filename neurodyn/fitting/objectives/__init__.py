"""What a fit minimises."""

from .base import AbstractObjective as AbstractObjective
from .current_trace import CurrentTrace as CurrentTrace
from .electrode import Electrode as Electrode
from .features import Features as Features, trace_features as trace_features
from .network_output import NetworkOutput as NetworkOutput
from .prior import Prior as Prior
from .psth import PSTH as PSTH
from .spike_likelihood import SpikeLikelihood as SpikeLikelihood
from .spike_train import SpikeTrain as SpikeTrain
from .step_response import StepResponse as StepResponse
from .voltage_trace import VoltageTrace as VoltageTrace
