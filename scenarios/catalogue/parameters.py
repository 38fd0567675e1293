"""Parameters: what a scenario may set of an entry, with defaults, ranges and sources.

A parameter with `unit: duration` is written as text (`5m`) and is integer microseconds here; every other value is
in the unit that the parameter states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator

from scopedrift.scenarios.catalogue.entry import Entry
from scopedrift.scenarios.documents import Problem, ScenarioError, shown, suggestion
from scopedrift.scenarios.durations import DURATION_PATTERN, format_duration, parse_duration
from scopedrift.scenarios.fields import fail

Scalar = bool | int | float | str
Values = dict[str, Any]
"""Parameters by name; each value is of the kind that its parameter states, which no static type can say."""
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
    default: Scalar | tuple[Scalar, ...]
    kind: str
    many: bool = False
    min: float | None = None
    max: float | None = None
    unit: str = ""
    choices: tuple[Scalar, ...] = ()
    source: str = ""
    description: str = ""

    def read(self, value: object) -> Scalar | tuple[Scalar, ...]:
        """The value as the simulator takes it; raises `ValueError` in words for the person who wrote it."""
        if not self.many:
            return self._one(value)
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected a list, not {shown(value)}")
        return tuple(self._one(item) for item in value)

    def text(self, value: object) -> object:
        """The opposite of `read`: plain data as it is written in a file."""
        if isinstance(value, tuple):
            return [self._text(item) for item in value]
        return self._text(value)

    def json_schema(self) -> dict[str, object]:
        """JSON Schema of the written value, for editors."""
        schema: dict[str, object] = {"type": _JSON_TYPES[self.kind]}
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

    def _one(self, value: object) -> Scalar:
        if self.kind == DURATION:
            value = parse_duration(value)
        elif self.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif not isinstance(value, Scalar) or _KINDS[type(value)] != self.kind:
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

    def _text(self, value: object) -> object:
        return format_duration(value) if self.kind == DURATION and isinstance(value, int) else value


def _parameters(value: object) -> dict[str, Parameter]:
    """The parameters that an entry of the catalogue describes; each default and bound must itself be valid."""
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping, not {shown(value)}")
    problems: list[Problem] = []
    result: dict[str, Parameter] = {}
    for name, about in value.items():
        try:
            result[name] = _parameter(name, about)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        fail(problems)
    return result


def _parameter(name: str, about: object) -> Parameter:
    if not isinstance(about, dict) or "default" not in about:
        raise ScenarioError(Problem("expected a mapping with at least a default", (name,)))
    if unknown := [attribute for attribute in about if attribute not in _ATTRIBUTES]:
        message = "unknown attribute of a parameter"
        raise ScenarioError(*(Problem(f"{message}{suggestion(each, _ATTRIBUTES)}", (name, each)) for each in unknown))
    default, choices = about["default"], about.get("choices", [])
    many = isinstance(default, list)
    example = (default or choices or [""])[0] if many else default
    kind = DURATION if about.get("unit") == DURATION else _KINDS.get(type(example), "")
    if many and kind == "int" and any(isinstance(item, float) for item in default):
        kind = "float"
    try:
        if not kind:
            raise ValueError(f"no parameter can have {shown(example)} as its default")
        bare = Parameter(name, default, kind)
        low, high = (None if about.get(bound) is None else _bound(bare, about[bound]) for bound in ("min", "max"))
        words = {word: str(about.get(word, "")) for word in ("unit", "source", "description")}
        allowed = tuple(bare._one(choice) for choice in choices)
        limited = Parameter(name, default, kind, many, low, high, choices=allowed, **words)
        return replace(limited, default=limited.read(default))
    except ValueError as error:
        raise ScenarioError(Problem(str(error), (name,))) from None


def _bound(parameter: Parameter, value: object) -> float:
    if parameter.kind == DURATION:
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number as a bound, not {shown(value)}")
    return value


class Configurable(Entry):
    """An entry that a scenario may set parameters of."""

    parameters: Annotated[dict[str, Parameter], PlainValidator(_parameters)] = Field(default={})

    def resolve(self, given: Mapping[str, object]) -> Values:
        """Every parameter: as given, or its default; durations become integer microseconds.

        Raises `ScenarioError` with a problem for each parameter that is unknown or has a wrong value.
        """
        problems: list[Problem] = []
        result: Values = {name: parameter.default for name, parameter in self.parameters.items()}
        for name, value in given.items():
            if name not in self.parameters:
                problems.append(Problem(f"unknown parameter{suggestion(name, self.parameters)}", (name,)))
                continue
            try:
                result[name] = self.parameters[name].read(value)
            except ValueError as error:
                problems.append(Problem(str(error), (name,)))
        if problems:
            raise ScenarioError(*problems)
        return result

    def written(self, resolved: Mapping[str, object]) -> dict[str, object]:
        """The opposite of `resolve`: the parameters as plain data that a file can hold."""
        return {name: self.parameters[name].text(value) for name, value in resolved.items()}
