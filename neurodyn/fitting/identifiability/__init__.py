"""What the data determine: ranks, uncertainties, profiles, posteriors, and whether gradients can be trusted."""

from .bayes import Posterior as Posterior, sample_posterior as sample_posterior
from .curvature import Curvature as Curvature, curvature as curvature
from .fisher import Direction as Direction, Uncertainty as Uncertainty, uncertainty as uncertainty
from .health import (
    GradientHealth as GradientHealth,
    ObjectiveHealth as ObjectiveHealth,
    gradient_health as gradient_health,
)
from .profile import Profile as Profile, profile as profile
from .rank import RankReport as RankReport, rank_report as rank_report
