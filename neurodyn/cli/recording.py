"""`neurodyn fit` with a template: a cell fitted to a recording, without a model to choose."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _files, _serialise, templates
from .._stimulus import Samples
from .._table import as_text
from ..io import Passive, ProtocolStep, Recording
from ..templates import RecordingFit, StepScores, Template, fit_recording
from ..templates.recorded import part_steps
from ..templates.responses import rises
from ..templates.scores import passive_rows
from .analysis import Analysis
from .config import LoadedTemplate
from .experiment import Files, Sweep, blame
from .figure import draw_sweeps
from .fit import analysed, check_drawing, configured_folder, end, guarded
from .info import devices, versions
from .output import RUN, check_output, whole_folder
from .report import finite, parameter_table
from .terminal import complain, escape, on_terminal, say


_SHOWN = 6  # sweeps in the figure


def run(loaded: LoadedTemplate, output: Path | None, force: bool, resume: bool = False, analysis: bool = True) -> int:
    """Check everything, fit, and write `report.json`, `parameters.json` and `figure.png`; the fit keeps its checkpoints and its log in `run/`.

    **Returns:** the exit code.
    """
    folder = output if output is not None else _default_folder(loaded)
    files = Files(loaded)
    content = loaded.content
    recording = files.read("recording.file", content.recording.file, content.recording.channel)
    trained, held_out = _choose(loaded, recording)
    _check_search(loaded)
    check_output(folder, force, resume)
    check_drawing()
    with jax.enable_x64(False):
        for note in files.notes:
            complain(note, "note")
        say(_protocol(recording, trained, held_out))
        say(f"\n{recording.passive()!r}\n")
        found, warned = guarded(lambda: _fit(loaded, recording, trained, held_out, folder / RUN, resume))
        for text in warned:
            complain(text, "warning")
        scores = found.training, found.score(held_out) if held_out else None
        sweeps, traces = _drawn(found)
        passive = found.measured_passive()
        determined = analysed(found.differentiable, analysis and content.output.analysis)
        report = _report(loaded, files, found, scores, passive, warned, determined)
        with whole_folder(folder) as place:
            _files.write_text(place / "report.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
            _serialise.save(place / "parameters.json", found.model)
            with np.errstate(invalid="ignore"):  # a parameter that changed its sign has no ratio to draw
                sheet = draw_sweeps(sweeps, traces, found.fit, 0.0)
            sheet.savefig(place / "figure.png", dpi=120)
    _tell(found, scores, passive, determined, folder)
    return end(found.fit, traces, folder)


def _default_folder(loaded: LoadedTemplate) -> Path:
    """As configured; for a recording that the command line names, in the folder the command was called in."""
    return configured_folder(loaded) if loaded.sha256 else Path(f"{loaded.path.stem}-fit")


def _choose(loaded: LoadedTemplate, recording: Recording) -> tuple[tuple[ProtocolStep, ...], tuple[ProtocolStep, ...]]:
    """The steps to fit and those to hold out."""
    config = loaded.content.recording
    for i, index in enumerate(config.sweeps or ()):
        if index >= recording.sweeps:
            raise loaded.error(f"recording.sweeps[{i}]", index, f"{config.file} has sweeps 0 to {recording.sweeps - 1}")
    steps = [s for s in recording.steps() if config.sweeps is None or s.sweep in config.sweeps]

    def within(key: str) -> list[ProtocolStep] | None:
        times = getattr(config, key)
        if times is None:
            return None
        here = [s for s in steps if times[0] <= s.start and s.stop <= times[1]]
        if not here:
            raise loaded.error(f"recording.{key}", list(times), "ms holds no whole step of these sweeps")
        return here

    train, hold_out = within("window"), within("holdout")
    if train is not None and hold_out is None:
        hold_out = []
    with blame(loaded, "recording"):
        trained, held_out = part_steps(recording, train, hold_out)
    chosen = set(steps)
    return tuple(s for s in trained if s in chosen), tuple(s for s in held_out if s in chosen)


def _check_search(loaded: LoadedTemplate) -> None:
    config = loaded.content.fit
    polished = config.polish or (config.polish is None and not _template(loaded).model.resets)
    if not config.evolution and not polished:
        why = "" if config.polish == 0 else f", of which {loaded.content.model.template} has none by default"
        raise loaded.error("fit.evolution", 0, f"leaves nothing to do without polish{why}; give one of the two")


def _template(loaded: LoadedTemplate) -> Template:
    return getattr(templates, loaded.content.model.template)()


def _fit(
    loaded: LoadedTemplate,
    recording: Recording,
    trained: Sequence[ProtocolStep],
    held_out: Sequence[ProtocolStep],
    directory: Path,
    resume: bool,
) -> RecordingFit:
    config = loaded.content.fit
    return fit_recording(
        recording,
        _template(loaded),
        key=jax.random.key(config.seed),
        train=trained,
        hold_out=held_out,
        candidates=config.candidates,
        generations=config.evolution,
        population=config.starts,
        polish=config.polish,
        polish_starts=config.polish_starts,
        attempts=config.attempts,
        box_prior=config.box_prior,
        progress=on_terminal(),
        directory=directory,
        checkpoint_every=config.checkpoint_every,
        resume=resume,
    )


def _protocol(recording: Recording, trained: Sequence[ProtocolStep], held_out: Sequence[ProtocolStep]) -> str:
    """The steps of the command as a table, a row for each time."""
    every = recording.steps()
    rows = []
    for start, stop in sorted({(s.start, s.stop) for s in every}):
        here = [s for s in every if (s.start, s.stop) == (start, stop)]
        levels = sorted({s.amplitude for s in here})
        span = f"{levels[0]:g}" if len(levels) == 1 else f"{len(levels)} from {levels[0]:g} to {levels[-1]:g}"
        use = [name for name, part in (("fitted", trained), ("held out", held_out)) if set(here) & set(part)]
        rows.append([f"{start:g} to {stop:g}", span, str(len(here)), ", ".join(use) or "not used"])
    return as_text(["step (ms)", f"levels ({recording.command_unit})", "sweeps", "use"], rows)


def _drawn(found: RecordingFit) -> tuple[list[Sweep], list[np.ndarray]]:
    """Some sweeps, from the weakest to the strongest current, and the model's voltage in them."""
    recording = found.recording
    assert recording.command is not None and recording.response is not None
    sweeps, traces = [], []
    for sweep in found.spread(_SHOWN):
        own = [[s for s in part if s.sweep == sweep] for part in (found.trained, found.held_out)]
        grid, v = found.drawn(sweep)
        voltage = np.interp(grid, recording.times, recording.response[sweep])
        window, holdout = ((min(s.start for s in p), max(s.stop for s in p)) if p else None for p in own)
        stimulus = Samples(
            jnp.asarray(recording.command[sweep], float), recording.dt, jnp.asarray(recording.start, float)
        )
        whole = (float(grid[0]), float(grid[-1]))
        name = f"sweep {sweep}"
        sweeps.append(Sweep(name, stimulus, grid, voltage, rises(grid, voltage), whole, window or whole, holdout))
        traces.append(v)
    return sweeps, traces


