"""Integration of a model in time."""

from .blocks import lanes as lanes, tree_bytes as tree_bytes, vmap as vmap
from .memory import GradientPlan as GradientPlan
from .method import Adaptive as Adaptive, FixedStep as FixedStep, Method as Method
from .reset import ExactReset as ExactReset, GridReset as GridReset, Surrogate as Surrogate
from .rest import relax as relax, rest_response as rest_response, rest_state as rest_state
from .simulate import simulate as simulate
from .solution import Solution as Solution, Spikes as Spikes, Status as Status
