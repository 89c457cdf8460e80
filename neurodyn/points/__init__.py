"""Point neurons: cells without shape."""

from .adaptive_lif import AdaptiveLIF as AdaptiveLIF
from .adex import AdEx as AdEx
from .artificial import McCullochPitts as McCullochPitts, Perceptron as Perceptron, SpikeResponse as SpikeResponse
from .clamped import Clamped as Clamped
from .connor_stevens import ConnorStevens as ConnorStevens
from .eif import EIF as EIF
from .fitzhugh_nagumo import FitzHughNagumo as FitzHughNagumo
from .glif import GLIF as GLIF, AfterSpikeCurrents as AfterSpikeCurrents
from .hindmarsh_rose import HindmarshRose as HindmarshRose
from .hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from .izhikevich import Izhikevich as Izhikevich
from .izhikevich_euler import IzhikevichEuler as IzhikevichEuler
from .lif import LIF as LIF
from .membrane import AbstractMembrane as AbstractMembrane
from .morris_lecar import MorrisLecar as MorrisLecar
from .patterns import Pattern as Pattern, adex_patterns as adex_patterns, izhikevich_patterns as izhikevich_patterns
from .point_cell import PointCell as PointCell
from .pospischil import Pospischil as Pospischil
from .qif import QIF as QIF
from .reduced_traub_miles import ReducedTraubMiles as ReducedTraubMiles
from .theta import Theta as Theta
from .wang_buzsaki import WangBuzsaki as WangBuzsaki
