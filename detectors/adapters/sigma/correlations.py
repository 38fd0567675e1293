"""Correlations of Sigma rules, judged while events arrive: so many matches, values or rules within a time span.

A correlation counts what its rules match, apart for each value of its `group-by` fields, in a window that ends at the
latest match of the group; an event that arrives late counts if it lies within, and one from a clock that is ahead is
taken to have happened when it arrived.  It fires at every match at which its condition holds.  What it remembers is
bounded: of each group what its condition can still need, and no more than `GROUPS` groups.  What cannot be judged so
has a `reason`: a condition that is true of what does *not* happen is known only when the time is over; sums, means and
percentiles, correlations of correlations, and conditions with `and`, `or`, `not` are not evaluated.  A match without a
value of a `group-by` field belongs to no group.

Units: times in microseconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from scopedrift.detectors.adapters.sigma.rules import Rule

KINDS: Final = ("event_count", "value_count", "temporal", "temporal_ordered")
RISING: Final = ("GTE", "GT", "EQ")
"""Comparisons that a further match can make true."""
GROUPS: Final = 50_000
"""Groups that a correlation remembers; of more, those are forgotten that have not matched for longest."""
HELD: Final = 1_000
"""Matches of each rule that a group of rules in order remembers; of more, the earliest are forgotten."""
SECOND_US: Final = 1_000_000

Key = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False)
class Correlation:
    """One correlation, ready to be judged unless it has a `reason`."""

    title: str
    file: Path
    level: str
    score: float
    kind: str
    rules: tuple[Rule, ...]
    groups: Mapping[Rule, tuple[str, ...]]
    """For each rule: the fields of its records that say to which group a match belongs."""
    counted: Mapping[Rule, tuple[str, ...]]
    """For each rule: the fields whose values are counted (`value_count`)."""
    span_us: int
    op: str
    count: float
    generate: bool = False
    """Whether its rules alert by themselves, too."""
    reason: str = ""
    """Why it is not evaluated; empty if it is."""
    id: str = ""

    def blind_to(self, blind: Mapping[Any, str], carried: Mapping[str, Iterable[str]]) -> str:
        """Why it could never fire, its rules being blind or lacking fields to group by; empty if it can.

        `carried` are the fields of records, by format.
        """
        if self.reason:
            return self.reason
        seeing, lacking = 0, set()
        for rule in self.rules:
            have = frozenset(carried.get(rule.format or "", ()))
            missing = [name for name in (*self.groups[rule], *self.counted[rule]) if name not in have]
            lacking |= {f"{rule.format} records do not carry {name}" for name in missing}
            seeing += rule not in blind and not missing
        least = self.count + (self.op == "GT") if self.kind == "temporal" else len(self.rules)
        if seeing >= (least if self.kind.startswith("temporal") else 1):
            return ""
        return "; ".join(sorted({blind[rule] for rule in self.rules if rule in blind} or lacking))


class Hit(NamedTuple):
    """A rule that matched a record, with what its correlations need of the record."""

    rule: Rule
    places: tuple[tuple[Correlation, Key, Hashable], ...]
    """For each correlation: the group, and what is counted."""


class _Values:
    """The latest match of each value within the window: as many values as the condition needs, and one more."""

    def __init__(self, asked: Correlation) -> None:
        self._asked = asked
        self._held: list[tuple[int, int, Hashable]] = []
        self._latest: dict[Hashable, tuple[int, int]] = {}

    def fires(self, time: int, number: int, what: Hashable) -> bool:
        held, latest = self._held, self._latest
        if held and time < held[-1][0] - self._asked.span_us:
            return False
        before = latest.get(what)
        if before is None or before < (time, number):
            if before is not None:
                del held[bisect_left(held, before)]
            insort(held, (time, number, what))
            latest[what] = time, number
            begin = held[-1][0] - self._asked.span_us
            over = max(bisect_left(held, (begin,)), len(held) - int(self._asked.count) - 1)
            for _, _, gone in held[:over]:
                del latest[gone]
            del held[:over]
        seen, limit = len(held), self._asked.count
        return seen == limit if self._asked.op == "EQ" else seen > limit if self._asked.op == "GT" else seen >= limit


class _Order:
    """The matches of each rule within the window, by time: the latest `HELD` of each."""

    def __init__(self, asked: Correlation) -> None:
        self._span = asked.span_us
        self._held: list[list[tuple[int, int]]] = [[] for _ in asked.rules]

    def fires(self, time: int, number: int, what: int) -> bool:
        begin = max((held[-1][0] for held in self._held if held), default=time) - self._span
        if time < begin:
            return False
        begin, own = max(begin, time - self._span), self._held[what]
        insort(own, (time, number))
        del own[: max(bisect_left(own, (begin,)), len(own) - HELD)]
        at: tuple[int, int] | tuple[float] = (math.inf,)
        for held in reversed(self._held):  # the latest match of the last rule, the latest of the one before it...
            before = bisect_left(held, at)
            if not before or held[before - 1][0] < begin:
                return False
            at = held[before - 1]
        return True


class Memory:
    """What one correlation has seen: the `GROUPS` groups that matched last."""

    def __init__(self, correlation: Correlation) -> None:
        self._asked = correlation
        self._groups: OrderedDict[Key, _Values | _Order] = OrderedDict()
        self._number = 0

    def fires(self, time: int, key: Key, what: Any) -> bool:
        """Note a match, in order of arrival; whether the condition holds with it."""
        self._number += 1
        if key in self._groups:
            self._groups.move_to_end(key)
        else:
            self._groups[key] = _Order(self._asked) if self._asked.kind == "temporal_ordered" else _Values(self._asked)
            if len(self._groups) > GROUPS:
                self._groups.popitem(last=False)
        value = self._number if self._asked.kind == "event_count" else what  # every match of an event counts
        return self._groups[key].fires(time, self._number, value)


def correlation(rule: Any, file: Path, score: float, level: str, known: Mapping[str, Any], own: Any) -> Correlation:
    """A correlation that pySigma read; `known` are the rules by name and id, `own` makes a field's name ours."""
    references = [str(each.reference) for each in rule.rules or ()]
    found = [known.get(name) for name in references]
    rules = tuple(each for each in found if each is not None and hasattr(each, "matches"))
    aliases = {alias.alias: {str(r.reference): f for r, f in alias.mapping.items()} for alias in rule.aliases}

    def fields_of(names: Iterable[str]) -> dict[Rule, tuple[str, ...]]:
        return {
            each: tuple(own(aliases.get(name, {}).get(ref, name), each.format or "") for name in names)
            for ref, each in zip(references, found, strict=True)
            if each is not None and each in rules
        }

    kind = rule.type.name.lower()
    plain = hasattr(rule.condition, "op")
    counted = (getattr(rule.condition, "fieldref", None) or []) if plain else []
    return Correlation(
        title=rule.title,
        id=str(rule.id or ""),
        file=file,
        level=level,
        score=score,
        kind=kind,
        rules=rules,
        groups=fields_of(rule.group_by or ()),
        counted=fields_of([counted] if isinstance(counted, str) else counted),
        span_us=int(rule.timespan.seconds) * SECOND_US,
        op=rule.condition.op.name if plain else "",
        count=rule.condition.count if plain else 0,
        generate=bool(rule.generate),
        reason=_reason(kind, plain and rule.condition.op.name, references, found, rules),
    )


def _reason(kind: str, op: str | bool, references: list[str], found: list[Any], rules: tuple[Any, ...]) -> str:
    if kind not in KINDS:
        return f"a correlation of the type {kind}: not evaluated"
    if not op:
        return "a correlation with a condition of and, or, not: not evaluated"
    if missing := [name for name, each in zip(references, found, strict=True) if each is None]:
        return f"a correlation of {', '.join(missing)}, which is not among the rules"
    if len(rules) < len(found):
        return "a correlation of correlations: not evaluated"
    if op not in RISING:
        return "a correlation that is true of what does not happen: known only when the time is over, not evaluated"
    if kind == "temporal_ordered" and op == "EQ":
        return "a correlation of rules in order with an exact number: not evaluated"
    return ""
