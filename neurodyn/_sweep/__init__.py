"""The same model at many parameter values."""

from .members import sample as sample
from .result import SweepResult as SweepResult
from .sweep import sweep as sweep
