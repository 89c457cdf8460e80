"""Ion channels: conductance times gates times driving force."""

from .base import AbstractChannel as AbstractChannel
from .leak import Leak as Leak
from .potassium import Potassium as Potassium
from .sodium import Sodium as Sodium
