"""The layer by neurodyn as a worker: `python -m benchmarks.resets.layer_worker fixed|network|adaptive`."""

import sys

import numpy as np

import neurodyn as nd

from .answers import serve
from .layer import MOST, T1, TAU


DT = 0.1  # ms
EVENTS = 16  # of all neurons in one step


THRESHOLD = {"resistance": 1.0, "rest": 0.0, "threshold": 1.0, "reset": 0.0}


def _simulate(model, x, method):
    return nd.simulate(model, nd.Step(x), T1, method=method, max_spikes=MOST).spikes.times


def _members(method):
    return lambda x: nd.vmap(lambda x: _simulate(nd.LIF(tau=TAU, refractory=0.0, **THRESHOLD), x, method))(x)


def _network(x):
    model = nd.networks.LIFNetwork(np.zeros((x.size, x.size)), tau=TAU, **THRESHOLD)
    return _simulate(model, x, nd.FixedStep(DT, reset=nd.ExactReset(events=EVENTS)))


#: All spike times from the X of each neuron.
ENGINES = {
    "fixed": _members(nd.FixedStep(DT)),
    "network": _network,
    "adaptive": _members(nd.Adaptive(max_events=MOST)),
}


if __name__ == "__main__":
    nd.configure_cpu()
    serve(ENGINES[sys.argv[1]])
