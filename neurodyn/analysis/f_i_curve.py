"""How often a neuron fires under constant currents."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._model import AbstractNeuron, AbstractSpikingNeuron
from .._parameter import check_positive, parameter
from .._simulate import FixedStep, simulate, vmap
from .._stimulus import Step
from .._types import BoolArray, FloatArray, IntArray, Parameter
from ..reducers.crossings import AbstractOfSpikes


class FICurve(eqx.Module):
    """Firing against current.

    **Fields**, one entry for each current:

    - `currents`: in the model's unit.
    - `rates`: of the steady firing after the transient, Hz; differentiable.
    - `onsets`: one over the first interval, Hz: higher than `rates` where the neuron adapts.
    - `counts`: spikes in the whole run.
    - `status`: see `nd.Status`; rates of a failed run are NaN.
    """

    currents: FloatArray
    rates: FloatArray
    onsets: FloatArray
    counts: IntArray
    status: IntArray


def f_i_curve(
    model: AbstractSpikingNeuron,
    currents: Any,
    *,
    duration: float = 1000.0,
    transient: float = 200.0,
    dt: float = 0.025,
    method: FixedStep | None = None,
    y0: Any = None,
) -> FICurve:
    """The steady firing rate for each of several constant currents, in one compiled program that stores no traces.

    The rate is one over the mean interspike interval between `transient` and `duration`. It is zero where there are fewer than two spikes, and where
    the neuron has fallen silent: its last spike is longer ago than twice its longest interval. Rates far below 1 kHz / (`duration` - `transient`)
    need a longer run.

    **Arguments:**

    - `model`: one that emits spikes; not changed.
    - `currents`: shape (n,), in the model's unit, from time 0 on.
    - `duration`, `transient`: ms.
    - `dt`, `method`, `y0`: as in `simulate`; fixed steps only.

    **Returns:** an `FICurve`.

    **Raises:** `ValueError` for a model without spikes, currents that are no row of finite numbers, a transient as long as the run, or an adaptive
    method.
    """
    currents = jnp.asarray(currents, dtype=float)
    if currents.ndim != 1 or currents.size == 0:
        raise ValueError(f"currents of shape {currents.shape} is not allowed: must be one-dimensional and not empty")
    if not isinstance(currents, Tracer) and not np.isfinite(np.asarray(currents)).all():
        i = int(np.argmin(np.isfinite(np.asarray(currents))))
        raise ValueError(f"currents[{i}] = {currents[i]!s} is not allowed: must be finite")
    check_spiking(model)
    check_fixed(method)
    check_positive("duration", duration, "ms")
    if not 0 <= transient < duration:
        raise ValueError(f"transient = {transient} ms is not allowed: must be >= 0 and < duration = {duration:g} ms")
    return _f_i_curve(model, currents, float(duration), float(transient), dt, method, y0)


@eqx.filter_jit
def _f_i_curve(model, currents, duration: float, transient: float, dt: float, method, y0) -> FICurve:
    def one(current):
        reducer = {"firing": _Firing(transient, jnp.inf, duration)}
        sol = simulate(model, Step(current), duration, dt=dt, method=method, y0=y0, reduce=reducer)
        rate, onset, count = sol.reduced["firing"]
        return rate, onset, count, sol.status

    return FICurve(currents, *vmap(one)(currents))


def check_spiking(model: Any) -> None:
    """Refuse a model without spikes.

    **Raises:** `ValueError` naming it.
    """
    if not isinstance(model, AbstractSpikingNeuron):
        kind = "which emits no spikes" if isinstance(model, AbstractNeuron) else "which is no neuron"
        raise ValueError(f"model = {type(model).__name__} is not allowed, {kind}: must be an AbstractSpikingNeuron")


def check_fixed(method: Any) -> None:
    """Refuse a method without fixed steps, which cannot count spikes inside its loop.

    **Raises:** `ValueError` naming it.
    """
    if not (method is None or isinstance(method, FixedStep)):
        raise ValueError(
            f"method = {type(method).__name__} is not allowed: must be a FixedStep, or None for FixedStep(dt)"
        )


class _Firing(AbstractOfSpikes):
    """The steady rate and the first, Hz, and the number of spikes of each unit; steady: after `transient` ms of a run that ends at `end` ms."""

    transient: Parameter = parameter(unit="ms")
    stop: Parameter = parameter(unit="ms", infinite=True)
    end_of_run: Parameter = parameter(unit="ms")
    start: Parameter = parameter(-float("inf"), unit="ms", infinite=True)

    def begin(self, silent: FloatArray) -> Any:
        return {"count": jnp.zeros_like(silent, int), "steady": jnp.zeros_like(silent, int)} | dict.fromkeys(
            ("last", "onset", "first", "longest"), silent
        )

    def spike(self, known: Any, time: FloatArray, happened: BoolArray) -> Any:
        count, steady = known["count"], known["steady"]
        interval = time - known["last"]
        late = happened & (time > self.transient)
        longer = late & (steady > 0) & (interval > known["longest"])
        return {
            "count": count + happened,
            "steady": steady + late,
            "last": jnp.where(happened, time, known["last"]),
            "onset": jnp.where(happened & (count == 1), interval, known["onset"]),
            "first": jnp.where(late & (steady == 0), time, known["first"]),
            "longest": jnp.where(longer, interval, known["longest"]),
        }

    def end(self, known: Any) -> Any:
        going = (known["steady"] > 1) & (self.end_of_run - known["last"] <= 2 * known["longest"])
        elapsed = jnp.where(going, known["last"] - known["first"], 1.0)
        twice = known["count"] > 1
        rate = jnp.where(going, 1e3 * (known["steady"] - 1) / elapsed, 0.0)
        return rate, jnp.where(twice, 1e3 / jnp.where(twice, known["onset"], 1.0), 0.0), known["count"]
