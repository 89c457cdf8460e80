"""The fitting loop: many starts in one program, any Optax optimiser."""

import dataclasses
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
from jaxtyping import PRNGKeyArray
from tqdm import tqdm

from .._model import AbstractNeuron
from .._parameter import check_whole, parameters, validate
from .._types import BoolArray, FloatArray, RealScalar
from .devices import spread
from .identifiability import RankReport, rank_report
from .objectives import AbstractObjective
from .polish import levenberg_marquardt
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
    """The sum of the objectives at a point."""

    model: AbstractNeuron
    objectives: tuple[AbstractObjective, ...]
    space: Space
    ties: tuple[Tie, ...] = eqx.field(static=True)

    def __call__(self, theta: Mapping[str, FloatArray], fraction: RealScalar) -> FloatArray:
        return jnp.sum(self.residuals(theta, fraction) ** 2)

    def residuals(self, theta: Mapping[str, FloatArray], fraction: RealScalar) -> FloatArray:
        model = apply_ties(self.space.place(self.model, theta), self.ties)
        return jnp.concatenate([objective.residuals(model, fraction) for objective in self.objectives])

    def exact_residuals(self, theta: Mapping[str, FloatArray]) -> FloatArray:
        model = apply_ties(self.space.place(self.model, theta), self.ties)
        return jnp.concatenate([objective.exact_residuals(model) for objective in self.objectives])


def falling_rate(rate: float, steps: int) -> optax.Schedule:
    """A learning rate that stays for two thirds of the steps and then falls to a tenth."""
    return optax.piecewise_interpolate_schedule("cosine", rate, {2 * steps // 3: 1.0, max(steps, 1): 0.1})


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
    polish: int = 0,
    polish_starts: int = 8,
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
    - `polish`, `polish_starts`: after the gradient phase, so many Levenberg-Marquardt steps on the objectives' exact residuals (distances of spike
        times, not a smooth stand-in) from so many of the best ends. Made for up to some 50 parameters.
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
    _check_counts(
        objectives, steps=(steps, 1), starts=(starts, 1), polish=(polish, 0), polish_starts=(polish_starts, 1)
    )
    validate(model, "model")
    paths = select(model, trainable)
    _check_ties(model, paths, ties)
    space = Space.of(model, paths, bounds)
    rank = _check_rank(model, objectives, space, ties) if check_rank else None
    if optimiser is None:
        optimiser = optax.adam(falling_rate(0.05, steps))  # a twentieth of a parameter's natural unit per step
    loss = _Loss(model, tuple(objectives), space, tuple(ties))

    theta = spread(space.starts(model, starts, key), starts)
    unknown = jnp.full((starts,), jnp.inf, dtype=jtu.tree_leaves(theta)[0].dtype)
    state = _State(theta, jax.vmap(optimiser.init)(theta), theta, theta, unknown)
    last_stage = 1 - 1 / max(objective.stages() for objective in objectives)
    state, history, reason = _loop(loss, optimiser, state, steps, last_stage, stop_below, callback, progress)
    state, _ = _update(loss, optimiser, state, jnp.asarray(1.0), jnp.asarray(True))
    polished = None
    if polish and not reason.startswith("interrupted"):
        try:
            state, polished = _polish(loss, state, polish, min(polish_starts, starts))
        except KeyboardInterrupt:
            reason = "interrupted while polishing"
    return _result(loss, state, polished, history, reason, rank, began)


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


@eqx.filter_jit
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


def _polish(loss: _Loss, state: _State, steps: int, count: int) -> tuple[_State, np.ndarray]:
    """The state with the best `count` ends polished, and the exact losses of all (inf where not polished)."""
    order = np.argsort(np.asarray(state.best_loss))[:count]
    theta = {path: jnp.asarray(np.asarray(x)[order]) for path, x in state.best.items()}
    moved, losses = levenberg_marquardt(loss.exact_residuals, theta, steps)
    best = {path: jnp.asarray(np.asarray(x)).at[order].set(np.asarray(moved[path])) for path, x in state.best.items()}
    exact = np.full(state.best_loss.shape, np.inf)
    exact[order] = np.where(np.isfinite(losses), losses, np.inf)
    return dataclasses.replace(state, best=best), exact


def _column(flags: jax.Array, like: jax.Array) -> jax.Array:
    return flags.reshape((-1,) + (1,) * (like.ndim - 1))


def _check_counts(objectives: Sequence[AbstractObjective], **counts: tuple[int, int]) -> None:
    if not objectives or not all(isinstance(objective, AbstractObjective) for objective in objectives):
        raise ValueError(
            "objectives is not allowed: must be at least one objective such as nd.fitting.VoltageTrace(...)"
        )
    for name, (value, least) in counts.items():
        check_whole(name, value, least)


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
        warnings.warn(
            "fit: the gradient is zero at every start; a silent model cannot be fitted to spikes", stacklevel=4
        )


def _result(loss: _Loss, state: _State, polished, history: History, reason: str, rank, began: float) -> FitResult:
    losses = np.asarray(state.best_loss)
    ranking = losses if polished is None else polished
    index = int(np.argmin(ranking))
    theta = {path: jnp.asarray(np.asarray(x)[index]) for path, x in state.best.items()}
    fitted = apply_ties(loss.space.place(loss.model, theta), loss.ties)
    before, after, at_bound = parameters(loss.model), parameters(fitted), loss.space.at_bound(theta)
    table = tuple(
        FittedParameter(path, before[path].info.unit, before[path].value, after[path].value, path in at_bound)
        for path in loss.space.bijections
    )
    return FitResult(
        model=fitted,
        loss=float(ranking[index]),
        reason=reason,
        parameters=table,
        best_start=index,
        losses=losses,
        polished=polished,
        values={path: np.asarray(jax.vmap(b.value)(state.best[path])) for path, b in loss.space.bijections.items()},
        history=history,
        rank=rank,
        seconds=time.monotonic() - began,
    )
