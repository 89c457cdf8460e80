"""Analysis of activity and of models: spike trains and the distances between them, f-I curves, phase planes, equilibria and their bifurcations.

Spike trains are arrays of times in ms, one train along the last axis, padded with inf, such as `Solution.spikes.times`.
"""

from .coincidence import coincidence_factor as coincidence_factor
from .continuation import Branch as Branch, continue_equilibria as continue_equilibria
from .equilibrium import equilibrium as equilibrium
from .f_i_curve import FICurve as FICurve, f_i_curve as f_i_curve
from .fixed_points import FixedPoint as FixedPoint, fixed_points as fixed_points
from .gradient_modes import (
    GradientComparison as GradientComparison,
    GradientMode as GradientMode,
    compare_gradients as compare_gradients,
)
from .hopf import Hopf as Hopf, hopf as hopf
from .intervals import (
    coefficient_of_variation as coefficient_of_variation,
    interspike_intervals as interspike_intervals,
    local_variation as local_variation,
)
from .isi_distance import isi_distance as isi_distance
from .phase_plane import PhasePlane as PhasePlane, phase_plane as phase_plane
from .rates import firing_rate as firing_rate, instantaneous_rate as instantaneous_rate, psth as psth
from .rheobase import rheobase as rheobase
from .saddle_node import SaddleNode as SaddleNode, saddle_node as saddle_node
from .soft_dtw import soft_dtw as soft_dtw
from .soft_victor_purpura import soft_victor_purpura as soft_victor_purpura
from .spike_distance import spike_distance as spike_distance
from .stability import classify as classify, eigenvalues as eigenvalues
from .van_rossum import van_rossum as van_rossum
from .victor_purpura import victor_purpura as victor_purpura
