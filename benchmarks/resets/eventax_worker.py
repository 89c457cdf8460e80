"""The layer by Eventax as a worker, in an environment of its own: `python -m benchmarks.resets.eventax_worker euler:0.1|euler:0.01|tsit5`.

One layer whose neurons have a bias current and no input; `spikes_until_t` and its derivative by that current. `euler:0.01` is all defaults of `FFEvNN`,
and `euler:0.1` the step of Eventax's examples, in ms.
"""

import sys

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from eventax.evnn import FFEvNN
from eventax.neuron_models import LIF

from .answers import serve
from .layer import MOST, T1, TAU


TOLERANCE = 1e-5


def main() -> None:
    name, _, step = sys.argv[1].partition(":")
    options = {"solver_stepsize": float(step or 0.1)}
    if name == "tsit5":
        controller = dfx.PIDController(rtol=TOLERANCE, atol=TOLERANCE)
        finder = optx.Newton(TOLERANCE, TOLERANCE)
        options |= {"solver": dfx.Tsit5(), "stepsize_controller": controller, "root_finder": finder}

    def spikes(x):
        most = MOST * x.size
        with jax.ensure_compile_time_eval():
            layer = FFEvNN(
                layers=[x.size],
                in_size=1,
                neuron_model=LIF,
                max_solver_time=T1,
                key=jax.random.PRNGKey(0),
                max_event_steps=most,
                output_no_spike_value=jnp.inf,
                thresh=1.0,
                tmem=TAU,
                tsyn=5.0,
                init_weights=0.0,
                init_bias=0.0,
                **options,
            )
        layer = eqx.tree_at(lambda layer: layer.neuron_model.ic, layer, x)
        return layer.spikes_until_t(jnp.full((1, 1), jnp.inf), T1, most)[:, :MOST]

    serve(spikes)


if __name__ == "__main__":
    main()
