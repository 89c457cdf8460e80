"""The ways to differentiate through spikes, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._model import AbstractNeuron, AbstractSpikingNeuron
from .._parameter import check_positive, check_whole, parameters, replace_leaves
from .._paths import match
from .._simulate import Adaptive, ExactReset, FixedStep, GridReset, Method, Status, Surrogate, simulate
from .._simulate.reset.surrogate import Shape
from .._stimulus import AbstractStimulus
from .._table import as_html, as_text


class GradientMode(eqx.Module):
    """What one way of integrating and differentiating gives.

    **Fields:**

    - `times`: spike times, ms, padded with inf; `count`: how many there are.
    - `readout`: the sum over spikes of `exp(-(t1 - t) / tau)`; NaN if the run failed or found more spikes than there is room for.
    - `gradient`, `differences`: the derivative of the readout by each parameter, by automatic differentiation and by central differences of this very
        computation; NaN with the readout.
    - `status`: how the run ended.
    """

    times: np.ndarray
    count: int
    readout: float
    gradient: dict[str, float]
    differences: dict[str, float]
    status: Status


class GradientComparison(dict[str, GradientMode]):
    """`GradientMode` by name, and what is true: shows itself as a table.

    `truth` holds the derivative of the readout by each parameter, by central differences of the mode named `reference`.
    """

    def __init__(self, modes: dict[str, GradientMode], reference: str):
        super().__init__(modes)
        self.reference = reference

    @property
    def truth(self) -> dict[str, float]:
        return self[self.reference].differences

    def error(self, mode: str) -> float:
        """The largest difference of a mode's gradient from the truth, over the largest true derivative times parameter, in the same units."""
        scale = {path: max(abs(x), 1e-300) for path, x in self.truth.items()}
        largest = max(scale.values())
        return max(abs(self[mode].gradient[p] - x) / max(scale[p], 1e-3 * largest) for p, x in self.truth.items())

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        paths = list(self.truth)
        header = ["mode", "spikes", "last spike, ms", "readout", *(f"d/d {path}" for path in paths), "relative error"]
        failed = any(mode.status != Status.ok for mode in self.values())
        rows = []
        for name, mode in self.items():
            last = f"{mode.times[np.isfinite(mode.times)][-1]:.6f}" if np.isfinite(mode.times).any() else "-"
            slopes = [f"{mode.gradient[path]:.7g}" for path in paths]
            row = [name, str(mode.count), last, f"{mode.readout:.7g}", *slopes, f"{self.error(name):.1e}"]
            rows.append([*row, mode.status.name] if failed else row)
        truth = [f"{self.truth[path]:.7g}" for path in paths]
        rows.append([f"differences of {self.reference}", "", "", "", *truth, *[""] * (1 + failed)])
        return [*header, *["status"] * failed], rows

    def __repr__(self) -> str:
        return as_text(*self._cells())

    def _repr_html_(self) -> str:
        return as_html(*self._cells())


