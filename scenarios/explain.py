"""What a validation error means, in words for the person who wrote the scenario."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scopedrift.scenarios.documents import MAX_PROBLEMS, Document, KeyPath, Problem, ScenarioError, shown, suggestion

AnyModel = TypeVar("AnyModel", bound=BaseModel)

_OF_A_KEY: Final = "[key]"
"""What pydantic puts after a key that is itself wrong."""
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
    problems = []
    for number, each in enumerate(error.errors(include_url=False)):
        key = each["loc"][:-1] if each["loc"][-1:] == (_OF_A_KEY,) else each["loc"]
        problems.append(Problem(_message(each, model) if number < MAX_PROBLEMS else each["msg"], key))
    return problems


def validated(
    model: type[AnyModel], value: object, document: Document, key: KeyPath = (), context: object = None
) -> AnyModel:
    """What a document holds at `key`, as a model; `context` is for the model's validators.

    Raises `ScenarioError` that names file, line and key of everything that is wrong with it.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        problems = explain(error, model)
        raise ScenarioError(*(document.problem(each.message, (*key, *each.key)) for each in problems)) from None


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{suggestion(error['loc'][-1], _fields(model, error['loc'][:-1]))}"
    if kind == "missing":
        about = _fields(model, error["loc"][:-1]).get(str(error["loc"][-1]), "")
        return "this key is missing" + (f"; expected: {about}" if about else "")
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
    """The keys, with their descriptions, that what is written at `key` may have."""
    within = model
    for part in key:
        named = {field.alias or name: field for name, field in within.model_fields.items()}
        if part in named:  # anything else is a key of a mapping or a position in a list of models
            within = _model_in(named[str(part)].annotation) or within
    fields = {field.alias or name: field.description or "" for name, field in within.model_fields.items()}
    return fields if key else {**fields, **getattr(model, "FILE_KEYS", {})}


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The first model that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
