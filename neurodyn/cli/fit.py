"""`neurodyn fit`: a model fitted as a configuration says."""

import contextlib
import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import optax

from .. import _files, _serialise
from ..fitting import FitResult, fit
from ..fitting.search import falling_rate
from ..fitting.storage import RunDirectoryError
from ..io import DataError
from . import schema
from .analysis import Analysis, analyse, left_out
from .config import Loaded, LoadedTemplate
from .errors import INTERRUPTED, NUMERICAL, TERMINATED, CommandError, NumericalError, ResourceError
from .experiment import Plan, make_plan
from .figure import make_figure
from .output import RUN, check_output, whole_folder
from .report import best_passive, make_report
from .terminal import complain, escape, on_terminal, say


Result = TypeVar("Result")

OPTIMISERS = {
    "adam": optax.adam,
    "adamw": optax.adamw,
    "nadam": optax.nadam,
    "rmsprop": optax.rmsprop,
    "sgd": optax.sgd,
}


def run(loaded: Loaded, output: Path | None, force: bool, resume: bool = False, analysis: bool = True) -> int:
    """Check everything, fit, and write `report.json`, `parameters.json` and `figure.png`; the fit keeps its checkpoints and its log in `run/`.

    **Returns:** the exit code.
    """
    folder = output if output is not None else configured_folder(loaded)
    check_output(folder, force, resume)
    check_drawing()
    with jax.enable_x64(loaded.content.fit.precision == "float64"):
        plan = make_plan(loaded)
        for note in plan.notes:
            complain(note, "note")
        try:
            result, warned = _fit(plan, loaded.content.fit, folder / RUN, resume)
        except BaseException:
            with contextlib.suppress(OSError):
                folder.rmdir()  # if nothing was saved in it
            raise
        for text in warned:
            complain(text, "warning")
        traces = [sweep.simulate(result.model) for sweep in plan.sweeps]
        found = analysed(result, analysis and loaded.content.output.analysis)
        report = make_report(loaded, plan, result, traces, best_passive(plan), warned, found)
        with whole_folder(folder) as place:
            _files.write_text(place / "report.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
            _serialise.save(place / "parameters.json", result.model)
            make_figure(plan, result, traces).savefig(place / "figure.png", dpi=120)
    _tell(report, result, found, folder)
    return end(result, traces, folder)


def configured_folder(loaded: Loaded | LoadedTemplate) -> Path:
    """Beside the configuration and nowhere else: a file from a stranger writes only there."""
    root = loaded.path.absolute().parent
    name = loaded.content.output.directory
    if name is None:
        return root / f"{loaded.path.stem}-fit"
    folder = root / name
    if (
        Path(name).is_absolute()
        or not folder.resolve().is_relative_to(root.resolve())
        or folder.resolve() == root.resolve()
    ):
        raise loaded.error("output.directory", name, f"must be a folder below {root}; --output takes any")
    return folder


def check_drawing() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("the figure needs matplotlib: pip install 'neurodyn[plot]'") from None


def _optimiser(config: schema.Fit) -> optax.GradientTransformation:
    return OPTIMISERS[config.optimiser](falling_rate(config.learning_rate, config.steps))


def _fit(plan: Plan, config: schema.Fit, directory: Path, resume: bool) -> tuple[FitResult, list[str]]:
    return guarded(
        lambda: fit(
            plan.model,
            plan.objectives,
            trainable=config.trainable,
            key=jax.random.key(config.seed),
            steps=config.steps,
            starts=config.starts,
            optimiser=_optimiser(config),
            bounds=config.bounds,
            nuisance=config.nuisance,
            box_prior=config.box_prior,
            batch=config.batch,
            candidates=config.candidates,
            evolution=config.evolution,
            halvings=config.halvings,
            polish=config.polish,
            polish_starts=min(config.polish_starts, config.starts),
            attempts=config.attempts,
            stop_below=config.stop_below,
            patience=config.patience,
            progress=on_terminal(),
            directory=directory,
            checkpoint_every=config.checkpoint_every,
            resume=resume,
        )
    )


def guarded(work: Callable[[], Result]) -> tuple[Result, list[str]]:
    """What a fit returns, and what it warned of.

    **Raises:** `CommandError` for the folder of its checkpoints, `ResourceError` where that cannot be written; `NumericalError` where the numbers failed.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = work()
        except RunDirectoryError as error:
            kind = ResourceError if isinstance(error.__cause__, OSError) else CommandError
            raise kind(str(error)) from error
        except DataError:
            raise
        except ValueError as error:  # the arguments were checked before: the numbers are at fault
            raise NumericalError(str(error)) from error
    return result, [str(w.message) for w in caught if issubclass(w.category, UserWarning)]


def analysed(result: FitResult, wanted: bool) -> Analysis:
    """What the data determine, unless it is not wanted or somebody is in a hurry."""
    if not wanted:
        return left_out("as asked for")
    if result.reason.startswith("interrupted"):
        return left_out("the fit was interrupted")
    if on_terminal():
        complain("working out what the data determine; --no-analysis leaves it out", "note")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return analyse(result)


def end(result: FitResult, traces: Sequence[np.ndarray], folder: Path) -> int:
    """Say where the results are and how the fit ended. **Returns:** the exit code."""
    if result.reason.startswith("interrupted"):
        complain(f"interrupted; the best so far is in {folder}; --resume goes on")
        return TERMINATED if "SIGTERM" in result.reason else INTERRUPTED
    if not math.isfinite(result.loss) or not all(np.isfinite(trace).all() for trace in traces):
        complain(f"the fitted model's voltage or loss is not finite; what there is, is in {folder}")
        return NUMERICAL
    return 0


def _tell(report: dict[str, Any], result: FitResult, found: Analysis, folder: Path) -> None:
    say(repr(result))
    for which in ("fitted", "holdout"):
        part = report[which]
        if part is None:
            continue
        pooled, text = part["pooled_voltage_rms_mV"], which
        if pooled is not None and None not in pooled.values():
            text += f": voltage RMS {pooled['model']:.2f} mV (best passive membrane {pooled['passive']:.2f} mV)"
        say(text)
        for row in part["sweeps"]:
            count, first = row["spike_count"], row["first_spike_latency_ms"]
            words = [f"{x:.1f} ms" if x is not None else "none" for x in (first["data"], first["model"])]
            say(
                f"  {row['name']}: spikes {count['data']} in the data, {count['model']} in the model; first after {words[0]}, {words[1]}"
            )
    if found.text:
        say(f"\n{found.text}\n")
    say(f"written to {escape(folder)}")
