"""Fitting parameters to data by gradient."""

from .fit import Progress as Progress, fit as fit
from .identifiability import RankReport as RankReport, rank_report as rank_report
from .objectives import AbstractObjective as AbstractObjective, SpikeTrain as SpikeTrain, VoltageTrace as VoltageTrace
from .result import FitResult as FitResult, FittedParameter as FittedParameter, History as History
from .ties import Tie as Tie, tie as tie
