"""Reading a configuration file, and saying in a sentence what is wrong with it."""

import dataclasses
import difflib
import hashlib
import json
import reprlib
import tomllib
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..io.files import DataError, check_file
from . import schema
from .errors import CommandError


_LIMIT = 2**16  # bytes
_WIDTH = 2000  # characters in a line: the time tomllib takes for a dotted key grows with the square of its length
_MOST = 10  # faults told at once


class ConfigError(CommandError):
    """A configuration that cannot be used."""


@dataclasses.dataclass(frozen=True)
class Source:
    """The file a configuration came from and the hash of that file."""

    path: Path
    sha256: str

    def error(self, key: str, value: Any, what: str) -> ConfigError:
        """A fault that only showed when the configuration met the data or the model."""
        return ConfigError(_sentence(self.path, key, value, what))


@dataclasses.dataclass(frozen=True)
class Loaded(Source):
    """A configuration."""

    content: schema.Config


@dataclasses.dataclass(frozen=True)
class LoadedTemplate(Source):
    """A configuration whose model is a template. One that the command line gives has no hash, and the path of its recording."""

    content: schema.TemplateConfig


def load(path: Path) -> Loaded | LoadedTemplate:
    """Read and check a configuration file.

    **Raises:** `ConfigError` with one line per fault: file, key path, value, what is wrong, what is allowed.
    """
    try:
        raw = check_file(path, _LIMIT).read_bytes()
    except DataError as error:
        raise ConfigError(str(error)) from None
    document: dict[str, Any] = {}
    root: type[schema.Config] | type[schema.TemplateConfig] = schema.Config
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        _check_lines(path, text)
        document = tomllib.loads(text)
        model = document.get("model")
        if isinstance(model, dict) and "template" in model:
            root = schema.TemplateConfig
        content = root.model_validate(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    except ValidationError as error:
        faults = error.errors(include_url=False)
        lines = [_fault(path, root, fault) for fault in faults[:_MOST]]
        more = [f"{path}: and {len(faults) - _MOST} more"] if len(faults) > _MOST else []
        raise ConfigError(*lines, *more) from None
    digest = hashlib.sha256(raw).hexdigest()
    if isinstance(content, schema.TemplateConfig):
        return LoadedTemplate(path, digest, content)
    return Loaded(path, digest, content)


def from_template(recording: Path, template: str, seed: int) -> LoadedTemplate:
    """The configuration of a fit of a template to a recording that the command line names."""
    document = {
        "model": {"template": template},
        "recording": {"file": str(recording.absolute())},
        "fit": {"seed": seed},
    }
    return LoadedTemplate(recording, "", schema.TemplateConfig.model_validate(document))


def _check_lines(path: Path, text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _WIDTH:
            raise ConfigError(f"{path}: line {number} has {len(line)} characters, must have at most {_WIDTH}")


def show(value: Any) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, bool | str):
        text = json.dumps(value)
    elif isinstance(value, int | float):
        text = repr(value)
    else:
        text = reprlib.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _sentence(path: Path, key: str, value: Any, what: str) -> str:
    shown = "" if value is None else f" = {show(value)}"
    return f"{path}: {key}{shown}: {what}" if key else f"{path}: {what}"


def _fault(path: Path, root: type[BaseModel], fault: Any) -> str:
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    keys, section = _walk(root, fault["loc"])
    key = _join(keys)
    if kind == "extra_forbidden":
        return _sentence(path, key, value, _unknown(str(fault["loc"][-1]), section))
    if kind == "missing":
        return _sentence(path, key, None, "is missing; must be given")
    if kind in ("value_error", "assertion_error"):
        simple = None if isinstance(value, dict) else value
        return _sentence(path, key, simple, str(context.get("error", fault["msg"])))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        kinds = [tag for tag in _stimuli() if tag != "file"]
        named = value.get("type") if isinstance(value, dict) else value
        return _sentence(
            path, f"{key}.type", named, f"must be one of {', '.join(kinds)}{_near(named, kinds)}, or give a file"
        )
    if kind == "literal_error":
        allowed = [part.strip("'") for part in context["expected"].replace(" or ", ", ").split(", ")]
        return _sentence(path, key, value, f"must be {context['expected']}{_near(value, allowed)}")
    return _sentence(path, key, value, _expected(kind, value, context, fault["msg"]) + _bounds(section, fault["loc"]))


def _expected(kind: str, value: Any, context: dict[str, Any], otherwise: str) -> str:
    got = {
        bool: "a boolean",
        str: "a string",
        list: "a list",
        dict: "a table",
        int: "a whole number",
        float: "a number",
    }
    found = got.get(type(value), type(value).__name__)
    types = {
        "float_type": "a number",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "bool_type": "true or false",
        "string_type": "a string",
        "list_type": "a list",
        "dict_type": "a table",
        "model_type": "a table",
        "model_attributes_type": "a table",
    }
    if kind in types:
        return f"must be {types[kind]}, not {found}"
    return {
        "finite_number": "must be finite",
        "greater_than": f"must be > {context.get('gt')}",
        "greater_than_equal": f"must be >= {context.get('ge')}",
        "less_than": f"must be < {context.get('lt')}",
        "less_than_equal": f"must be <= {context.get('le')}",
        "too_short": f"must have at least {context.get('min_length')} entries",
        "too_long": f"must have at most {context.get('max_length')} entries",
        "string_too_short": "must not be empty",
    }.get(kind, otherwise[:1].lower() + otherwise[1:])


def _bounds(section: type[BaseModel] | None, loc: tuple[str | int, ...]) -> str:
    """The range of a number, as the schema has it."""
    name = str(loc[-1])
    if section is None or name not in section.model_fields:
        return ""
    entry = section.model_json_schema()["properties"][name]
    entry = next((part for part in entry.get("anyOf", []) if part.get("type") != "null"), entry)
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{sign} {entry[word]:g}" for word, sign in signs.items() if word in entry]
    return f"; allowed: {' and '.join(limits)}" if limits else ""


def _unknown(name: str, section: type[BaseModel] | None) -> str:
    allowed = list(section.model_fields) if section else []
    return f"unknown key{_near(name, allowed)}; allowed: {', '.join(allowed)}"


def _near(name: Any, allowed: list[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1) if isinstance(name, str) and len(name) < 100 else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _join(keys: list[str | int]) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def _stimuli() -> dict[str, type[BaseModel]]:
    options = typing.get_args(typing.get_args(schema.Stimulus)[0])
    return {typing.get_args(option)[1].tag: typing.get_args(option)[0] for option in options}


_SECTIONS: dict[type[BaseModel], dict[str, type[BaseModel]]] = {
    schema.Config: {
        "model": schema.Model,
        "recording": schema.Recording,
        "target": schema.Target,
        "fit": schema.Fit,
        "output": schema.Output,
    },
    schema.TemplateConfig: {
        "model": schema.TemplateModel,
        "recording": schema.TemplateRecording,
        "fit": schema.TemplateFit,
        "output": schema.Output,
    },
}


def _walk(root: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[list[str | int], type[BaseModel] | None]:
    """The keys as they stand in the file, without pydantic's names for the members of a union, and the section they end in."""
    if not loc:
        return [], root
    first, rest = loc[0], list(loc[1:])
    if first == "stimulus" and root is schema.Config:
        found = _stimuli().get(str(rest[0])) if rest else None
        return [first, *(rest[1:] if found else rest)], found
    if len(loc) == 1:
        return [first], root
    return [first, *rest], _SECTIONS[root].get(str(first))
