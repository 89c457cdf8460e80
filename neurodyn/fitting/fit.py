"""`fit`: parameters of a model from experiments, by many starts at once."""

import contextlib
import functools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
import optax
from jaxtyping import PRNGKeyArray

from .._model import AbstractNeuron
from .._parameter import check_whole
from .identifiability import RankReport, rank_report
from .objectives import AbstractObjective
from .result import FitResult, make_result
from .search import AbstractPhase, Course, Descent, Evolution, Polish, Progress, Screen, falling_rate
from .selection import Selection
from .storage import RunDirectory, Stop, fingerprint, stop_on_signals
from .task import Task
from .ties import Tie


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
    nuisance: str | Sequence[str] = (),
    box_prior: float = 0.0,
    batch: int | None = None,
    candidates: int = 0,
    evolution: int = 0,
    halvings: int = 0,
    polish: int = 0,
    polish_starts: int = 8,
    attempts: int = 1,
    stop_below: float | None = None,
    patience: int | None = None,
    check_rank: bool = True,
    callback: Callable[[Progress], bool | None] | None = None,
    progress: bool = False,
    directory: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 10,
    resume: bool = False,
) -> FitResult:
    """Fit parameters of a model to experiments, from many starts at once.

    The phases, each from the ends of the one before: a look at many `candidates`, `evolution` without gradients, `steps` of gradient descent, and a
    `polish` by least squares. The first and the second are left out by default, the last too.

    **Arguments:**

    - `model`: the first start, and the source of everything that is not trained. Not changed.
    - `objectives`: one or several; their weighted losses add. Those of one kind and shape (the sweeps of a recording) run as one batch.
    - `trainable`: paths or patterns (`["*.g", "na.*.shift"]`), or a function from the model to some of its leaves.
    - `key`: for the starts, which are the model and a scrambled Sobol sequence, and all other random choices.
    - `steps`, `starts`: of gradient descent. Without any the polish goes through the objectives' stages itself.
    - `optimiser`: any Optax transformation; Adam with a falling rate by default. Each start's gradient is normalised first, and a unit step is a
        factor of two in a positive parameter, the whole half-width of `bounds`, or a few mV.
    - `bounds`: lower and upper value by path or pattern; the starts fill them. Without bounds a parameter moves within its physical range and
        starts near its present value.
    - `ties`: see `tie`.
    - `nuisance`: paths or patterns of parameters of the objectives that are fitted too, `<index>.<name>`: `"*.baseline"` is a current of its own for
        every sweep. They are known as `objectives.<index>.<name>` in bounds, ties and results.
    - `box_prior`: a weak preference for the middle of the bounds, against parameters that the data leave to drift: the residual, in units of the square
        root of the loss, of a parameter at one of its bounds; none by default. For one parameter see `fitting.Prior`.
    - `batch`: how many objectives, drawn at random, a descent step looks at; all by default.
    - `candidates`: how many points to look at before, the best of which become the starts.
    - `evolution`: generations of CMA-ES (extra `evolution`), with `starts` points each; its last generation becomes the starts.
    - `halvings`: how often in the descent the worse half of the starts is given up; `starts` must be divisible by two to that power.
    - `polish`, `polish_starts`: after the descent, so many Levenberg-Marquardt steps on the objectives' exact residuals (distances of spike
        times, not a smooth stand-in) from so many of the best ends. Made for up to some 50 parameters.
    - `attempts`: how often to go through all phases, from other points; the best is the result. With `stop_below` one that gets below it is the last.
    - `stop_below`: the loss that is good enough. A polish below it goes on to the
        bottom of its valley and ends the fit; a descent ends once its last stage is below it.
    - `patience`: end a phase whose best loss of the last stage has not fallen for so many steps.
    - `check_rank`: name combinations of parameters that the experiments cannot determine, by a warning and in the result.
    - `callback`: called after every step with a `Progress`; stops the fit by returning True.
    - `progress`: show loss, best loss, spikes matched (where objectives have spikes) and the time left.
    - `directory`: a folder to keep the fit in: a checkpoint every `checkpoint_every` steps, and `metrics.jsonl`. SIGTERM and SIGINT then end the fit after the
        step under way, with a checkpoint. With `resume` a fit that was ended, in whatever way, goes on from its last checkpoint to the same parameters,
        bit by bit (on the same machine and versions).

    An update whose loss or gradient is not finite is never applied: it is counted, and that start goes half of the way back to its last good point.
    Interrupting (Ctrl-C) ends the fit with the best found so far.

    **Raises:** `ValueError` for arguments that are not allowed, when no start has a finite loss and gradient to begin with, and for a directory that
    holds another fit or is in use.
    """
    least = {"steps": 0, "starts": 1, "candidates": 0, "evolution": 0, "halvings": 0, "polish": 0, "polish_starts": 1}
    given = dict(
        steps=steps,
        starts=starts,
        candidates=candidates,
        evolution=evolution,
        halvings=halvings,
        polish=polish,
        polish_starts=polish_starts,
    )
    for name, value in given.items():
        check_whole(name, value, least[name])
    check_whole("checkpoint_every", checkpoint_every)
    check_whole("attempts", attempts)
    if batch is not None:
        check_whole("batch", batch)
    task = Task.of(model, objectives, trainable, bounds=bounds, ties=ties, nuisance=nuisance, box_prior=box_prior)
    phases = [
        phase
        for attempt in range(attempts)
        for phase in _phases(jax.random.fold_in(key, attempt), optimiser, batch, task.stages() > 1, **given)
    ]
    course = Course(task, phases, attempts)
    with contextlib.ExitStack() as stack:
        folder, stop = None, Stop()
        if directory is not None:
            folder = RunDirectory(directory, fingerprint(task, phases), resume)
            stack.callback(folder.close)
            arrays = folder.load()
            if arrays is not None:
                course.restore(arrays)
            folder.begin_log(course.made)
            stop = stack.enter_context(stop_on_signals())
        rank = _rank(task) if check_rank else None
        reason = course.follow(
            stop=stop,
            stop_below=stop_below,
            patience=patience,
            callback=callback,
            progress=progress,
            directory=folder,
            every=checkpoint_every,
        )
        return make_result(course, reason, rank)


