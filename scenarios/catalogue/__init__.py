"""The catalogue: what a scenario can be made of, as data.

A workload family, a benign change, a drift or an attack chain is one YAML file under `data/` that holds a
description, parameters with defaults, ranges and sources, and whatever else its mechanism reads (`Entry.data`).
Techniques and operations are one file each.  Parameters with `unit: duration` are written as text (`5m`) and
are integer microseconds here; all other values are in the unit that the parameter states.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from scopedrift.scenarios.documents import (
    Document,
    KeyPath,
    Problem,
    ScenarioError,
    parse,
    read_text,
    shown,
    suggestion,
)
from scopedrift.scenarios.durations import DURATION_PATTERN, format_duration, parse_duration

DURATION: Final = "duration"
_ATTRIBUTES: Final = ("default", "min", "max", "unit", "choices", "source", "description")
_KINDS: Final[Mapping[type, str]] = {bool: "bool", int: "int", float: "float", str: "str"}
_WORDS: Final = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
_JSON_TYPES: Final = {"bool": "boolean", "int": "integer", "float": "number", "str": "string", DURATION: "string"}
_LARGEST: Final = 2**53


@dataclass(frozen=True)
class Parameter:
    """One parameter: `kind` is bool, int, float, str or duration; for a `many` it is that of each element."""

    name: str
    default: Any
    kind: str
    many: bool = False
    min: float | None = None
    max: float | None = None
    unit: str = ""
    choices: tuple[Any, ...] = ()
    source: str = ""
    description: str = ""

    def read(self, value: Any) -> Any:
        """The value as the simulator takes it; raises `ValueError` in words for the person who wrote it."""
        if not self.many:
            return self._one(value)
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected a list, not {shown(value)}")
        return tuple(self._one(item) for item in value)

    def text(self, value: Any) -> Any:
        """The opposite of `read`: plain data as it is written in a file."""
        if self.many:
            return [self._text(item) for item in value]
        return self._text(value)

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the written value, for editors."""
        schema: dict[str, Any] = {"type": _JSON_TYPES[self.kind]}
        if self.kind == DURATION:
            schema["pattern"] = DURATION_PATTERN
        else:
            schema |= {k: v for k, v in (("minimum", self.min), ("maximum", self.max)) if v is not None}
        if self.choices:
            schema["enum"] = [self._text(choice) for choice in self.choices]
        if self.many:
            schema = {"type": "array", "items": schema}
        about = {"description": self.description} if self.description else {}
        return {**schema, "default": self.text(self.default), **about}

    def _one(self, value: Any) -> Any:
        if self.kind == DURATION:
            value = parse_duration(value)
        elif self.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif _KINDS.get(type(value)) != self.kind:
            raise ValueError(f"expected {_WORDS[self.kind]}, not {shown(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"expected a finite number, not {shown(value)}")
        if self.choices and value not in self.choices:
            raise ValueError(f"unknown choice {shown(value)}{suggestion(value, map(str, self.choices))}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = self.min, self.max
            if self.kind == "int" and abs(value) > _LARGEST:
                raise ValueError(f"expected a smaller number than {shown(value)}")
            if (low is not None and value < low) or (high is not None and value > high):
                raise ValueError(f"expected {self._span()}, not {shown(self._text(value))}")
        return value

    def _span(self) -> str:
        low, high = (None if bound is None else self._text(bound) for bound in (self.min, self.max))
        if low is not None and high is not None:
            return f"{low} to {high}"
        return f"at least {low}" if high is None else f"at most {high}"

    def _text(self, value: Any) -> Any:
        return format_duration(int(value)) if self.kind == DURATION else value


@dataclass(frozen=True)
class Entry:
    """One thing in the catalogue; `data` is all of its file but the description and the parameters."""

    name: str
    description: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


def root() -> Traversable:
    """The folder that holds the catalogue's files."""
    return files("scopedrift.scenarios") / "data"


def families() -> dict[str, Entry]:
    """Workload families by name."""
    return _folder("workloads")


def changes() -> dict[str, Entry]:
    """Kinds of benign change by name."""
    return _folder("changes")


def drifts() -> dict[str, Entry]:
    """Kinds of scope drift by name."""
    return _folder("drifts")


def chains() -> dict[str, Entry]:
    """Attack chains by name."""
    return _folder("chains")


def techniques() -> dict[str, Entry]:
    """Techniques by name."""
    return _file("techniques.yaml")


def signals() -> dict[str, Entry]:
    """The guidance's signals by number."""
    return _file("signals.yaml")


def operations() -> dict[str, Entry]:
    """Operations by name."""
    return _file("operations.yaml")


def platform() -> dict[str, Any]:
    """What all workloads share (`platform.yaml`), as it is written; to be read only."""
    return _read_plain(root(), "platform.yaml")  # type: ignore[arg-type]


def resolve(entry: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of `entry`: as given, or its default; durations become integer microseconds.

    Raises `ScenarioError` with a problem for each parameter that is unknown or has a wrong value.
    """
    problems: list[Problem] = []
    result = {name: parameter.default for name, parameter in entry.parameters.items()}
    for name, value in given.items():
        if name not in entry.parameters:
            problems.append(Problem(f"unknown parameter{suggestion(name, entry.parameters)}", (name,)))
            continue
        try:
            result[name] = entry.parameters[name].read(value)
        except ValueError as error:
            problems.append(Problem(str(error), (name,)))
    if problems:
        raise ScenarioError(*problems)
    return result


def written(entry: Entry, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of `resolve`: the parameters as plain data that a file can hold."""
    return {name: entry.parameters[name].text(value) for name, value in resolved.items()}


def _folder(name: str) -> dict[str, Entry]:
    return _read_folder(root(), name)  # type: ignore[arg-type]  # folders are hashable, as paths are


def _file(name: str) -> dict[str, Entry]:
    return _read_file(root(), name)  # type: ignore[arg-type]


@functools.cache
def _read_folder(where: Traversable, name: str) -> dict[str, Entry]:
    folder = where / name
    found = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else []
    entries = {}
    for file in found:
        if file.name.endswith(".yaml"):
            document = _document(file, f"{name}/{file.name}")
            entry = file.name.removesuffix(".yaml")
            entries[entry] = _entry(document, (), entry, document.value)
    return entries


@functools.cache
def _read_file(where: Traversable, name: str) -> dict[str, Entry]:
    """The entries of one file, under the key that the file is named after or at its top; `defaults` complete each."""
    if not (where / name).is_file():
        return {}
    document = _document(where / name, name)
    group = name.removesuffix(".yaml")
    key = (group,) if group in document.value else ()
    entries, defaults = document.value.get(group, document.value), document.value.get("defaults", {})
    if not isinstance(entries, dict) or not isinstance(defaults, dict):
        raise ScenarioError(document.problem("expected mappings", key))
    return {
        name: _entry(document, (*key, name), name, value, defaults)
        for name, value in entries.items()
        if key or name != "defaults"
    }


@functools.cache
def _read_plain(where: Traversable, name: str) -> dict[str, Any]:
    return _document(where / name, name).value


def _document(file: Traversable, label: str) -> Document:
    return parse(read_text(file, label), label, number_keys=True)


def _entry(document: Document, key: KeyPath, name: str, value: Any, defaults: Mapping[str, Any] | None = None) -> Entry:
    if not isinstance(value, dict):
        raise ScenarioError(document.problem(f"expected a mapping, not {shown(value)}", key))
    data = {**(defaults or {}), **value}
    description = data.pop("description", "")
    parameters = data.pop("parameters", {})
    if not isinstance(description, str) or not isinstance(parameters, dict):
        raise ScenarioError(document.problem("expected a text as description and a mapping as parameters", key))
    read = {each: _parameter(document, (*key, "parameters", each), each, parameters[each]) for each in parameters}
    return Entry(name, " ".join(description.split()), read, data)


def _parameter(document: Document, key: KeyPath, name: str, about: Any) -> Parameter:
    """The parameter that a catalogue file describes; its default and bounds must themselves be valid."""
    if not isinstance(about, dict) or "default" not in about:
        raise ScenarioError(document.problem("expected a mapping with at least a default", key))
    for attribute in about:
        if attribute not in _ATTRIBUTES:
            message = f"unknown attribute of a parameter{suggestion(attribute, _ATTRIBUTES)}"
            raise ScenarioError(document.problem(message, (*key, attribute)))
    default = about["default"]
    many = isinstance(default, list)
    choices = about.get("choices", [])
    example = (default or choices or [""])[0] if many else default
    kind = DURATION if about.get("unit") == DURATION else _KINDS.get(type(example), "")
    if not kind:
        raise ScenarioError(document.problem(f"no parameter can have {shown(example)} as its default", key))
    if many and kind == "int" and any(isinstance(item, float) for item in default):
        kind = "float"
    try:
        bare = Parameter(name, default, kind)
        low, high = (None if about.get(bound) is None else _bound(bare, about[bound]) for bound in ("min", "max"))
        words = {word: str(about.get(word, "")) for word in ("unit", "source", "description")}
        allowed = tuple(bare.read(choice) for choice in choices)
        parameter = Parameter(name, default, kind, many, low, high, choices=allowed, **words)
        return Parameter(name, parameter.read(default), kind, many, low, high, choices=allowed, **words)
    except ValueError as error:
        raise ScenarioError(document.problem(str(error), key)) from None


def _bound(parameter: Parameter, value: Any) -> float:
    if parameter.kind == DURATION:
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number as a bound, not {shown(value)}")
    return value
