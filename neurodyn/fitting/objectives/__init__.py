"""What a fit minimises."""

from .base import AbstractObjective as AbstractObjective
from .electrode import Electrode as Electrode
from .spike_likelihood import SpikeLikelihood as SpikeLikelihood
from .spike_train import SpikeTrain as SpikeTrain
from .voltage_trace import VoltageTrace as VoltageTrace
