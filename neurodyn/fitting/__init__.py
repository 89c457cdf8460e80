"""Fitting parameters to data by gradient."""

from .fit import fit as fit
from .identifiability import (
    Curvature as Curvature,
    Direction as Direction,
    GradientHealth as GradientHealth,
    ObjectiveHealth as ObjectiveHealth,
    Posterior as Posterior,
    Profile as Profile,
    RankReport as RankReport,
    Uncertainty as Uncertainty,
    curvature as curvature,
    gradient_health as gradient_health,
    profile as profile,
    rank_report as rank_report,
    sample_posterior as sample_posterior,
    uncertainty as uncertainty,
)
from .objectives import (
    PSTH as PSTH,
    AbstractObjective as AbstractObjective,
    CurrentTrace as CurrentTrace,
    Electrode as Electrode,
    Features as Features,
    NetworkOutput as NetworkOutput,
    Prior as Prior,
    SpikeLikelihood as SpikeLikelihood,
    SpikeTrain as SpikeTrain,
    StepResponse as StepResponse,
    VoltageTrace as VoltageTrace,
    trace_features as trace_features,
)
from .result import FitResult as FitResult, FittedParameter as FittedParameter, History as History
from .search import Progress as Progress
from .task import Task as Task
from .ties import Tie as Tie, tie as tie
