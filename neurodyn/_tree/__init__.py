"""Linear equations on a tree: what couples the compartments of a cell."""

from .operations import (
    divergence as divergence,
    drops as drops,
    laplacian as laplacian,
    permute as permute,
    put as put,
    take as take,
    tree_solve as tree_solve,
)
from .topology import Tree as Tree
