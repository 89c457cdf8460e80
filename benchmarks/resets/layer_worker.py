"""The layer by neurodyn as a worker: `python -m benchmarks.resets.layer_worker fixed|network|adaptive`."""

import sys

import neurodyn as nd

from .answers import serve
from .layer import MOST, T1, TAU


DT = 0.1  # ms
EVENTS = 16  # of all neurons in one step


def main() -> None:
    nd.configure_cpu()
    import jax
    import jax.numpy as jnp

    threshold = {"resistance": 1.0, "rest": 0.0, "threshold": 1.0, "reset": 0.0}

    def simulate(model, x, method):
        return nd.simulate(model, nd.Step(x), T1, method=method, max_spikes=MOST).spikes.times

    def members(method):
        model = nd.LIF(tau=TAU, refractory=0.0, **threshold)
        return lambda x: nd.vmap(lambda x: simulate(model, x, method))(x)

    def network(x):
        model = nd.networks.LIFNetwork(jnp.zeros((x.size, x.size)), tau=TAU, **threshold)
        return simulate(model, x, nd.FixedStep(DT, reset=nd.ExactReset(events=EVENTS)))

    known = {
        "fixed": members(nd.FixedStep(DT)),
        "network": network,
        "adaptive": members(nd.Adaptive(max_events=MOST)),
    }
    serve(known[sys.argv[1]])


if __name__ == "__main__":
    main()
