"""The fitting loop: many starts in one program, any Optax optimiser."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PRNGKeyArray
from tqdm.auto import tqdm

from .._model import AbstractNeuron
from .._parameter import parameters, validate
from .._types import BoolArray, FloatArray, RealScalar
from .identifiability import RankReport, rank_report
from .objectives import AbstractObjective
from .result import FitResult, FittedParameter, History
from .selection import Selection, select
from .space import Space
from .ties import Tie, apply_ties


class Progress(eqx.Module):
    """What a callback sees after each step: `step` (from 0), `fraction` of the fit, and per start `loss` and `gradient_norm`, shape (starts,)."""

    step: int
    fraction: float
    loss: np.ndarray
    gradient_norm: np.ndarray


class _State(eqx.Module):
    """Everything that changes during a fit; the leading axis is that of the starts."""

    theta: dict[str, FloatArray]
    optimiser: Any
    good: dict[str, FloatArray]  # the last point whose loss and gradient were finite
    best: dict[str, FloatArray]
    best_loss: FloatArray


class _Loss(eqx.Module):
    """The weighted sum of the objectives at a point."""

    model: AbstractNeuron
    objectives: tuple[AbstractObjective, ...]
    space: Space
    ties: tuple[Tie, ...] = eqx.field(static=True)

    def __call__(self, theta: Mapping[str, FloatArray], fraction: RealScalar) -> FloatArray:
        model = apply_ties(self.space.place(self.model, theta), self.ties)
        losses = [objective.weight * objective.loss(model, fraction) for objective in self.objectives]
        return jnp.sum(jnp.stack(losses))


def default_optimiser(steps: int) -> optax.GradientTransformation:
    """Adam at 0.05 (a twentieth of a parameter's natural unit per step), falling to a tenth of that over the last third."""
    schedule = optax.piecewise_interpolate_schedule("cosine", 0.05, {2 * steps // 3: 1.0, max(steps, 1): 0.1})
    return optax.adam(schedule)


def fit(
    model: AbstractNeuron,
    objectives: AbstractObjective | Sequence[AbstractObjective],
    *,
    trainable: Selection,
    key: PRNGKeyArray,
    steps: int = 150,
    starts: int = 32,
    optimiser: optax.GradientTransformation | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    ties: Sequence[Tie] = (),
    stop_below: float | None = None,
    check_rank: bool = True,
    callback: Callable[[Progress], bool | None] | None = None,
    progress: bool = False,
) -> FitResult:
    """Fit parameters of a model by gradient descent from many starts at once.

    **Arguments:**

    - `model`: the first start, and the source of everything that is not trained. Not changed.
    - `objectives`: one or several; their weighted losses add.
    - `trainable`: paths or patterns (`["*.g", "na.*.shift"]`), or a function from the model to some of its leaves.
    - `key`: for the random starts.
    - `steps`, `starts`: how many.
    - `optimiser`: any Optax transformation; Adam with a falling rate by default. Each start's gradient is normalised first, and a unit step is a
        factor of two in a positive parameter, the whole half-width of `bounds`, or a few mV.
    - `bounds`: lower and upper value by path or pattern; the random starts fill them. Without bounds a parameter moves within its physical range and
        starts near its present value.
    - `ties`: see `tie`.
    - `stop_below`: stop once the best loss of the last stage is below this.
    - `check_rank`: name combinations of parameters that the experiments cannot determine, by a warning and in the result.
    - `callback`: called after every step with a `Progress`; stops the fit by returning True.
    - `progress`: show a progress bar.

    An update whose loss or gradient is not finite is never applied: it is counted, and that start goes half of the way back to its last good point.
    Interrupting (Ctrl-C) ends the fit with the best found so far.

    **Raises:** `ValueError` for arguments that are not allowed, and when no start has a finite loss and gradient to begin with.
    """
    began = time.monotonic()
    if isinstance(objectives, AbstractObjective):
        objectives = (objectives,)
    _check_counts(objectives, steps, starts)
    validate(model, "model")
    paths = select(model, trainable)
    _check_ties(model, paths, ties)
    space = Space.of(model, paths, bounds)
    rank = _check_rank(model, objectives, space, ties) if check_rank else None
    optimiser = default_optimiser(steps) if optimiser is None else optimiser
    loss = _Loss(model, tuple(objectives), space, tuple(ties))

    theta = _spread_over_devices(space.starts(model, starts, key), starts)
    unknown = jnp.full((starts,), jnp.inf, dtype=jtu.tree_leaves(theta)[0].dtype)
    state = _State(theta, jax.vmap(optimiser.init)(theta), theta, theta, unknown)
    last_stage = 1 - 1 / max(objective.stages() for objective in objectives)
    state, history, reason = _loop(loss, optimiser, state, steps, last_stage, stop_below, callback, progress)
    state, _ = _update(loss, optimiser, state, jnp.asarray(1.0), jnp.asarray(True))
    return _result(model, loss, state, history, reason, rank, began)


def _loop(loss, optimiser, state, steps, last_stage, stop_below, callback, progress):
    records: list[tuple[np.ndarray, ...]] = []
    reason = f"all {steps} steps made"
    bar = tqdm(total=steps, disable=not progress, desc="fit", unit="step")
    try:
        for step in range(steps):
            fraction = step / steps
            final = fraction >= last_stage - 1e-9
            state, record = _update(loss, optimiser, state, jnp.asarray(fraction), jnp.asarray(final))
            values, norms, finite = (np.asarray(x) for x in record)
            if step == 0:
                _check_first(loss, state, finite, norms)
            records.append((values, norms, ~finite, np.asarray(fraction)))
            bar.update()
            bar.set_postfix(loss=f"{np.min(np.where(finite, values, np.inf)):.4g}", refresh=False)
            if callback is not None and callback(Progress(step, fraction, values, norms)):
                reason = f"stopped by the callback after step {step + 1}"
                break
            if final and stop_below is not None and np.min(np.where(finite, values, np.inf)) < stop_below:
                reason = f"loss below {stop_below:g} after step {step + 1}"
                break
    except KeyboardInterrupt:
        reason = f"interrupted after step {len(records)}"
    finally:
        bar.close()
    columns = zip(*records, strict=True) if records else ((), (), (), ())
    return state, History(*(np.array(column) for column in columns)), reason


@eqx.filter_jit(donate="none")
def _update(loss: _Loss, optimiser, state: _State, fraction: FloatArray, final: BoolArray):
    """One step of every start. The best is kept of the last stage only: earlier losses mean something else."""
    values, gradients = jax.vmap(jax.value_and_grad(loss), in_axes=(0, None))(state.theta, fraction)
    finite = jnp.isfinite(values)
    for gradient in jtu.tree_leaves(gradients):
        finite = finite & jnp.all(jnp.isfinite(gradient.reshape(gradient.shape[0], -1)), axis=1)

    def choose(a, b):
        return jtu.tree_map(lambda a, b: jnp.where(_column(finite, a), a, b), a, b)

    gradients = choose(gradients, jtu.tree_map(jnp.zeros_like, gradients))
    norms = jnp.sqrt(sum(jnp.sum(g.reshape(g.shape[0], -1) ** 2, axis=1) for g in jtu.tree_leaves(gradients)))
    unit = jtu.tree_map(lambda g: g / _column(jnp.where(norms > 0, norms, 1.0), g), gradients)
    updates, moved = jax.vmap(optimiser.update)(unit, state.optimiser, state.theta)
    back = jtu.tree_map(lambda x, good: (x + good) / 2, state.theta, state.good)
    theta = choose(optax.apply_updates(state.theta, updates), back)
    good = choose(state.theta, state.good)
    better = final & finite & (values < state.best_loss)
    best = jtu.tree_map(lambda new, old: jnp.where(_column(better, new), new, old), state.theta, state.best)
    best_loss = jnp.where(better, values, state.best_loss)
    return _State(theta, choose(moved, state.optimiser), good, best, best_loss), (values, norms, finite)


def _column(flags: jax.Array, like: jax.Array) -> jax.Array:
    return flags.reshape((-1,) + (1,) * (like.ndim - 1))


def _spread_over_devices(theta: dict[str, FloatArray], starts: int) -> dict[str, FloatArray]:
    """Starts are independent: share them out over the devices there are, if they divide evenly."""
    devices = jax.local_devices()
    if len(devices) == 1 or starts % len(devices):
        return theta
    mesh = Mesh(np.array(devices), ("starts",))
    return jax.device_put(theta, NamedSharding(mesh, PartitionSpec("starts")))


def _check_counts(objectives: Sequence[AbstractObjective], steps: int, starts: int) -> None:
    if not objectives or not all(isinstance(objective, AbstractObjective) for objective in objectives):
        raise ValueError("objectives is not allowed: must be at least one objective such as nd.fitting.VoltageTrace(...)")
    for name, value in (("steps", steps), ("starts", starts)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} = {value!r} is not allowed: must be a whole number >= 1")


def _check_ties(model: AbstractNeuron, paths: Sequence[str], ties: Sequence[Tie]) -> None:
    for tie in ties:
        both = set(tie.resolve(model)) & set(paths)
        if both:
            raise ValueError(f"{min(both)} is both trained and tied to {tie.source}: leave it out of trainable")


def _check_rank(model, objectives, space: Space, ties: Sequence[Tie]) -> RankReport:
    report = rank_report(model, objectives, space, ties)
    if report.rank < report.size:
        warnings.warn(f"fit: {report}", stacklevel=3)
    return report


def _check_first(loss: _Loss, state: _State, finite: np.ndarray, norms: np.ndarray) -> None:
    if not finite.any():
        names = [type(objective).__name__ for objective in loss.objectives]
        bad = [
            f"objectives[{i}] ({name})"
            for i, name in enumerate(names)
            if not np.isfinite(float(loss.objectives[i].loss(loss.model, 0.0)))
        ]
        raise ValueError(
            f"no start has a finite loss and gradient; at the model given the loss is not finite in: {', '.join(bad) or 'none'}"
        )
    if not norms[finite].any():
        warnings.warn("fit: the gradient is zero at every start; a silent model cannot be fitted to spikes", stacklevel=4)


def _result(model, loss: _Loss, state: _State, history: History, reason: str, rank, began: float) -> FitResult:
    losses = np.asarray(state.best_loss)
    index = int(np.argmin(losses))
    theta = {path: jnp.asarray(np.asarray(x)[index]) for path, x in state.best.items()}
    fitted = apply_ties(loss.space.place(model, theta), loss.ties)
    before, after, at_bound = parameters(model), parameters(fitted), loss.space.at_bound(theta)
    table = tuple(
        FittedParameter(path, before[path].info.unit, before[path].value, after[path].value, path in at_bound)
        for path in loss.space.bijections
    )
    values = {path: np.asarray(jax.vmap(b.value)(state.best[path])) for path, b in loss.space.bijections.items()}
    seconds = time.monotonic() - began
    return FitResult(fitted, float(losses[index]), reason, table, losses, values, history, rank, seconds)
