"""The conditions of Sigma rules, compiled to functions over records, with the fields that each needs to be true.

Text is compared without regard to case, as Sigma asks; a list in a record matches if one of its elements does.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.adapters.libraries import library
from scopedrift.detectors.adapters.sigma.fields import found, leaves, number, text
from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import EPOCH, parse_time

if TYPE_CHECKING:
    from sigma.types import (
        Placeholder,
        SigmaCIDRExpression,
        SigmaFieldReference,
        SigmaString,
        SigmaTimestampPart,
        SigmaType,
        SpecialChars,
    )

ALIASES: Final = {
    "gcp": {
        "gcp.audit.method_name": "protoPayload.methodName",
        "gcp.audit.service_name": "protoPayload.serviceName",
        "gcp.audit.resource_name": "protoPayload.resourceName",
    },
    "entra": {"properties.message": "operationName"},
    "kubernetes": {"username": "user.username", "apiGroup": "objectRef.apiGroup", "resource": "objectRef.resource",
                   "subresource": "objectRef.subresource", "namespace": "objectRef.namespace"},
}  # fmt: skip
"""Short names that rules use for fields of the record."""
PREFIXES: Final = {"gcp": "data."}
COMPARISONS: Final = {
    "LT": operator.lt, "LTE": operator.le, "GT": operator.gt, "GTE": operator.ge, "NEQ": operator.ne,
}  # fmt: skip

Possible = tuple[bool, bool]
"""Whether a condition can be true, and whether it can be false."""


@dataclass(frozen=True, eq=False)
class FieldTest:
    """One test of a record: of the values of a field, or of two, or of any value (without a field)."""

    fields: tuple[str, ...]
    holds: Callable[[Record], bool]
    absent: bool = False
    """Whether it holds of a record without the fields."""


Known = Callable[[FieldTest], bool | None]
"""Whether a test holds, if that is known."""


@dataclass(frozen=True)
class Condition:
    """A condition, or a part of one, ready to judge records."""

    matches: Callable[[Record], bool]
    tests: tuple[FieldTest, ...]
    possible: Callable[[Known], Possible]
    """What it can be, given what is known of its tests."""

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it tests."""
        return frozenset(name for test in self.tests for name in test.fields)


def field_name(name: str, kind: str) -> str:
    """The field of records of a kind that rules call `name`."""
    name = name.removeprefix(PREFIXES.get(kind, "\0"))
    return ALIASES.get(kind, {}).get(name, name)


def any_of(parts: Sequence[Condition]) -> Condition:
    """True if one of the conditions is."""
    matches, possible = [part.matches for part in parts], [part.possible for part in parts]
    return Condition(
        matches[0] if len(matches) == 1 else lambda record: any(test(record) for test in matches),
        tuple(test for part in parts for test in part.tests),
        lambda known: (any(p(known)[0] for p in possible), all(p(known)[1] for p in possible)),
    )


def _all_of(parts: Sequence[Condition]) -> Condition:
    return Condition(
        lambda record: all(part.matches(record) for part in parts),
        tuple(test for part in parts for test in part.tests),
        lambda known: (all(p.possible(known)[0] for p in parts), any(p.possible(known)[1] for p in parts)),
    )


def _none_of(part: Condition) -> Condition:
    return Condition(lambda record: not part.matches(record), part.tests, lambda known: part.possible(known)[::-1])


def _one(test: FieldTest) -> Condition:
    def possible(known: Known) -> Possible:
        told = known(test)
        return (told is not False, told is not True)

    return Condition(test.holds, (test,), possible)


def compiled(node: object, kind: str) -> Condition:
    """A condition that pySigma parsed, for records of a kind.

    Raises `ValueError` for unsupported conditions.
    """
    from sigma.conditions import (
        ConditionAND,
        ConditionFieldEqualsValueExpression,
        ConditionNOT,
        ConditionOR,
        ConditionValueExpression,
    )
    from sigma.types import SigmaExists, SigmaFieldReference, SigmaNull

    if isinstance(node, (ConditionAND, ConditionOR, ConditionNOT)):
        parts = [compiled(part, kind) for part in node.args]
        if isinstance(node, ConditionNOT):
            return _none_of(parts[0])
        return any_of(parts) if isinstance(node, ConditionOR) else _all_of(parts)
    if isinstance(node, ConditionValueExpression):  # a keyword, anywhere in the record
        keyword = _value(node.value, loose=True)
        return _one(FieldTest((), lambda record: any(map(keyword, leaves(record)))))
    if not isinstance(node, ConditionFieldEqualsValueExpression):
        raise ValueError(f"conditions of type {type(node).__name__} are not supported")
    name = field_name(node.field, kind)
    steps = tuple(name.split("."))
    if isinstance(node.value, (SigmaNull, SigmaExists)):
        wanted = isinstance(node.value, SigmaExists) and node.value.exists

        def there(record: Record) -> bool:
            return any(value is not None for value in found(record, steps)) == wanted

        return _one(FieldTest((name,), there, absent=not wanted))
    if isinstance(node.value, SigmaFieldReference):
        return _of_two_fields(name, field_name(node.value.field, kind), node.value)
    check = _value(node.value)
    return _one(FieldTest((name,), lambda record: any(map(check, found(record, steps)))))


