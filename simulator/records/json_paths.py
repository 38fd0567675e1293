"""Finding things in decoded JSON: by a key, by a dotted path, as text.

Where something inside is asked of a text, the JSON that the text holds is meant: exports flatten fields at any depth.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""Any decoded JSON value."""
_HOLDS: Final = re.compile(r'\s*("\s*)?[{[]')
"""The begin of a text that holds an object or a list, as JSON or as a text of JSON again."""
_STRUCT: Final = re.compile(r"\s*\{\w+=")
_DEEPEST: Final = 32
"""Structures and lists inside each other in a structure, at most (assumed: records have fewer than ten)."""
_NEXT: Final = re.compile(r", *\w+=")
_CAMEL: Final = {
    name.lower(): name
    for name in (
        "principalId", "accountId", "accessKeyId", "userName", "sessionContext", "sessionIssuer", "creationDate",
        "mfaAuthenticated", "invokedBy", "identityProvider", "onBehalfOf", "userId", "identityStoreArn",
        "sourceIdentity", "credentialId",
    )
}  # fmt: skip
"""Names in structures of CloudTrail, which Athena writes in lower case."""
Record: TypeAlias = Mapping[str, Json]
"""A decoded JSON object."""


def text(value: Json) -> str | None:
    """`value` if it is text, a number as text, None for all else (and for empty text)."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def child(value: Json, key: str) -> Json:
    """`value[key]` of an object, or None."""
    if isinstance(value, str):
        value = decoded(value)
    return value.get(key) if isinstance(value, dict) else None


def first(value: Json) -> Json:
    """The first element of a list that has one, or None."""
    if isinstance(value, str):
        value = decoded(value)
    found: Json = value[0] if isinstance(value, list) and value else None
    return found


def at(value: Json, path: str) -> Json:
    """What is at a dotted path (`user.name`, `sourceIPs.-1`), or None.  A key that has dots itself is found too."""
    whole: Json = value.get(path) if isinstance(value, dict) else None
    if whole is not None:
        return whole
    for step in path.split("."):
        if isinstance(value, str):
            value = decoded(value)
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.lstrip("-").isdecimal():
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def decoded(value: Json) -> Json:
    """The JSON that a text holds, as fields of many exports do; any other value as it is.

    What strict JSON does not allow is replaced, as in whole records; None for what is not JSON at all.
    """
    if not isinstance(value, str) or not _HOLDS.match(value):
        return value
    if _STRUCT.match(value):
        return _struct(value.strip())
    try:
        return decoded(msgspec.json.decode(value))
    except (ValueError, RecursionError):
        pass
    try:
        return decoded(msgspec.json.decode(strict(lenient(value))))
    except (ValueError, RecursionError):
        return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | float | None:
    return int(text) if len(text) < 19 else _finite(text)


_LENIENT: Final = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, parse_int=_integer, strict=False)


def lenient(text: str) -> Json:
    """The value of JSON text in which NaN, infinities, control characters and huge numbers may occur."""
    value: Json = _LENIENT.decode(text.strip().lstrip("\ufeff"))
    return value


def strict(value: Json) -> bytes:
    """The JSON of a lenient value: halves of characters become `?`."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _struct(value: str) -> Json:
    """The fields of a structure as Athena and CloudTrail Lake write it: `{type=IAMUser, sessioncontext={...}}`.

    One that is nested too deeply is taken as the text that it is.
    """
    fields: dict[str, Json] = {}
    depth, start = 0, 1
    for at, mark in enumerate(value):
        depth += (mark in "{[") - (mark in "}]")
        if depth > _DEEPEST:
            return value
        if (depth == 1 and _NEXT.match(value, at)) or depth == 0:
            name, _, inner = value[start:at].strip().partition("=")
            held = inner.strip()
            fields[_CAMEL.get(name, name)] = decoded(held) if held not in ("", "null") else None
            start = at + 1
        if depth == 0:
            break
    return fields


def first_text(value: Json, paths: Iterable[str]) -> str | None:
    """The first of `paths` that holds text."""
    for path in paths:
        found = text(at(value, path))
        if found is not None:
            return found
    return None


def every(value: Json, path: str) -> list[Json]:
    """All that is at a path in which `*` stands for every element of a list (`evidences.*.uid`); nulls are left out."""
    head, star, rest = path.partition("*")
    if not star:
        found = at(value, path)
        return [] if found is None else [found]
    inside = at(value, head.removesuffix(".")) if head else value
    inside = decoded(inside)
    elements = inside if isinstance(inside, list) else [] if inside is None else [inside]
    rest = rest.removeprefix(".")
    return [each for element in elements for each in (every(element, rest) if rest else [element]) if each is not None]


def texts_in(value: Json) -> Iterator[str]:
    """Every text in a value, and in the JSON that a text holds."""
    waiting = [value]
    while waiting:
        found = decoded(waiting.pop())
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
