"""Sigma rules read by pySigma and compiled to functions over records, with what each would need to fire.

A rule is for one kind of record (its log source); `matches` judges one record, as JSON values.  Text is compared
without regard to case, as Sigma asks; a list in a record matches if one of its elements does.  `blind_to` says which
fields keep a rule from ever firing where records carry only some fields: the condition is evaluated with every test of
a missing field false and every other test open.  What pySigma cannot read is told, not dropped; correlations of rules
are in `correlations`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from scopedrift.detectors.adapters.libraries import library
from scopedrift.detectors.adapters.sigma.correlations import Correlation, correlation

FORMATS: Final[Mapping[tuple[str | None, str | None], str]] = {
    ("aws", "cloudtrail"): "cloudtrail",
    ("aws", None): "cloudtrail",
    ("kubernetes", "audit"): "kubernetes",
    ("kubernetes", "application"): "kubernetes",
    ("kubernetes", None): "kubernetes",
    ("gcp", "gcp.audit"): "gcp",
    ("gcp", None): "gcp",
}
"""The kind of record of a log source (product and service)."""
ALIASES: Final = {
    "gcp": {
        "gcp.audit.method_name": "protoPayload.methodName",
        "gcp.audit.service_name": "protoPayload.serviceName",
        "gcp.audit.resource_name": "protoPayload.resourceName",
    },
    "kubernetes": {"username": "user.username", "apiGroup": "objectRef.apiGroup", "resource": "objectRef.resource",
                   "subresource": "objectRef.subresource", "namespace": "objectRef.namespace"},
}  # fmt: skip
"""Short names that rules use for fields of the record."""
PREFIXES: Final = {"gcp": "data."}
LEVELS: Final = {"informational": 0.1, "low": 0.25, "medium": 0.5, "high": 0.75, "critical": 1.0}
"""Score of a rule by its level."""
COMPARISONS: Final = {
    "LT": operator.lt, "LTE": operator.le, "GT": operator.gt, "GTE": operator.ge, "NEQ": operator.ne,
}  # fmt: skip
SUFFIXES: Final = (".yml", ".yaml")

Record = Mapping[str, Any]
Test = Callable[[Record], bool]
Carried = Callable[[str], bool]
Possible = tuple[bool, bool]
"""Whether a condition can be true, and whether it can be false."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule, ready to judge records."""

    title: str
    file: Path
    level: str
    format: str | None
    """The kind of record that it is for (a format's name); None if we have none of its log source."""
    source: str
    """Its log source, as it says it."""
    matches: Test
    fields: frozenset[str]
    possible: Callable[[Carried], Possible]
    id: str = ""

    @property
    def score(self) -> float:
        """What its level says, 0 to 1."""
        return LEVELS.get(self.level, LEVELS["medium"])

    def blind_to(self, carried: Collection[str]) -> list[str]:
        """The missing fields that keep it from ever firing on records with the fields `carried`; empty if it can."""
        if self.possible(carried.__contains__)[0]:
            return []
        return sorted(self.fields - set(carried))


@dataclass
class Ruleset:
    """The rules of a folder, and why others are not among them."""

    rules: list[Rule] = field(default_factory=list)
    rejected: dict[Path, str] = field(default_factory=dict)
    correlations: list[Correlation] = field(default_factory=list)

    def alerting(self) -> list[Rule | Correlation]:
        """All that alert by themselves: not the rules that only serve a correlation."""
        serving = {rule for each in self.correlations if not each.generate for rule in each.rules}
        return [*(rule for rule in self.rules if rule not in serving), *self.correlations]


