"""Morphologies: reading, checking, repairing, describing and building them."""

from .convert import from_morphio as from_morphio
from .files import MorphologyError as MorphologyError
from .frusta import diameter_at as diameter_at, integrate as integrate
from .morphology import Morphology as Morphology
from .read import read as read
from .section import Section as Section
from .shapes import (
    ball_and_stick as ball_and_stick,
    branching as branching,
    cylinder as cylinder,
    tapered as tapered,
)
from .summary import MorphologySummary as MorphologySummary, RegionSummary as RegionSummary
from .swc import from_swc as from_swc
