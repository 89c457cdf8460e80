"""Sharing starts out over devices."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def spread(tree: Any, starts: int) -> Any:
    """A pytree with a leading axis of starts, shared out over the devices if they divide it evenly.

    For programs in which no start waits for another: a loop that ends when all are done would make the devices wait at every turn.
    """
    devices = jax.local_devices()
    if len(devices) == 1 or starts % len(devices):
        return tree
    mesh = Mesh(np.array(devices), ("starts",))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("starts")))
