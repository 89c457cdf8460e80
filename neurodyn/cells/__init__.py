"""Cells with a shape: morphologies, and what is computed on them."""

from .cell import Cell as Cell
from .compartments import Compartments as Compartments
from .inputs import (
    AbstractInput as AbstractInput,
    ConductanceInput as ConductanceInput,
    CurrentClamp as CurrentClamp,
    VoltageClamp as VoltageClamp,
)
from .morphology import (
    Morphology as Morphology,
    MorphologyError as MorphologyError,
    MorphologySummary as MorphologySummary,
    RegionSummary as RegionSummary,
    Section as Section,
    ball_and_stick as ball_and_stick,
    branching as branching,
    cylinder as cylinder,
    diameter_at as diameter_at,
    from_morphio as from_morphio,
    from_swc as from_swc,
    integrate as integrate,
    read as read,
    tapered as tapered,
)
from .placement import On as On
from .profiles import (
    AbstractProfile as AbstractProfile,
    Exponential as Exponential,
    Linear as Linear,
    PerCompartment as PerCompartment,
    PerRegion as PerRegion,
    Sigmoid as Sigmoid,
)
from .resistance import input_resistance as input_resistance, transfer_resistance as transfer_resistance
