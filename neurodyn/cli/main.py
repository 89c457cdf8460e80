"""Arguments, sub-commands and exit codes of the command."""

import argparse
import contextlib
import os
import shutil
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import __version__
from ..io.files import DataError
from .errors import DATA, INTERRUPTED, RESOURCE, USAGE, CommandError
from .terminal import complain, prepare, silence


#: The cells of `neurodyn.templates`, named here because that needs JAX.
TEMPLATES = ("regular_spiking", "fast_spiking", "adaptive_threshold")

_RECORDINGS = (".abf", ".nwb", ".npz", ".csv")
_CODES = "exit codes: 0 done, 2 usage or configuration, 3 data file, 4 numerical failure, 5 memory, disk or device, 130 or 143 interrupted"


class _Formatter(argparse.HelpFormatter):
    """argparse cannot wrap to less than a few columns."""

    def __init__(self, prog: str):
        super().__init__(prog, width=max(shutil.get_terminal_size().columns - 2, 60))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "neurodyn",
        description="Differentiable neuron dynamics.",
        epilog=_CODES,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"neurodyn {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, formatter_class=_Formatter, allow_abbrev=False)
        command.add_argument("--debug", action="store_true", help="show where an error came from")
        command.set_defaults(run=run)
        return command

    demo = add("demo", _demo, "recover a hidden neuron from its spike times, as an example")
    demo.add_argument("--output", type=Path, default=Path("neurodyn-demo"), metavar="DIR", help="default: %(default)s")
    demo.add_argument("--seed", type=_seed, default=4, help="which neuron is hidden; default: %(default)s")
    demo.add_argument("--force", action="store_true", help="write into a folder that exists")
    add("info", _info, "show versions, devices, precision and extras")
    fit = add("fit", _fit, "fit a model to a recording")
    fit.add_argument(
        "config",
        type=Path,
        metavar="CONFIG.toml|RECORDING",
        help=f"what to fit to what; or a current clamp ({', '.join(_RECORDINGS)}), with --template",
    )
    fit.add_argument("--template", choices=TEMPLATES, help="the kind of cell to fit to a recording")
    fit.add_argument("--seed", type=_seed, help="of the search, with --template; default: 0")
    fit.add_argument(
        "--output", type=Path, metavar="DIR", help="where the results go; default: as configured, or RECORDING-fit here"
    )
    fit.add_argument("--force", action="store_true", help="write into a folder that exists")
    fit.add_argument("--resume", action="store_true", help="go on with a fit that was interrupted, to the same result")
    fit.add_argument(
        "--no-analysis", dest="analysis", action="store_false", help="do not work out what the data determine"
    )
    return parser


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


_seed.__name__ = "whole number from 0 to 4294967295"  # what argparse calls a value it refuses


def _demo(arguments: argparse.Namespace) -> int:
    _configure()
    from .demo import run

    return run(arguments.output, arguments.seed, arguments.force)


def _info(arguments: argparse.Namespace) -> int:
    del arguments
    _configure()
    from .info import run

    return run()


def _fit(arguments: argparse.Namespace) -> int:
    path, template = arguments.config, arguments.template
    if template is None and path.suffix.lower() in _RECORDINGS:
        raise CommandError(f"{path}: is a recording, which needs --template, one of {', '.join(TEMPLATES)}")
    if template is None and arguments.seed is not None:
        raise CommandError("--seed goes with --template; a configuration has fit.seed")
    if template is not None and path.suffix.lower() == ".toml":
        raise CommandError(f'{path}: is a configuration, which names a template by template = "{template}" in [model]')
    from .config import LoadedTemplate, from_template, load

    # Before JAX, which takes a while to arrive.
    config = load(path) if template is None else from_template(path, template, arguments.seed or 0)
    _configure()
    if isinstance(config, LoadedTemplate):
        from .recording import run as run_template

        return run_template(config, arguments.output, arguments.force, arguments.resume, arguments.analysis)
    from .fit import run

    return run(config, arguments.output, arguments.force, arguments.resume, arguments.analysis)


def _configure() -> None:
    """The CPU flags, two devices where there are two cores. JAX that runs already in this process is left as it is."""
    from .. import configure_cpu

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(RuntimeError):
        configure_cpu(devices=2 if cores >= 2 else None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. **Returns:** its exit code."""
    prepare()
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        silence()
        return stop.code if isinstance(stop.code, int) else USAGE
    if arguments.command is None:
        parser.print_help()
        silence()
        return USAGE
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        complain("interrupted; nothing was written")
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader of our output has seen enough
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        lines, code = _explain(error)
        for line in lines:
            complain(line)
        return code
    finally:
        silence()


def _explain(error: Exception) -> tuple[list[str], int]:
    """What to say about an error, a line per fault, and the exit code."""
    if isinstance(error, CommandError):
        return [str(line) for line in error.args], error.code
    if isinstance(error, DataError):
        return [str(error)], DATA
    if isinstance(error, ImportError):
        return [str(error)], USAGE
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return [f"{where}{error.strerror or error}"], RESOURCE
    text = str(error).strip().split("\n")[0]
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return [f"out of memory: a shorter window, fewer sweeps or a lower fit.batch need less ({text})"], RESOURCE
    if isinstance(error, RuntimeError) and "backend" in text.lower():
        return [f"JAX found no device: {text}"], RESOURCE
    return [f"{type(error).__name__}: {text} (run with --debug to see where)"], 1