def _report(
    loaded: LoadedTemplate,
    files: Files,
    found: RecordingFit,
    scores: tuple[StepScores, StepScores | None],
    passive: Passive,
    warned: list[str],
    determined: Analysis,
) -> dict[str, Any]:
    """The report: strict JSON, with null for what is not finite."""
    result, config = found.fit, loaded.content.fit
    training, held_out = scores
    report = {
        "format": "neurodyn recording fit report",
        "version": 1,
        "versions": versions(),
        "devices": devices(),
        "precision": "float32",
        "seed": config.seed,
        "config": {"name": loaded.path.name, "sha256": loaded.sha256} if loaded.sha256 else None,
        "settings": loaded.content.fit.model_dump(),
        "inputs": {Path(name).name: {"sha256": digest} for name, digest in files.hashes.items()},
        "notes": [*files.notes, *warned],
        "template": found.template.name,
        "loss": result.loss,
        "reason": result.reason,
        "seconds": round(result.seconds, 1),
        "parameters": parameter_table(result),
        "at_bounds": list(found.at_bounds),
        **determined.report,
        "passive": {"data": _numbers(found.passive), "model": _numbers(passive)},
        "fitted": training.as_data(),
        "holdout": held_out.as_data() if held_out is not None else None,
    }
    return finite(report)


def _numbers(passive: Passive) -> dict[str, float]:
    return {
        field.name: value
        for field in dataclasses.fields(passive)
        if isinstance(value := getattr(passive, field.name), float)
    }


def _tell(
    found: RecordingFit,
    scores: tuple[StepScores, StepScores | None],
    passive: Passive,
    determined: Analysis,
    folder: Path,
) -> None:
    say(repr(found.fit))
    for name, part in zip(("fitted", "held out"), scores, strict=True):
        if part is not None:
            say(f"\n{name}\n{part!r}")
    say(f"\n{as_text(*passive_rows(found.passive, passive))}\n")
    if determined.text:
        say(f"{determined.text}\n")
    say(f"written to {escape(folder)}")
