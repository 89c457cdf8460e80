"""The same model at many parameter values."""

from .result import SweepResult as SweepResult
from .sample import sample as sample
from .sweep import sweep as sweep