def load_rules(path: Path) -> Ruleset:
    """Read the rules of a file, or of a folder and all below it.

    Raises `ValueError` if there is no rule to be had, `ImportError` if pySigma is not installed.
    """
    SigmaCollection = library("sigma.collection", "pySigma", "sigma").SigmaCollection
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    result = Ruleset()
    known: dict[str, Any] = {}
    correlations: list[tuple[Path, Any]] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            for rule in SigmaCollection.from_yaml(text, collect_errors=True, resolve_references=False):
                _add(result, file, rule, known, correlations)
        except Exception as error:  # whatever a broken file makes YAML or pySigma raise costs that file
            result.rejected[file] = f"{type(error).__name__}: {error}".splitlines()[0]
    for file, rule in correlations:
        try:
            result.correlations.append(correlation(rule, file, *_level(rule), known, _field))
        except Exception as error:
            result.rejected[file] = f"{type(error).__name__}: {error}".splitlines()[0]
    if not result.rules and not result.correlations:
        why = "".join(f"; {file.name}: {reason}" for file, reason in list(result.rejected.items())[:3])
        raise ValueError(f"{path}: no Sigma rule in it (files that end in {', '.join(SUFFIXES)}){why}")
    return result


def _add(result: Ruleset, file: Path, rule: Any, known: dict[str, Any], correlations: list[tuple[Path, Any]]) -> None:
    from sigma.rule import SigmaRule

    if rule.errors:
        result.rejected[file] = "; ".join(map(str, rule.errors))
        return
    names = [str(name) for name in (rule.name, rule.id) if name]
    if not isinstance(rule, SigmaRule):
        known |= dict.fromkeys(names, rule)
        correlations.append((file, rule))
        return
    source = rule.logsource
    kind = FORMATS.get((source.product, source.service))
    compiled = [_compile(condition.parsed, kind or "") for condition in rule.detection.parsed_condition]
    made = Rule(
        title=rule.title,
        file=file,
        level=_level(rule)[1],
        format=kind,
        source="/".join(part for part in (source.product, source.category, source.service) if part),
        matches=_any([node.test for node in compiled]),
        fields=frozenset().union(*(node.fields for node in compiled)),
        possible=_or([node.possible for node in compiled]),
        id=str(rule.id or ""),
    )
    result.rules.append(made)
    known |= dict.fromkeys(names, made)


def _level(rule: Any) -> tuple[float, str]:
    """The score of a rule's level, and the level."""
    level = rule.level.name.lower() if rule.level else "medium"
    return LEVELS.get(level, LEVELS["medium"]), level


@dataclass(frozen=True)
class _Node:
    """One node of a condition, compiled."""

    test: Test
    fields: frozenset[str]
    possible: Callable[[Carried], Possible]


def _compile(node: Any, kind: str) -> _Node:
    from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
    from sigma.types import SigmaExists, SigmaNull

    if isinstance(node, (ConditionAND, ConditionOR, ConditionNOT)):
        parts = [_compile(part, kind) for part in node.args]
        fields = frozenset().union(*(part.fields for part in parts))
        tests, possible = [part.test for part in parts], [part.possible for part in parts]
        if isinstance(node, ConditionNOT):
            return _Node(lambda record: not tests[0](record), fields, lambda carried: possible[0](carried)[::-1])
        if isinstance(node, ConditionOR):
            return _Node(_any(tests), fields, _or(possible))
        return _Node(
            lambda record: all(test(record) for test in tests),
            fields,
            lambda carried: (all(p(carried)[0] for p in possible), any(p(carried)[1] for p in possible)),
        )
    if not isinstance(node, ConditionFieldEqualsValueExpression):  # a keyword, anywhere in the record
        keyword = _value(node.value, kind, loose=True)
        return _Node(lambda record: any(map(keyword, leaves(record))), frozenset(), lambda carried: (True, True))
    name = _field(node.field, kind)
    steps = tuple(name.split("."))
    if isinstance(node.value, (SigmaNull, SigmaExists)):
        wanted = isinstance(node.value, SigmaExists) and node.value.exists
        return _Node(
            lambda record: any(value is not None for value in found(record, steps)) == wanted,
            frozenset({name}),
            lambda carried: (True, True) if carried(name) else (not wanted, wanted),
        )
    check = _value(node.value, kind)
    return _Node(
        lambda record: any(map(check, found(record, steps))),
        frozenset({name}),
        lambda carried: (carried(name), True),
    )