def compare_gradients(
    model: AbstractNeuron,
    stimulus: AbstractStimulus,
    t1: float,
    by: str | Sequence[str],
    *,
    dt: float = 0.1,
    tau: float = 20.0,
    modes: Mapping[str, Method] | None = None,
    max_spikes: int | None = None,
    step: float = 1e-4,
) -> GradientComparison:
    """Differentiate the same run in every way there is, and compare with finite differences.

    What is differentiated is a number that all ways have: the trace that the spikes leave at a synapse, `sum exp(-(t1 - t_k) / tau)` at the end. With
    surrogates a spike is what a step emitted. The bias of a surrogate shows as a difference from the truth, its variance as a dependence on `dt` and the
    slope. It may have the other sign: a surrogate says what more spikes would do, the exact gradient how these spikes move.

    **Arguments:**

    - `model`: one unit with spikes; `stimulus`: its drive; `t1`: end of the run, ms.
    - `by`: paths or patterns of what to differentiate by, such as `["tau", "threshold"]`.
    - `dt`: of the fixed steps, ms; `tau`: of the trace, ms.
    - `modes`: methods by name, the first of them the reference. By default, for a model that resets: `"adaptive"`, `"exact"`, `"end of step"`, and a
        `"surrogate ..."` of each shape; for another: `"adaptive"` and `"fixed"`.
    - `max_spikes`: as in `simulate`, at least 1.
    - `step`: of the differences, relative to each parameter (or to 0.1 of its unit).

    **Returns:** a `GradientComparison`.

    **Raises:** `ValueError` for a model without spikes, or with several units, for a parameter that does not exist, and for a mode that is no method.
    """
    paths, values = _selected(model, by)
    check_positive("tau", tau, "ms")
    check_positive("step", step, "")
    if max_spikes is not None:
        check_whole("max_spikes", max_spikes, 1)
    modes = _default_modes(model, dt) if modes is None else dict(modes)
    _check_modes(modes)
    size = step * np.maximum(np.abs(values), 0.1)
    rows = np.asarray(values) + np.concatenate([offset * np.diag(size) for offset in _OFFSETS])

    @eqx.filter_jit
    def evaluate(x, rows, method):
        def readout(x):
            changed = replace_leaves(model, dict(zip(paths, x, strict=True)))
            sol = simulate(changed, stimulus, t1, method=method, record=[], max_spikes=max_spikes)
            trace = _trace(sol, t1, tau)
            return jnp.where(sol.status == Status.ok, trace, jnp.nan), (sol.spikes.times, sol.spikes.count, sol.status)

        (value, spikes), gradient = jax.value_and_grad(readout, has_aux=True)(x)
        around = jax.lax.map(lambda x: readout(x)[0], rows)
        return value, spikes, jnp.where(jnp.isnan(value), jnp.nan, gradient), around

    found = {}
    for name, method in modes.items():
        outcome = jax.device_get(evaluate(jnp.asarray(values), jnp.asarray(rows), method))
        value, (times, count, status), gradient, around = outcome
        if times.ndim != 1:
            raise ValueError(f"model = {type(model).__name__} with several units is not allowed: compare one unit")
        slopes = np.tensordot(_WEIGHTS, around.reshape(len(_OFFSETS), -1), axes=1) / size
        differences = dict(zip(paths, slopes.tolist(), strict=True))
        gradients = dict(zip(paths, gradient.tolist(), strict=True))
        found[name] = GradientMode(times, int(count), float(value), gradients, differences, Status(int(status)))
    return GradientComparison(found, next(iter(modes)))


_OFFSETS, _WEIGHTS = (2.0, 1.0, -1.0, -2.0), np.asarray([-1.0, 8.0, -8.0, 1.0]) / 12  # fourth order


def _selected(model: Any, wanted: str | Sequence[str]) -> tuple[list[str], np.ndarray]:
    if not isinstance(model, AbstractSpikingNeuron):
        raise ValueError(f"model = {type(model).__name__} is not allowed: must be a neuron with spikes")
    known = parameters(model)
    paths = match(wanted, known)
    if not paths:
        raise ValueError("by = [] is not allowed: must name one parameter at least")
    batched = [path for path in paths if known[path].value.ndim]
    if batched:
        raise ValueError(
            f"parameter {batched[0]!r} of shape {known[batched[0]].value.shape} is not allowed: must be a number"
        )
    return paths, np.asarray([known[path].value for path in paths])


def _check_modes(modes: dict[str, Method]) -> None:
    if not modes:
        raise ValueError("modes = {} is not allowed: there must be one at least")
    for name, method in modes.items():
        if not isinstance(method, FixedStep | Adaptive):
            raise ValueError(f"modes[{name!r}] = {method!r} is not allowed: must be a FixedStep or an Adaptive")


def _default_modes(model: Any, dt: float) -> dict[str, Method]:
    tolerance = 1e-9 if jnp.result_type(float) == jnp.float64 else 1e-5
    adaptive = Adaptive(rtol=tolerance, atol=tolerance)
    if not model.resets:
        return {"adaptive": adaptive, "fixed": FixedStep(dt)}
    surrogates = {f"surrogate {shape}": FixedStep(dt, reset=Surrogate(shape)) for shape in get_args(Shape)}
    return {
        "adaptive": adaptive,
        "exact": FixedStep(dt, reset=ExactReset()),
        "end of step": FixedStep(dt, reset=GridReset()),
        **surrogates,
    }


def _trace(sol: Any, t1: float, tau: float) -> jax.Array:
    if sol.surrogate is not None:
        ends = t1 * jnp.arange(1, sol.surrogate.shape[0] + 1) / sol.surrogate.shape[0]
        return jnp.sum(sol.emitted * jnp.exp(-(t1 - ends) / tau))
    times = sol.spikes.times
    happened = jnp.isfinite(times)
    return jnp.sum(jnp.where(happened, jnp.exp(-(t1 - jnp.where(happened, times, 0.0)) / tau), 0.0))
