"""What can be computed of a run while it goes on, so that nothing of it has to be stored.

Times of a window are in ms. A step belongs to it when it ends after `start` and not after `stop`; an instant, when it lies between them, both
included. What is asked of an empty window is NaN.
"""

from .._reducer import AbstractReducer as AbstractReducer, Samples as Samples
from .counts import MeanRate as MeanRate, SpikeCount as SpikeCount
from .running import Running as Running
from .spikes import InterspikeIntervals as InterspikeIntervals, SpikeTimes as SpikeTimes
from .values import (
    Last as Last,
    Maximum as Maximum,
    Mean as Mean,
    Minimum as Minimum,
    StandardDeviation as StandardDeviation,
    TimeAbove as TimeAbove,
)