def _field(name: str, kind: str) -> str:
    name = name.removeprefix(PREFIXES.get(kind, "\0"))
    return ALIASES.get(kind, {}).get(name, name)


def _value(value: Any, kind: str, loose: bool = False) -> Callable[[Any], bool]:
    """Whether a value of a record is what a rule wants; `loose`: whether it holds it."""
    from sigma import types

    if isinstance(value, types.SigmaExpansion):
        options = [_value(option, kind, loose) for option in value.values]
        return lambda seen: any(option(seen) for option in options)
    if isinstance(value, types.SigmaString):
        flags = re.DOTALL | (0 if isinstance(value, types.SigmaCasedString) else re.IGNORECASE)
        pattern = re.compile("".join(map(_part, value.s)), flags)
        match = pattern.search if loose else pattern.fullmatch
        return lambda seen: seen is not None and match(text(seen)) is not None
    if isinstance(value, types.SigmaBool):
        return lambda seen: text(seen).lower() == str(value.boolean).lower()
    if isinstance(value, types.SigmaNumber):
        return lambda seen: number(seen) == value.number
    if isinstance(value, types.SigmaRegularExpression):
        switches = [value.sigma_to_python_flags[flag] for flag in value.flags]
        search = re.compile(str(value.regexp), sum(switches, re.RegexFlag(0))).search
        return lambda seen: seen is not None and search(text(seen)) is not None
    if isinstance(value, types.SigmaCIDRExpression):
        return lambda seen: _within(seen, value.network)
    if isinstance(value, types.SigmaCompareExpression):
        limit, op = value.number.number, value.op.name
        return lambda seen: (held := number(seen)) is not None and _compares(held, op, limit)
    raise ValueError(f"values of the kind {type(value).__name__} are not evaluated")


def _part(part: Any) -> str:
    from sigma.types import SpecialChars

    if isinstance(part, str):
        return re.escape(part)
    if part in (SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE):
        return ".*" if part is SpecialChars.WILDCARD_MULTI else "."
    raise ValueError("placeholders are not evaluated: expand them first")


def _within(seen: Any, network: Any) -> bool:
    try:
        return ip_address(text(seen)) in network
    except ValueError:
        return False


def _compares(held: float, op: str, limit: float) -> bool:
    return bool(COMPARISONS[op](held, limit))


def _any(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)


def _or(possible: list[Callable[[Carried], Possible]]) -> Callable[[Carried], Possible]:
    return lambda carried: (any(p(carried)[0] for p in possible), all(p(carried)[1] for p in possible))


def found(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """What a record holds at a path; lists on the way are entered, and keys that have dots themselves are found."""
    if isinstance(value, list):
        for item in value:
            yield from found(item, steps)
    elif not steps:
        yield value
    elif isinstance(value, Mapping):
        for size in range(1, len(steps) + 1):
            key = steps[0] if size == 1 else ".".join(steps[:size])
            if key in value:
                yield from found(value[key], steps[size:])


def leaves(value: Any) -> Iterator[Any]:
    """All values of a record that hold no others."""
    inner: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if isinstance(value, (Mapping, list)):
        for item in inner:
            yield from leaves(item)
    else:
        yield value


def paths(record: Any, before: str = "") -> Iterator[str]:
    """The paths of all fields of a record."""
    if isinstance(record, list):
        for item in record:
            yield from paths(item, before)
    elif isinstance(record, Mapping):
        for key, value in record.items():
            name = f"{before}.{key}" if before else key
            yield name
            yield from paths(value, name)


def text(value: Any) -> str:
    """A value as Sigma compares it."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def number(value: Any) -> float | None:
    """A value as a number, if it is one."""
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
