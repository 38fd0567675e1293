"""What a validation error means, in words for the person who wrote the scenario."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scopedrift.scenarios.documents import KeyPath, Problem, shown, suggestion

_TYPES: Final[Mapping[str, str]] = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "tuple_type": "a list",
}
_BOUNDS: Final[Mapping[str, str]] = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_long": "at most {max_length} characters",
}


def explain(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """One problem for each thing that is wrong with what was given to `model`."""
    return [Problem(_message(each, model), each["loc"]) for each in error.errors(include_url=False)]


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{suggestion(error['loc'][-1], _fields(model, error['loc'][:-1]))}"
    if kind == "missing":
        return f"this key is missing; expected: {_fields(model, error['loc'][:-1]).get(str(error['loc'][-1]), '')}"
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return f"unknown choice {shown(given)}{suggestion(given, choices)}"
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}, not {shown(given)}"
    if kind in _BOUNDS:
        return f"expected {_BOUNDS[kind].format(**context)}, not {shown(given)}"
    if kind == "value_error":
        return str(context["error"])
    return error["msg"]


def _fields(model: type[BaseModel], key: KeyPath) -> dict[str, str]:
    """The keys, with their descriptions, that a scenario may have at `key`."""
    within: Any = model
    for part in key:
        if isinstance(within, type) and issubclass(within, BaseModel):
            named = {field.alias or name: field for name, field in within.model_fields.items()}
            within = named[str(part)].annotation
        else:  # a mapping or tuple of models: `part` is its key or position
            within = next(
                arg for arg in typing.get_args(within) if isinstance(arg, type) and issubclass(arg, BaseModel)
            )
    fields = {field.alias or name: field.description or "" for name, field in within.model_fields.items()}
    return {**fields, "extends": "the scenario to start from"} if not key else fields
