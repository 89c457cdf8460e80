"""The phases of a fit, each from many points to better ones."""

from .course import Course as Course, Progress as Progress
from .descent import Descent as Descent, falling_rate as falling_rate
from .evolution import Evolution as Evolution
from .phase import AbstractPhase as AbstractPhase, Ends as Ends, Record as Record
from .polish import Polish as Polish
from .screen import Screen as Screen
