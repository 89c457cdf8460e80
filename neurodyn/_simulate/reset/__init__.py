"""Resets: what happens when a unit crosses its threshold."""

from .base import AbstractReset as AbstractReset, Events as Events, Span as Span, jump as jump, select as select
from .exact import ExactReset as ExactReset
from .grid import GridReset as GridReset
from .surrogate import Surrogate as Surrogate
