"""Fits that outlast the process they run in."""

from .directory import RunDirectory as RunDirectory, RunDirectoryError as RunDirectoryError
from .fingerprint import fingerprint as fingerprint
from .signals import Stop as Stop, stop_on_signals as stop_on_signals
