"""The types of a scenario's fields: how each is written, checked and kept.

Units: durations are integer microseconds (written `14d`, `90m`), rates are per day (written `1/day`), shares
and probabilities are 0 to 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from scopedrift.scenarios.documents import Problem, shown
from scopedrift.scenarios.durations import (
    DURATION_PATTERN,
    RATE_PATTERN,
    format_duration,
    format_rate,
    parse_duration,
    parse_rate,
)


class Model(BaseModel):
    """What every model of a file has in common: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def fail(problems: Sequence[Problem]) -> NoReturn:
    """Raise what pydantic takes as one error for each problem, at the problem's key."""
    raise ValidationError.from_exception_data(
        "Scenario",
        [
            InitErrorDetails(
                type=PydanticCustomError("scenario", "{message}", {"message": problem.message}),
                loc=problem.key,
                input=None,
            )
            for problem in problems
        ],
    )


def _start(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime):
        raise ValueError(f"expected a date and time, e.g. 2026-01-05T00:00:00Z, not {shown(value)}")
    if not 1971 <= moment.year <= 2200:
        raise ValueError(f"expected a year from 1971 to 2200, not {moment.year}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _start_text(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def matching(pattern: str, expected: str) -> AfterValidator:
    """A check that a whole text matches `pattern`, which messages call `expected`."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}, not {shown(value)}")
        return value

    return AfterValidator(check)


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError("expected more than 0s")
    return value


def _a_minute(value: int) -> int:
    if value < parse_duration("1m"):
        raise ValueError("expected at least 1m")
    return value


def _written(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


SLUG: Final = "[a-z0-9]+(-[a-z0-9]+)*"
DOMAIN: Final = "[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?"

Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Slug = Annotated[
    Text,
    Field(max_length=80, json_schema_extra={"pattern": f"^{SLUG}$"}),
    matching(SLUG, "lower-case words joined by hyphens, e.g. core-week"),
]
Count = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
Size = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Share = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)]
Factor = Annotated[float, Strict(), Field(ge=0, le=1000, allow_inf_nan=False)]
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _written(DURATION_PATTERN, "90m"),
]
"""Integer microseconds, written `90m`."""
Length = Annotated[Duration, AfterValidator(_positive)]
"""A duration above zero."""
Lifetime = Annotated[Duration, AfterValidator(_a_minute)]
"""A duration of a minute or more: what is renewed more often would be most of the log."""
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(format_rate, return_type=str, when_used="json"),
    _written(RATE_PATTERN, "3/week"),
]
"""Per day, written `3/week`."""
Start = Annotated[
    datetime,
    BeforeValidator(_start),
    PlainSerializer(_start_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
