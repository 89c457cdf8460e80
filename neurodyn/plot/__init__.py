"""Pictures. Every function draws into the axes it is given, or into new ones, and returns them; needs the extra `plot`."""

from .fitted import loss as loss, parameters as parameters
from .raster import raster as raster
from .trace import trace as trace
