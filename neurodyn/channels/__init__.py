"""Ion channels: conductance times gates times driving force."""

from .a_current import ACurrent as ACurrent
from .barnacle_calcium import BarnacleCalcium as BarnacleCalcium
from .barnacle_potassium import BarnaclePotassium as BarnaclePotassium
from .base import AbstractChannel as AbstractChannel
from .h_current import HCurrent as HCurrent
from .l_type_calcium import LTypeCalcium as LTypeCalcium
from .leak import Leak as Leak
from .m_current import MCurrent as MCurrent
from .potassium import Potassium as Potassium
from .slow_potassium import SlowPotassium as SlowPotassium
from .slow_sodium import SlowSodium as SlowSodium
from .sodium import Sodium as Sodium
from .t_type_calcium import TTypeCalcium as TTypeCalcium