def _of_two_fields(name: str, other: str, value: SigmaFieldReference) -> Condition:
    """Whether a field of a record is, begins with, ends in or holds what another field is."""
    compare: Callable[[str, str], bool] = operator.contains
    if not (value.starts_with and value.ends_with):
        compare = str.startswith if value.starts_with else str.endswith if value.ends_with else operator.eq
    steps, others = tuple(name.split(".")), tuple(other.split("."))

    def matches(record: Record) -> bool:
        wanted = [text(value).lower() for value in found(record, others) if value is not None]
        seen = (text(value).lower() for value in found(record, steps) if value is not None)
        return any(compare(one, two) for one in seen for two in wanted)

    return _one(FieldTest((name, other), matches))


def _value(value: SigmaType, loose: bool = False) -> Callable[[Json], bool]:
    """Whether a value of a record is what a rule wants; `loose`: whether it holds it."""
    from sigma import types

    if isinstance(value, types.SigmaExpansion):
        options = [_value(option, loose) for option in value.values]
        return lambda seen: any(option(seen) for option in options)
    if isinstance(value, types.SigmaString):
        return _text(value, isinstance(value, types.SigmaCasedString), loose)
    if isinstance(value, types.SigmaBool):
        return lambda seen: text(seen).lower() == str(value.boolean).lower()
    if isinstance(value, types.SigmaTimestampPart):
        return lambda seen: _part(seen, value) == value.number
    if isinstance(value, types.SigmaNumber):
        return lambda seen: number(seen) == value.number
    if isinstance(value, types.SigmaRegularExpression):
        flags = "".join(flag.name[0].lower() for flag in value.flags)  # ignore case, multi-line, dot matches all
        search = _pattern(str(value.regexp), flags).search
        return lambda seen: seen is not None and search(text(seen)) is not None
    if isinstance(value, types.SigmaCIDRExpression):
        return lambda seen: _within(seen, value)
    if isinstance(value, types.SigmaCompareExpression):
        limit, compare = value.number.number, COMPARISONS[value.op.name]
        return lambda seen: (held := number(seen)) is not None and bool(compare(held, limit))
    raise ValueError(f"values of type {type(value).__name__} are not supported")


def _text(value: SigmaString, cased: bool, loose: bool) -> Callable[[Json], bool]:
    """Whether a value is, or with `loose` holds, a text with wildcards."""
    words = [part for part in value.s if isinstance(part, str)]
    shape = "".join("t" if isinstance(part, str) else _wildcard(part) for part in value.s)
    folded = str if cased else str.lower
    word = folded("".join(words))
    compare: Callable[[str, str], bool]
    if shape in ("", "t", "*t", "t*", "*t*"):
        begins, ends = not loose and not shape.startswith("*"), not loose and not shape.endswith("*")
        if begins and ends:
            compare = operator.eq
        else:
            compare = str.startswith if begins else str.endswith if ends else operator.contains
        return lambda seen: seen is not None and compare(folded(text(seen)), word)
    pieces = [re.escape(part) if isinstance(part, str) else {"*": ".*", "?": "."}[_wildcard(part)] for part in value.s]
    pattern = _pattern("".join(pieces), "s" if cased else "is")
    match = pattern.search if loose else pattern.fullmatch
    return lambda seen: seen is not None and match(text(seen)) is not None


def _wildcard(part: SpecialChars | Placeholder) -> str:
    from sigma.types import SpecialChars

    if part is SpecialChars.WILDCARD_MULTI:
        return "*"
    if part is SpecialChars.WILDCARD_SINGLE:
        return "?"
    raise ValueError("placeholders are not supported: expand them first")


def _pattern(expression: str, flags: str) -> re.Pattern[str]:
    """A regular expression that takes linear time on any text (RE2), whoever wrote it.

    Raises `ValueError` for what only engines that backtrack have: look-around and back-references.
    """
    re2 = library("re2", "google-re2", "sigma")
    options = re2.Options()
    options.log_errors = False
    try:
        pattern: re.Pattern[str] = re2.compile(f"(?{flags}){expression}" if flags else expression, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else ""
        raise ValueError(f"the regular expression {expression[:60]!r} is not one of RE2: {reason}") from None
    return pattern


def _part(seen: Json, wanted: SigmaTimestampPart) -> int | None:
    """The year, month, week, day, hour or minute (UTC) of a time; None of what is none."""
    try:
        moment = EPOCH + timedelta(microseconds=parse_time(seen))
    except Unreadable:
        return None
    name = wanted.timestamp_part.name.lower()
    return moment.isocalendar().week if name == "week" else int(getattr(moment, name))


def _within(seen: Json, wanted: SigmaCIDRExpression) -> bool:
    try:
        return ip_address(text(seen)) in wanted.network
    except ValueError:
        return False
