"""Point neurons: cells without shape."""

from .._clamped import Clamped as Clamped
from .adaptation import Adaptation as Adaptation
from .adaptive_lif import AdaptiveLIF as AdaptiveLIF
from .adex import AdEx as AdEx
from .after_spike_currents import AfterSpikeCurrents as AfterSpikeCurrents
from .connor_stevens import ConnorStevens as ConnorStevens
from .eif import EIF as EIF
from .fitzhugh_nagumo import FitzHughNagumo as FitzHughNagumo
from .gif import GIF as GIF
from .glif import GLIF as GLIF
from .hindmarsh_rose import HindmarshRose as HindmarshRose
from .hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from .izhikevich import Izhikevich as Izhikevich
from .izhikevich_euler import IzhikevichEuler as IzhikevichEuler
from .lif import LIF as LIF
from .mcculloch_pitts import McCullochPitts as McCullochPitts
from .membrane import AbstractMembrane as AbstractMembrane
from .morris_lecar import MorrisLecar as MorrisLecar
from .patterns import Pattern as Pattern, adex_patterns as adex_patterns, izhikevich_patterns as izhikevich_patterns
from .perceptron import Perceptron as Perceptron
from .point_cell import PointCell as PointCell
from .pospischil import Pospischil as Pospischil
from .qif import QIF as QIF
from .reduced_traub_miles import ReducedTraubMiles as ReducedTraubMiles
from .spike_response import SpikeResponse as SpikeResponse
from .theta import Theta as Theta
from .wang_buzsaki import WangBuzsaki as WangBuzsaki
