"""The smallest current that makes a spike."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp

from .._model import AbstractSpikingNeuron
from .._parameter import check_positive, check_whole
from .._simulate import FixedStep, Status, simulate, vmap
from .._stimulus import Step
from .._types import FloatArray, State
from ..reducers import SpikeCount
from .f_i_curve import check_fixed, check_spiking
from .fixed_points import check_range


def rheobase(
    model: AbstractSpikingNeuron,
    upper: float,
    *,
    lower: float = 0.0,
    duration: float = 500.0,
    dt: float = 0.025,
    method: FixedStep | None = None,
    y0: State | Literal["rest"] | None = "rest",
    lanes: int = 16,
    rounds: int = 4,
) -> FloatArray:
    """The smallest current, switched on at once and held for `duration` ms, that makes a spike.

    Bisection with many currents at a time, in one compiled program: after `lanes` currents over the whole range, each of `rounds` rounds runs `lanes`
    more between the largest that did not fire and the smallest that did. By default that leaves a millionth of the range.

    **Arguments:**

    - `model`: smooth or resetting; not changed.
    - `upper`, `lower`: where to look, in the model's unit. What lies below the smallest current of a round that fires is taken to be silent.
    - `duration`: ms. The threshold for an ever longer step is often the current of a `saddle_node`, which it approaches slowly.
    - `dt`, `method`, `y0`: as in `simulate`, but starting from rest; fixed steps only.

    **Returns:** the current, to within the last interval from above. Infinite where no current fires, such as below a threshold or in depolarisation block;
    `lower` where that does; NaN where the run of a smaller current than those that fire failed. It has no derivative.

    **Raises:** `ValueError` for a model without spikes, a range that is empty, or an adaptive method.
    """
    check_spiking(model)
    ends = check_range("(lower, upper)", (lower, upper))
    check_positive("duration", duration, "ms")
    check_fixed(method)
    check_whole("lanes", lanes, 2)
    check_whole("rounds", rounds, 1)
    return jax.lax.stop_gradient(_rheobase(model, jnp.asarray(ends), float(duration), dt, method, y0, lanes, rounds))


@eqx.filter_jit
def _rheobase(model, ends, duration: float, dt: float, method, y0, lanes: int, rounds: int):
    model = jax.lax.stop_gradient(model)

    def fires(current):
        sol = simulate(model, Step(current), duration, dt=dt, method=method, y0=y0, reduce={"count": SpikeCount()})
        # More spikes in a step than there is room for are spikes.
        fired = (sol.reduced["count"] > 0) & (sol.ok | (sol.status == Status.event_storm))
        return fired, ~fired & ~sol.ok

    def narrow(k, ends):
        # The first round has the ends among its currents, so that what they do need not be run apart.
        inner = ends[0] + (ends[1] - ends[0]) * jnp.arange(1, lanes + 1) / (lanes + 1)
        outer = ends[0] + (ends[1] - ends[0]) * jnp.arange(lanes) / (lanes - 1)
        currents = jnp.where(k == 0, outer, inner)
        fired, failed = vmap(fires)(currents)
        least = jnp.argmax(fired | failed)
        some = jnp.any(fired | failed)
        above = jnp.where(some, currents[least], jnp.where(k == 0, jnp.inf, ends[1]))
        above = jnp.where(failed[least], jnp.nan, above)
        below = jnp.where(some & (least == 0), ends[0], currents[jnp.where(some, least - 1, lanes - 1)])
        return jnp.where(jnp.isfinite(ends[1]), jnp.stack([below, above]), ends)  # no more to find

    return jax.lax.fori_loop(0, rounds + 1, narrow, ends)[1]
