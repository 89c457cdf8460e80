"""Ion channels, conductance times gates times driving force, and the concentrations they move."""

from .a_current import ACurrent as ACurrent
from .barnacle_calcium import BarnacleCalcium as BarnacleCalcium
from .barnacle_potassium import BarnaclePotassium as BarnaclePotassium
from .base import AbstractChannel as AbstractChannel
from .bk_potassium import BKPotassium as BKPotassium
from .calcium_pool import CalciumPool as CalciumPool
from .driving_force import (
    GHK as GHK,
    AbstractDrivingForce as AbstractDrivingForce,
    FixedReversal as FixedReversal,
    Nernst as Nernst,
)
from .h_current import HCurrent as HCurrent
from .high_voltage_calcium import HighVoltageCalcium as HighVoltageCalcium
from .ion import Ion as Ion
from .kv3_potassium import Kv3Potassium as Kv3Potassium
from .l_type_calcium import LTypeCalcium as LTypeCalcium
from .leak import Leak as Leak
from .low_voltage_calcium import LowVoltageCalcium as LowVoltageCalcium
from .m_current import MCurrent as MCurrent
from .mechanism import AbstractMechanism as AbstractMechanism
from .persistent_potassium import PersistentPotassium as PersistentPotassium
from .persistent_sodium import PersistentSodium as PersistentSodium
from .pool import AbstractPool as AbstractPool
from .potassium import Potassium as Potassium
from .sk_potassium import SKPotassium as SKPotassium
from .slow_potassium import SlowPotassium as SlowPotassium
from .slow_sodium import SlowSodium as SlowSodium
from .sodium import Sodium as Sodium
from .t_type_calcium import TTypeCalcium as TTypeCalcium
from .transient_potassium import TransientPotassium as TransientPotassium