def _phases(
    key, optimiser, batch, staged, *, steps, starts, candidates, evolution, halvings, polish, polish_starts
) -> list[AbstractPhase]:
    if starts % 2**halvings:
        raise ValueError(
            f"starts = {starts} is not allowed with halvings = {halvings}: must be divisible by {2**halvings}"
        )
    if steps + evolution + polish == 0:
        raise ValueError("steps = 0 is not allowed without evolution or polish: there is nothing to do")
    sow, draw = jax.random.split(key)
    seed = int(np.asarray(jax.random.key_data(draw)).ravel()[-1])
    phases: list[AbstractPhase] = [Screen(max(candidates, starts), starts, jax.random.key_data(sow))]
    if evolution:
        if starts < 4:
            raise ValueError(
                f"starts = {starts} is not allowed with evolution: must be at least 4, the size of a generation"
            )
        phases.append(Evolution(evolution, starts, seed, 0.0 if steps else 1.0, not steps and not polish))
    if steps:
        if optimiser is None:
            optimiser = _adam(steps)
        phases.append(Descent(steps, starts, halvings, batch, seed, optimiser))
    if polish:
        phases.append(Polish(polish, min(polish_starts, starts), staged and not steps and not evolution))
    return phases


@functools.cache  # the same object each time: the descent is compiled for an optimiser
def _adam(steps: int) -> optax.GradientTransformation:
    return optax.adam(falling_rate(0.05, steps))  # a twentieth of a parameter's natural unit per step


def _rank(task: Task) -> RankReport:
    report = rank_report(task)
    if report.rank < report.size:
        warnings.warn(f"fit: {report}", stacklevel=3)
    return report
