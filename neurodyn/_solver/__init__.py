"""Diffrax solvers that know the structure of neuron models."""

from .base import AbstractLeapfrog as AbstractLeapfrog
from .rosenbrock_rodas5p import Rodas5P as Rodas5P
from .split import AbstractSplit as AbstractSplit
from .staggered import Staggered as Staggered
from .staggered4 import Staggered4 as Staggered4
