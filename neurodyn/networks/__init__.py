"""Networks: neurons that hear each other's spikes."""

from .lif_network import Axon as Axon, LIFNetwork as LIFNetwork
