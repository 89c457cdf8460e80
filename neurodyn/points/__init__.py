"""Point neurons: cells without shape."""

from .clamped import Clamped as Clamped
from .hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from .lif import LIF as LIF
from .point_cell import PointCell as PointCell
