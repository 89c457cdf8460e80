"""Pictures. Every function draws into the axes it is given, or into new ones, and returns them; needs the extra `plot`."""

from .attenuation import attenuation as attenuation
from .branches import bifurcation as bifurcation
from .cell import cell as cell
from .cell_movie import cell_movie as cell_movie
from .channel import channel as channel
from .determined import (
    gradient_health as gradient_health,
    posterior as posterior,
    profile as profile,
    rank as rank,
    uncertainty as uncertainty,
)
from .firing import f_i_curve as f_i_curve
from .fitted import loss as loss, parameters as parameters
from .path import path as path
from .plane import phase_plane as phase_plane
from .raster import raster as raster
from .recording import f_i as f_i, recording as recording
from .recording_fit import recording_fit as recording_fit
from .trace import trace as trace
