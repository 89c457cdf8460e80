"""Rates, steady states, time constants and gates: the parts ion channels are made of."""

from .concentration import AbstractIonGate as AbstractIonGate
from .gates import (
    Q10 as Q10,
    AbstractGate as AbstractGate,
    AlphaBeta as AlphaBeta,
    InfTau as InfTau,
)
from .hill import Hill as Hill
from .hyperbolic import Hyperbolic as Hyperbolic
from .instantaneous import Instantaneous as Instantaneous
from .neural import NeuralRate as NeuralRate
from .rates import (
    AbstractRate as AbstractRate,
    Exponential as Exponential,
    LinearExponential as LinearExponential,
    Sigmoid as Sigmoid,
)
from .relaxation import Relaxation as Relaxation
from .steady import (
    AbstractSteadyState as AbstractSteadyState,
    Boltzmann as Boltzmann,
    HyperbolicTangent as HyperbolicTangent,
    Power as Power,
    RateRatio as RateRatio,
    RisingBoltzmann as RisingBoltzmann,
)
from .table import TableGate as TableGate
from .times import (
    AbstractTimeConstant as AbstractTimeConstant,
    BellTime as BellTime,
    ConstantTime as ConstantTime,
    CuspTime as CuspTime,
    GaussianTime as GaussianTime,
    LogisticTime as LogisticTime,
    PeakedSigmoidTime as PeakedSigmoidTime,
    RateTime as RateTime,
    SigmoidTime as SigmoidTime,
)
from .two_site_binding import TwoSiteBinding as TwoSiteBinding
