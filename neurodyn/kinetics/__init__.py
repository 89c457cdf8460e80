"""Rates and gates: the parts ion channels are made of."""

from .gates import (
    Q10 as Q10,
    AbstractGate as AbstractGate,
    AlphaBeta as AlphaBeta,
    InfTau as InfTau,
)
from .rates import (
    AbstractRate as AbstractRate,
    Exponential as Exponential,
    LinearExponential as LinearExponential,
    Sigmoid as Sigmoid,
)
