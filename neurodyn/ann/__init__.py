"""Neurons fitted to artificial networks: read-outs, populations that stand for a layer, and outputs that were computed elsewhere."""

from .outputs import read_outputs as read_outputs
from .population import Population as Population
from .readout import Readout as Readout
